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
};

/// Starts a session over a WebSocket with these channels. With `ends` both sides speak [`VERSION_5`](crate::VERSION_5), in
/// which a channel can end alone; else the input's end is refused, as an error of the kind `Unsupported` when the input is
/// shut down.
pub fn start<S>(socket: Socket<S>, channels: Channels, ends: bool) -> Parts
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sink, source) = socket.split();
    let count = Arc::new(InputCount::default());
    let (ended, told) = watch::channel(None);
    let (stdout, read_stdout) = queue();
    let (stderr, read_stderr) = queue();
    let (stdin, input) = channels.stdin.then(|| input::input(ends)).unzip();
    let (resize, sizes) = channels.tty.then(|| mpsc::channel(WAITING_SIZES)).unzip();
    let send = tokio::spawn(Sending { sink, input, sizes, ends, count: Arc::clone(&count) }.run());
    let sending = send.abort_handle();
    let receive = async move {
        let mut session = Session { stdout, stderr, status: Vec::new() };
        let end = match listen(source, &count, &mut session).await {
            Ok(status) => {
                session.stdout.end();
                session.stderr.end();
                Ended::Told(status)
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
        link: Link::new(told, tasks.into()).with_sizes(resize),
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
            STDOUT => self.stdout.send(message).await,
            STDERR => self.stderr.send(message).await,
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
}
