//! A client, whatever protocol it speaks: the streams that were asked for.

use std::io;

use ::spdy::{Connection, WriteHalf};
use tokio::io::{AsyncRead, AsyncWriteExt};

use super::outcome::Outcome;
use super::websocket::{Channel, WebSocket};

/// What the client sends on a stream.
pub(crate) type Incoming = Box<dyn AsyncRead + Send + Unpin>;

/// A stream to the client.
#[derive(Debug)]
pub(crate) enum Outgoing {
    WebSocket(Channel),
    Spdy(WriteHalf),
}

impl Outgoing {
    /// Sends bytes, as one message where there are messages.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::WebSocket(channel) => channel.send(bytes).await,
            Self::Spdy(stream) => stream.write_all(bytes).await,
        }
    }

    /// Ends the stream, where the protocol can say it.
    pub(crate) async fn finish(self) {
        match self {
            Self::WebSocket(_) => {}
            Self::Spdy(mut stream) => {
                // A client that has gone has its end of the stream.
                let _ = stream.shutdown().await;
            }
        }
    }
}

/// The streams of an exec or an attach.
pub(crate) struct Client {
    pub(crate) stdin: Option<Incoming>,
    pub(crate) stdout: Option<Outgoing>,
    pub(crate) stderr: Option<Outgoing>,
    pub(crate) resize: Option<Incoming>,
    pub(crate) status: StatusStream,
    pub(crate) link: Link,
}

impl Client {
    /// Tells how it ended, and says goodbye.
    pub(crate) async fn finish(mut self, outcome: &Outcome) {
        self.status.tell(outcome).await;
        self.link.close().await;
    }
}

/// Where the end is told.
pub(crate) enum StatusStream {
    /// From version 4 on.
    Json(Outgoing),
    /// Before: only what went wrong.
    Text(Outgoing),
    /// In version 1 over SPDY.
    Nowhere,
}

impl StatusStream {
    pub(crate) async fn tell(&mut self, outcome: &Outcome) {
        let (stream, text) = match self {
            Self::Json(stream) => (stream, Some(outcome.to_json())),
            Self::Text(stream) => (stream, outcome.to_text()),
            Self::Nowhere => return,
        };
        if let Some(text) = text {
            // Nobody may be there to hear it.
            let _ = stream.send(text.as_bytes()).await;
        }
    }
}

/// The connection below the streams.
pub(crate) enum Link {
    WebSocket(WebSocket),
    Spdy(Connection),
}

impl Link {
    /// The end, in order.
    pub(crate) async fn close(self) {
        match self {
            Self::WebSocket(socket) => socket.close().await,
            Self::Spdy(connection) => connection.close().await,
        }
    }
}
