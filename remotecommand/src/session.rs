//! A session over WebSocket.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures::StreamExt;
use runtime_core::helpers::remote_status::RemoteStatus;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, watch},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    Channels, Ended, Link, Parts, Socket,
    channels::{MAX_STATUS_BYTES, STATUS, STDERR, STDOUT, WAITING_SIZES},
    input,
    keep_alive::InputCount,
    messages::{Listener, Lost, Sending, listen},
    queue::{self, queue},
    unread::Traffic,
};

/// Starts a session over a WebSocket with these channels. With `ends` both sides speak [`VERSION_5`](crate::VERSION_5), in
/// which a channel can end alone; else the input's end is refused, as an error of the kind `Unsupported` when the input is
/// shut down.
pub fn start<S>(socket: Socket<S>, channels: Channels, ends: bool) -> Parts
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sink, source) = socket.split();
    let (count, traffic) = (Arc::new(InputCount::default()), Arc::new(Traffic::default()));
    let watched = (channels.stdin && !channels.tty).then(|| Arc::clone(&traffic));
    let (ended, told) = watch::channel(None);
    let (stdout, read_stdout) = queue();
    let (stderr, read_stderr) = queue();
    let (stdin, input) = channels.stdin.then(|| input::input(ends)).unzip();
    let (resize, sizes) = channels.tty.then(|| mpsc::channel(WAITING_SIZES)).unzip();
    let send = tokio::spawn(
        Sending { sink, input, sizes, ends, count: Arc::clone(&count), traffic: Arc::clone(&traffic) }.run(),
    );
    let sending = send.abort_handle();
    let receive = async move {
        let mut session = Session { stdout, stderr, status: Vec::new() };
        let end = match listen(source, (&count, &traffic), &mut session).await {
            Ok(status) => {
                session.stdout.end();
                session.stderr.end();
                Ended::Told(status)
            }
            Err(Lost::Silent) => {
                session.stdout.end();
                session.stderr.end();
                Ended::Untold
            }
            Err(Lost::Closed) => Ended::Lost("the connection was closed".to_owned()),
            Err(Lost::Broken(why)) => Ended::Lost(why),
        };
        ended.send_replace(Some(end));
        // Whoever still writes input is told by that.
        sending.abort();
    };
    let tasks = [tokio::spawn(receive), send].map(AbortOnDropHandle::new);
    Parts {
        stdin: stdin.map(|stdin| Box::pin(stdin) as _),
        stdout: Box::pin(read_stdout),
        stderr: (!channels.tty).then(|| Box::pin(read_stderr) as _),
        link: Link::new(told, tasks.into()).with_sizes(resize).with_traffic(watched),
    }
}

struct Session {
    stdout: queue::Sender,
    stderr: queue::Sender,
    status: Vec<u8>,
}

impl Listener for Session {
    type End = RemoteStatus;

    async fn take(&mut self, mut message: Bytes) -> Option<RemoteStatus> {
        if message.is_empty() {
            return None;
        }
        match message.get_u8() {
            // A full stream holds the other back, which its reader may be waiting for.
            STDOUT => {
                self.stderr.flush();
                self.stdout.send(message).await;
            }
            STDERR => {
                self.stdout.flush();
                self.stderr.send(message).await;
            }
            STATUS if self.status.len() + message.len() <= MAX_STATUS_BYTES => {
                self.status.extend_from_slice(&message);
                // It could come in pieces; servers send it as one.
                return RemoteStatus::parse(&self.status).ok();
            }
            // Channels that nobody asked for.
            _ => {}
        }
        None
    }

    fn flush(&mut self) {
        self.stdout.flush();
        self.stderr.flush();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::SinkExt;
    use runtime_core::{ExitCause, TerminalSize};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio_tungstenite::tungstenite::{Message, protocol::Role};
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::{RawSession, config};

    const PLAIN: Channels = Channels { stdin: false, tty: false };
    const SUCCESS: &str = r#"{"metadata":{},"status":"Success"}"#;

    /// A session, and the server's end of its WebSocket.
    async fn session(wanted: Channels, ends: bool) -> (RawSession, Socket<DuplexStream>) {
        let (near, far) = tokio::io::duplex(1 << 20);
        let socket = Socket::from_raw_socket(near, Role::Client, Some(config())).await;
        let parts = start(socket, wanted.to_ask_for(), ends);
        let server = Socket::from_raw_socket(far, Role::Server, None).await;
        (RawSession::new(parts, wanted, None, TaskTracker::new()), server)
    }

    fn frame(channel: u8, text: &str) -> Message {
        Message::Binary(crate::channels::message(channel, text.as_bytes()))
    }

    /// Says all of it, then goodbye as API servers do.
    async fn say(server: &mut Socket<DuplexStream>, frames: &[(u8, &str)]) {
        for &(channel, text) in frames {
            server.send(frame(channel, text)).await.unwrap();
        }
        server.close(None).await.unwrap();
    }

    async fn text(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    /// As recorded from a 1.36 cluster: each session begins with an empty frame.
    #[tokio::test]
    async fn recorded_ends() {
        let exit = |code: &str| {
            format!(
                r#"{{"metadata":{{}},"status":"Failure","message":"command terminated with non-zero exit code: command terminated with exit code {code}","reason":"NonZeroExitCode","details":{{"causes":[{{"reason":"ExitCode","message":"{code}"}}]}}}}"#
            )
        };
        for (status, cause) in [
            (SUCCESS.to_owned(), ExitCause::Exited(0)),
            (exit("7"), ExitCause::Exited(7)),
            (exit("137"), ExitCause::Exited(137)),
        ] {
            let (session, mut server) = session(PLAIN, true).await;
            say(&mut server, &[(1, ""), (2, "err\n"), (1, "out\n"), (3, &status)]).await;
            let output = session.into_session().output(1024).await.unwrap();
            assert_eq!(output.exit.cause, cause);
            assert_eq!((output.stdout_text().as_str(), output.stderr_text().as_str()), ("out\n", "err\n"));
        }
        let (session, mut server) = session(PLAIN, true).await;
        let missing = r#"{"metadata":{},"status":"Failure","message":"Internal error occurred: exec: \"no-such-command\": executable file not found in $PATH","reason":"InternalError","code":500}"#;
        say(&mut server, &[(1, ""), (3, missing)]).await;
        let error = session.into_session().wait().await.unwrap_err();
        assert_eq!(error.kind(), runtime_core::ErrorKind::Failed);
    }

    #[tokio::test]
    async fn input_that_ends_as_recorded() {
        let wanted = Channels { stdin: true, tty: false };
        let (session, mut server) = session(wanted, true).await;
        let mut session = session.into_session();
        let mut stdin = session.stdin.take().unwrap();
        stdin.write_all(b"hello\n").await.unwrap();
        stdin.shutdown().await.unwrap();
        assert_eq!(server.next().await.unwrap().unwrap(), frame(0, "hello\n"));
        assert_eq!(server.next().await.unwrap().unwrap(), frame(255, "\0"));
        say(&mut server, &[(1, ""), (1, "hello\n"), (3, SUCCESS)]).await;
        assert_eq!(text(&mut session.stdout.take().unwrap()).await, "hello\n");
        assert!(session.wait().await.unwrap().success());
    }

    #[tokio::test]
    async fn a_terminal_is_told_its_size_as_recorded() {
        let (session, mut server) = session(Channels { stdin: false, tty: true }, false).await;
        let session = session.into_session();
        assert!(session.stdin.is_none() && session.stderr.is_none());
        session.resize(TerminalSize::new(100, 40)).await.unwrap();
        let mut frames = [server.next().await.unwrap().unwrap(), server.next().await.unwrap().unwrap()];
        // The input that was not asked for ends at once.
        frames.sort_by_key(|frame| frame.clone().into_data());
        assert_eq!(frames, [frame(0, "\u{4}"), frame(4, r#"{"Width":100,"Height":40}"#)]);
        say(&mut server, &[(1, "40 100\r\n"), (3, SUCCESS)]).await;
        let output = session.output(1024).await.unwrap();
        assert_eq!(output.stdout_text(), "40 100\r\n");
    }

    #[tokio::test]
    async fn a_connection_that_ends_early_is_no_success() {
        for in_order in [true, false] {
            let (session, mut server) = session(PLAIN, true).await;
            server.send(frame(1, "half")).await.unwrap();
            if in_order {
                server.close(None).await.unwrap();
            }
            drop(server);
            let mut session = session.into_session();
            let mut read = Vec::new();
            session.stdout.take().unwrap().read_to_end(&mut read).await.unwrap_err();
            assert_eq!(read, b"half");
            assert_eq!(session.wait().await.unwrap().cause, ExitCause::StreamLost);
        }
    }

    #[tokio::test]
    async fn a_reader_that_takes_its_time_holds_the_server_back() {
        let (session, mut server) = session(PLAIN, true).await;
        let mut session = session.into_session();
        let sending = tokio::spawn(async move {
            for _ in 0..1000 {
                server.send(Message::Binary(vec![1; 32 << 10].into())).await.unwrap();
            }
            say(&mut server, &[(3, SUCCESS)]).await;
        });
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!sending.is_finished());
        let mut read = Vec::new();
        session.stdout.take().unwrap().read_to_end(&mut read).await.unwrap();
        assert_eq!(read.len(), 1000 * ((32 << 10) - 1));
        assert!(session.wait().await.unwrap().success());
    }

    #[tokio::test(start_paused = true)]
    async fn dropped_input_of_version_4_ends_nothing() {
        let (session, mut server) = session(Channels { stdin: true, tty: false }, false).await;
        let mut session = session.into_session();
        let mut stdin = session.stdin.take().unwrap();
        assert_eq!(stdin.shutdown().await.unwrap_err().kind(), std::io::ErrorKind::Unsupported);
        drop(stdin);
        // Only what keeps the connection comes, for as long as it lasts.
        let quiet = async {
            while let Some(Ok(message)) = server.next().await {
                assert!(message.is_ping() || message.is_empty(), "{message:?}");
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(3600), quiet).await.is_err());
    }
}
