//! A session over WebSocket: two tasks, one for each direction, so that neither waits for the other.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use runtime_core::{TerminalSize, helpers::remote_status::RemoteStatus};
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval_at, sleep_until},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    channels::{self, RESIZE, STATUS, STDERR, STDIN, STDOUT},
    input,
    keep_alive::{INTERVAL, InputCount, PATIENCE},
    queue::{self, queue},
    remote::{Ended, Link, MAX_STATUS_BYTES, Parts, WAITING_SIZES},
    session::Wanted,
};

type Socket = WebSocketStream<TcpStream>;

/// Starts a session. With `ends` the other side understands the end of a channel.
pub(super) fn start(socket: Socket, wanted: &Wanted, ends: bool) -> Parts {
    let (sink, source) = socket.split();
    let count = Arc::new(InputCount::default());
    let (ended, told) = watch::channel(None);
    let (stdout, read_stdout) = queue();
    let (stderr, read_stderr) = queue();
    let (resize, sizes) = mpsc::channel(WAITING_SIZES);
    let (stdin, messages) = match wanted.stdin.then(|| input::input(ends)) {
        Some((stdin, messages)) => (Some(stdin), Some(messages)),
        None => (None, None),
    };
    let receiving = Receiving { source, stdout, stderr, count: Arc::clone(&count) };
    let sending = Sending { sink, messages, sizes, ends, count };
    let receive = tokio::spawn(async move {
        ended.send_replace(Some(receiving.run().await));
    });
    let send = tokio::spawn(async move {
        // What can't be sent any more is told by the other direction, which may still have something to read.
        drop(sending.run().await);
    });
    Parts {
        stdin: stdin.map(|stdin| Box::pin(stdin) as _),
        stdout: Box::pin(read_stdout),
        stderr: (!wanted.tty).then(|| Box::pin(read_stderr) as _),
        link: Link {
            ended: told,
            resize: wanted.tty.then_some(resize),
            spdy: None,
            _tasks: [receive, send].map(AbortOnDropHandle::new).into(),
        },
    }
}

struct Receiving {
    source: SplitStream<Socket>,
    stdout: queue::Sender,
    stderr: queue::Sender,
    count: Arc<InputCount>,
}

impl Receiving {
    /// Receives until the end is told or the connection is lost. While a stream's queue is full nothing is read, so that the
    /// command is held back.
    async fn run(mut self) -> Ended {
        let mut status = Vec::new();
        let mut heard = Instant::now();
        let silence = sleep_until(heard + PATIENCE);
        tokio::pin!(silence);
        loop {
            let message = tokio::select! {
                biased;
                message = self.source.next() => message,
                () = &mut silence => {
                    // Moved on here rather than with every message.
                    let patient_until = heard + PATIENCE;
                    if patient_until > Instant::now() || !self.count.all_taken() {
                        silence.as_mut().reset(patient_until.max(Instant::now() + INTERVAL));
                        continue;
                    }
                    return Ended::Lost("the runtime's streaming server answers no more".to_owned());
                }
            };
            match message {
                Some(Ok(Message::Binary(bytes))) => {
                    if let Some(ended) = self.take(bytes, &mut status).await {
                        self.stdout.end();
                        self.stderr.end();
                        return ended;
                    }
                }
                Some(Ok(Message::Pong(payload))) => self.count.pong(&payload),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Ended::Lost(lost(&error)),
                None => return Ended::Lost("the connection was closed".to_owned()),
            }
            // After the streams had room: time in which nothing is read is no silence of the other side.
            heard = Instant::now();
        }
    }

    /// Hands a message on, and says how the command ended if it tells that.
    async fn take(&mut self, mut message: Bytes, status: &mut Vec<u8>) -> Option<Ended> {
        if message.is_empty() {
            return None;
        }
        match message.get_u8() {
            STDOUT => self.stdout.send(message).await,
            STDERR => self.stderr.send(message).await,
            STATUS if status.len() + message.len() <= MAX_STATUS_BYTES => {
                status.extend_from_slice(&message);
                // It could come in pieces; runtimes send it as one.
                return RemoteStatus::parse(status).ok().map(Ended::Told);
            }
            // Channels that nobody asked for.
            _ => {}
        }
        None
    }
}

fn lost(error: &Error) -> String {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => "the connection was closed".to_owned(),
        error => error.to_string(),
    }
}

struct Sending {
    sink: SplitSink<Socket, Message>,
    messages: Option<mpsc::Receiver<Bytes>>,
    sizes: mpsc::Receiver<TerminalSize>,
    ends: bool,
    count: Arc<InputCount>,
}

impl Sending {
    async fn run(mut self) -> Result<(), Error> {
        let mut ticks = interval_at(Instant::now() + INTERVAL, INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                Some(size) = self.sizes.recv() => {
                    let message = channels::message(RESIZE, channels::size(size).as_bytes());
                    self.sink.send(Message::Binary(message)).await?;
                }
                _ = ticks.tick() => {
                    self.sink.feed(Message::Ping(Bytes::copy_from_slice(&self.count.ping()))).await?;
                    // containerd's idle timer doesn't see pings; an empty message it does, and nobody else.
                    self.sink.send(Message::Binary(Bytes::new())).await?;
                }
                message = next(&mut self.messages) => self.input(message).await?,
            }
        }
    }

    /// Sends input, or its end.
    async fn input(&mut self, message: Option<Bytes>) -> Result<(), Error> {
        let Some(message) = message else {
            self.messages = None;
            if self.ends {
                self.sink.send(Message::Binary(channels::close(STDIN))).await?;
            }
            return Ok(());
        };
        self.count.add();
        self.sink.feed(Message::Binary(message)).await?;
        if self.messages.as_ref().is_none_or(mpsc::Receiver::is_empty) {
            self.sink.flush().await?;
        }
        Ok(())
    }
}

/// The next of the input, its end as `None`; never without input.
async fn next(messages: &mut Option<mpsc::Receiver<Bytes>>) -> Option<Bytes> {
    match messages {
        Some(messages) => messages.recv().await,
        None => std::future::pending().await,
    }
}
