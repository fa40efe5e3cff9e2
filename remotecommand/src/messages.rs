//! Messages over a WebSocket: listening and sending, each in a task of its own, so that neither waits for the other.

use std::{future::poll_fn, sync::Arc};

use bytes::Bytes;
use futures::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use runtime_core::TerminalSize;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at, sleep_until},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message, protocol::WebSocketConfig},
};

use crate::{
    channels::{self, RESIZE, STDIN},
    keep_alive::{INTERVAL, InputCount, PATIENCE},
    unread::{LAST_WORDS, Traffic},
};

/// A WebSocket over any connection.
pub type Socket<S> = WebSocketStream<S>;

/// Frames of servers have 32 KiB, and none needs more. One has to be in memory as a whole.
const MAX_FRAME_BYTES: usize = 4 << 20;

/// How many pings are left out at most because something comes, or nobody takes what has come. Servers may take the latter
/// for idleness in the end.
const MAX_LEFT_OUT: u32 = 120;

/// How a WebSocket is to be opened: no frame in it may be so long that memory is in danger.
#[must_use]
pub fn config() -> WebSocketConfig {
    WebSocketConfig::default().max_frame_size(Some(MAX_FRAME_BYTES)).max_message_size(Some(MAX_FRAME_BYTES))
}

/// What becomes of the messages that come in.
pub(crate) trait Listener: Send {
    /// What the last message says.
    type End;

    /// Takes a message, once there is room for it, and says whether it was the last.
    fn take(&mut self, message: Bytes) -> impl Future<Output = Option<Self::End>> + Send;

    /// Nothing more has come for now: whoever waits for what was taken is to have it.
    fn flush(&mut self);
}

/// Why no message was the last.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The other side closed the connection in order.
    Closed,
    /// It broke.
    Broken(String),
    /// The process behind it is gone, and nothing more comes.
    Silent,
}

/// Listens until the last message, or until nothing more comes of a process that is gone. While the listener takes its time
/// nothing is read, so that the other side is held back.
pub(crate) async fn listen<L: Listener, S: AsyncRead + AsyncWrite + Unpin>(
    mut source: SplitStream<Socket<S>>,
    (count, traffic): (&InputCount, &Traffic),
    listener: &mut L,
) -> Result<L::End, Lost> {
    let mut heard = Instant::now();
    let (gone, mut is_gone) = (traffic.process_gone(), false);
    tokio::pin!(gone);
    let silence = sleep_until(heard + PATIENCE);
    tokio::pin!(silence);
    loop {
        let next = poll_fn(|cx| {
            let next = source.poll_next_unpin(cx);
            if next.is_pending() {
                listener.flush();
            }
            next
        });
        let message = tokio::select! {
            biased;
            message = next => message,
            () = &mut gone, if !is_gone => {
                is_gone = true;
                silence.as_mut().reset(Instant::now() + LAST_WORDS);
                continue;
            }
            () = &mut silence => {
                if is_gone {
                    let quiet_until = heard + LAST_WORDS;
                    if quiet_until <= Instant::now() {
                        return Err(Lost::Silent);
                    }
                    silence.as_mut().reset(quiet_until);
                    continue;
                }
                // Moved on here rather than with every message.
                let patient_until = heard + PATIENCE;
                if patient_until > Instant::now() || !count.all_taken() {
                    silence.as_mut().reset(patient_until.max(Instant::now() + INTERVAL));
                    continue;
                }
                return Err(Lost::Broken("the server of the stream answers no more".to_owned()));
            }
        };
        match message {
            Some(Ok(Message::Binary(message))) => {
                traffic.heard();
                traffic.hold_back(true);
                if let Some(end) = listener.take(message).await {
                    return Ok(end);
                }
                traffic.hold_back(false);
            }
            Some(Ok(Message::Pong(payload))) => count.pong(&payload),
            Some(Ok(Message::Close(_))) => return Err(Lost::Closed),
            Some(Ok(_)) => {}
            None | Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => return Err(Lost::Closed),
            Some(Err(error)) => return Err(Lost::Broken(error.to_string())),
        }
        // After the message was taken: time in which nothing is read is no silence of the other side.
        heard = Instant::now();
    }
}

/// What goes out.
pub(crate) struct Sending<S> {
    pub(crate) sink: SplitSink<Socket<S>, Message>,
    pub(crate) input: Option<mpsc::Receiver<Bytes>>,
    pub(crate) sizes: Option<mpsc::Receiver<TerminalSize>>,
    /// The other side understands the end of a channel.
    pub(crate) ends: bool,
    pub(crate) count: Arc<InputCount>,
    pub(crate) traffic: Arc<Traffic>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sending<S> {
    /// Sends until nothing can be sent any more. What that means is told by who listens, who may still have something to
    /// hear.
    pub(crate) async fn run(mut self) {
        drop(self.send().await);
    }

    async fn send(&mut self) -> Result<(), Error> {
        let mut ticks = interval_at(Instant::now() + INTERVAL, INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut before, mut left_out) = (self.traffic.messages(), 0);
        loop {
            tokio::select! {
                biased;
                Some(size) = next(&mut self.sizes) => {
                    let message = channels::message(RESIZE, channels::size(size).as_bytes());
                    self.sink.send(Message::Binary(message)).await?;
                }
                _ = ticks.tick() => {
                    // Only where nothing comes: a server that has closed the connection drops what it has not sent yet if
                    // something arrives.
                    let now = self.traffic.messages();
                    let is_idle = now.is_some() && now == before;
                    before = now;
                    if !is_idle && left_out < MAX_LEFT_OUT {
                        left_out += 1;
                        continue;
                    }
                    left_out = 0;
                    self.sink.feed(Message::Ping(Bytes::copy_from_slice(&self.count.ping()))).await?;
                    // containerd's idle timer doesn't see pings; an empty message it does, and nobody else.
                    self.sink.send(Message::Binary(Bytes::new())).await?;
                }
                message = next(&mut self.input) => self.pass(message).await?,
            }
        }
    }

    /// Sends input, or its end.
    async fn pass(&mut self, message: Option<Bytes>) -> Result<(), Error> {
        let Some(message) = message else {
            self.input = None;
            if self.ends {
                self.sink.send(Message::Binary(channels::close(STDIN))).await?;
            }
            return Ok(());
        };
        self.count.add();
        let bytes = message.len();
        self.sink.feed(Message::Binary(message)).await?;
        self.traffic.sent(bytes);
        if self.input.as_ref().is_none_or(mpsc::Receiver::is_empty) {
            self.sink.flush().await?;
        }
        Ok(())
    }
}

/// The next item, the end as `None`; never where there is nothing to come.
async fn next<T>(items: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    match items {
        Some(items) => items.recv().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use tokio::{io::DuplexStream, task::JoinHandle};
    use tokio_tungstenite::tungstenite::protocol::Role;

    /// Takes messages until one says "end".
    struct UntilEnd(Vec<Bytes>);

    impl Listener for UntilEnd {
        type End = usize;

        async fn take(&mut self, message: Bytes) -> Option<usize> {
            self.0.push(message.clone());
            (message == "end").then_some(self.0.len())
        }

        fn flush(&mut self) {}
    }

    struct Ends {
        listening: JoinHandle<Result<usize, Lost>>,
        input: mpsc::Sender<Bytes>,
        server: Socket<DuplexStream>,
    }

    async fn start(ends: bool) -> Ends {
        let (near, far) = tokio::io::duplex(4096);
        let (sink, source) = Socket::from_raw_socket(near, Role::Client, None).await.split();
        let server = Socket::from_raw_socket(far, Role::Server, None).await;
        let count = Arc::new(InputCount::default());
        let (input, messages) = mpsc::channel(1);
        let traffic = Arc::new(Traffic::default());
        let sending = Sending {
            sink,
            input: Some(messages),
            sizes: None,
            ends,
            count: Arc::clone(&count),
            traffic: Arc::clone(&traffic),
        };
        let listening = tokio::spawn(async move {
            let sending = tokio::spawn(sending.run());
            let listened = listen(source, (&count, &traffic), &mut UntilEnd(Vec::new())).await;
            sending.abort();
            listened
        });
        Ends { listening, input, server }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_kept_for_hours_and_never_idle_to_the_other_side() {
        let Ends { listening, input: _input, mut server } = start(true).await;
        let until = Instant::now() + Duration::from_secs(6 * 3600);
        let mut empty = 0;
        while let Ok(message) = tokio::time::timeout_at(until, server.next()).await {
            // Pings are answered while messages are read.
            empty += usize::from(message.unwrap().unwrap() == Message::Binary(Bytes::new()));
        }
        assert!((719..=720).contains(&empty), "{empty}");
        server.send(Message::Binary("end".into())).await.unwrap();
        assert_eq!(listening.await.unwrap(), Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_says_something_is_left_alone() {
        let Ends { listening, input: _input, mut server } = start(true).await;
        let until = Instant::now() + Duration::from_secs(1800);
        while Instant::now() < until {
            server.send(Message::Binary("news".into())).await.unwrap();
            let heard = tokio::time::timeout(INTERVAL / 2, server.next()).await;
            assert!(heard.is_err(), "{heard:?}");
        }
        server.send(Message::Binary("end".into())).await.unwrap();
        assert!(listening.await.unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_lost_unless_input_may_hold_it_back() {
        let started = Instant::now();
        let Ends { listening, input: _input, server: _server } = start(true).await;
        assert!(matches!(listening.await.unwrap(), Err(Lost::Broken(_))));
        assert_eq!(started.elapsed().as_secs(), PATIENCE.as_secs());

        let Ends { mut listening, input, server: mut slow } = start(true).await;
        input.send("input".into()).await.unwrap();
        let waiting = tokio::time::timeout(Duration::from_secs(3600), &mut listening).await;
        assert!(waiting.is_err(), "the command may not be reading");
        // When it reads again, silence counts again.
        while tokio::time::timeout(Duration::from_secs(5), slow.next()).await.is_ok() {}
        assert!(matches!(listening.await.unwrap(), Err(Lost::Broken(_))));
    }

    #[tokio::test]
    async fn the_end_of_the_input_is_told_where_it_is_understood() {
        for ends in [true, false] {
            let Ends { listening, input, mut server } = start(ends).await;
            input.send(channels::message(STDIN, b"last")).await.unwrap();
            drop(input);
            let next = server.next().await.unwrap().unwrap();
            assert_eq!(next, Message::Binary(Bytes::from_static(b"\0last")));
            if ends {
                let next = server.next().await.unwrap().unwrap();
                assert_eq!(next, Message::Binary(Bytes::from_static(b"\xff\0")));
            }
            server.close(None).await.unwrap();
            assert_eq!(listening.await.unwrap(), Err(Lost::Closed));
        }
    }
}
