//! A connection to a port of a pod over WebSocket. Each has a WebSocket of its own: when the first of several streams ends,
//! servers close what carries all of them, and cut the others.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use futures::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    Socket,
    input::{self, Input},
    keep_alive::InputCount,
    messages::{Listener, Lost, Sending, listen},
    queue::{self, queue},
    unread::Traffic,
};

const DATA: u8 = 0;
const ERROR: u8 = 1;

/// What each channel begins with: the port, little-endian.
const PORT_BYTES: usize = size_of::<u16>();

/// The most of a server's reason that is taken.
pub const MAX_REASON_BYTES: usize = 4096;

/// A connection to a port. Dropping it closes it. Neither side can end what it sends alone: shutting it down is an error of
/// the kind `Unsupported`, after which nothing more can be sent.
pub struct PortConnection {
    read: queue::Receiver,
    write: Input,
    _tasks: [AbortOnDropHandle<()>; 2],
}

/// Makes a connection out of a WebSocket that was opened for one port. A port that can't be reached shows when it is read.
pub fn open<S>(socket: Socket<S>) -> PortConnection
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sink, source) = socket.split();
    let (count, traffic) = (Arc::new(InputCount::default()), Arc::new(Traffic::default()));
    let (data, read) = queue();
    let (write, input) = input::input(false);
    let send = Sending {
        sink,
        input: Some(input),
        sizes: None,
        ends: false,
        count: Arc::clone(&count),
        traffic: Arc::clone(&traffic),
    }
    .run();
    let receive = async move {
        let mut port = Port { data, skip: [PORT_BYTES; 2], reason: Vec::new() };
        let Err(lost) = listen(source, (&count, &traffic), &mut port).await;
        match lost {
            // However it ended: API servers don't close the WebSocket in order after a reason.
            _ if !port.reason.is_empty() => port.data.fail(not_forwarded(&port.reason).to_string()),
            Lost::Closed | Lost::Silent => port.data.end(),
            // Dropped, the queue is broken.
            Lost::Broken(why) => tracing::debug!(why, "the connection of a port was lost"),
        }
    };
    let _tasks = [tokio::spawn(receive), tokio::spawn(send)].map(AbortOnDropHandle::new);
    PortConnection { read, write, _tasks }
}

/// Why a port can't be reached, in the server's own words.
#[must_use]
pub fn not_forwarded(reason: &[u8]) -> io::Error {
    let reason = String::from_utf8_lossy(&reason[..reason.len().min(MAX_REASON_BYTES)]);
    io::Error::other(format!("the port could not be reached: {}", reason.trim()))
}

struct Port {
    data: queue::Sender,
    /// What is left of the ports with which the channels begin.
    skip: [usize; 2],
    reason: Vec<u8>,
}

impl Listener for Port {
    type End = std::convert::Infallible;

    async fn take(&mut self, mut message: Bytes) -> Option<Self::End> {
        if message.is_empty() {
            return None;
        }
        let channel = message.get_u8();
        if let Some(skip) = self.skip.get_mut(usize::from(channel)) {
            let skipped = message.len().min(*skip);
            message.advance(skipped);
            *skip -= skipped;
        }
        match channel {
            DATA => self.data.send(message).await,
            ERROR if self.reason.len() < MAX_REASON_BYTES => self.reason.extend_from_slice(&message),
            _ => {}
        }
        None
    }

    fn flush(&mut self) {
        self.data.flush();
    }
}

impl AsyncRead for PortConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(cx, buffer)
    }
}

impl AsyncWrite for PortConnection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.write).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_shutdown(cx)
    }
}

impl fmt::Debug for PortConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PortConnection")
    }
}

#[cfg(test)]
mod tests {
    use futures::SinkExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio_tungstenite::tungstenite::{Message, protocol::Role};

    use super::*;
    use crate::config;

    async fn connection() -> (PortConnection, Socket<DuplexStream>) {
        let (near, far) = tokio::io::duplex(1 << 16);
        let socket = Socket::from_raw_socket(near, Role::Client, Some(config())).await;
        (open(socket), Socket::from_raw_socket(far, Role::Server, None).await)
    }

    async fn say(server: &mut Socket<DuplexStream>, frames: &[&[u8]]) {
        for frame in frames {
            server.send(Message::Binary(Bytes::copy_from_slice(frame))).await.unwrap();
        }
    }

    /// As recorded from a 1.36 cluster.
    #[tokio::test]
    async fn a_port_that_listens() {
        let (mut port, mut server) = connection().await;
        port.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let request = server.next().await.unwrap().unwrap();
        assert_eq!(request, Message::Binary(Bytes::from_static(b"\0GET / HTTP/1.0\r\n\r\n")));
        say(&mut server, &[b"\0\x90\x1f", b"\x01\x90\x1f", b"\0HTTP/1.0 200 OK\r\n\r\n", b"\0ok\n"]).await;
        server.close(None).await.unwrap();
        let mut answer = String::new();
        port.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "HTTP/1.0 200 OK\r\n\r\nok\n");
    }

    /// The server closes the connection without a word after the reason.
    #[tokio::test]
    async fn a_port_where_nobody_listens() {
        let (mut port, mut server) = connection().await;
        say(&mut server, &[b"\0\x09\0", b"\x01\x09\0", b"\x01error forwarding port 9 to pod d61e773a"]).await;
        drop(server);
        let error = port.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the port could not be reached: error forwarding port 9 to pod d61e773a"
        );
    }

    #[tokio::test]
    async fn a_connection_that_breaks_is_no_end() {
        let (mut port, mut server) = connection().await;
        // The port may come in pieces, or with data.
        say(&mut server, &[b"\0\x90", b"\0\x1fhalf"]).await;
        drop(server);
        let mut read = Vec::new();
        let error = port.read_to_end(&mut read).await.unwrap_err();
        assert_eq!((error.kind(), read.as_slice()), (io::ErrorKind::ConnectionAborted, &b"half"[..]));
    }

    #[tokio::test]
    async fn one_direction_can_not_end_alone() {
        let (mut port, mut server) = connection().await;
        port.write_all(b"last").await.unwrap();
        assert_eq!(port.shutdown().await.unwrap_err().kind(), io::ErrorKind::Unsupported);
        say(&mut server, &[b"\0\x90\x1fanswer"]).await;
        server.close(None).await.unwrap();
        let mut answer = String::new();
        port.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
    }
}
