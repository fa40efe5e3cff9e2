//! Channels over WebSocket: each message begins with the number of its channel.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use hyper::StatusCode;
use hyper::header::{
    CONNECTION, HeaderMap, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::client::{Client, Incoming, Link, Outgoing, StatusStream};
use super::refusal::{Refusal, UpgradeHeaders};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
const RESIZE: u8 = 4;
/// The channel of version 5 that says which other one has ended.
const CLOSE: u8 = 255;

/// How many bytes of a channel wait before the connection has to.
const CHANNEL_BYTES: usize = 64 * 1024;

/// How long a client may take to go once it was told goodbye.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection that has been upgraded.
pub(crate) type Io = Box<dyn Duplex>;

/// What bytes go through both ways.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

type Socket = WebSocketStream<Io>;

/// What the two sides have agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// Its name; empty where none was asked for.
    pub(crate) protocol: &'static str,
    base64: bool,
    /// The end is told as JSON.
    json: bool,
    /// A channel can be ended alone.
    close: bool,
}

const fn agreed(protocol: &'static str, base64: bool, json: bool, close: bool) -> Agreed {
    Agreed { protocol, base64, json, close }
}

const REMOTE_COMMAND: [Agreed; 6] = [
    agreed("", false, false, false),
    agreed("channel.k8s.io", false, false, false),
    agreed("base64.channel.k8s.io", true, false, false),
    agreed("v4.channel.k8s.io", false, true, false),
    agreed("v4.base64.channel.k8s.io", true, true, false),
    agreed("v5.channel.k8s.io", false, true, true),
];

const PORT_FORWARD: [Agreed; 3] = [
    agreed("", false, false, false),
    agreed("v4.channel.k8s.io", false, false, false),
    agreed("v4.base64.channel.k8s.io", true, false, false),
];

/// Whether a request wants a WebSocket.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let upgrade =
        headers.get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    upgrade && values(headers, &CONNECTION).any(|value| value.eq_ignore_ascii_case("upgrade"))
}

/// The first protocol of an exec or attach that the client wants and the server speaks.
pub(crate) fn remote_command(headers: &HeaderMap, v5: bool) -> Option<Agreed> {
    negotiate(headers, REMOTE_COMMAND.into_iter().filter(|agreed| v5 || !agreed.close))
}

/// The same of a port-forward.
pub(crate) fn port_forward(headers: &HeaderMap) -> Option<Agreed> {
    negotiate(headers, PORT_FORWARD.into_iter())
}

fn negotiate(headers: &HeaderMap, spoken: impl Iterator<Item = Agreed> + Clone) -> Option<Agreed> {
    let mut wanted: Vec<&str> = values(headers, &SEC_WEBSOCKET_PROTOCOL).collect();
    if wanted.is_empty() {
        wanted.push("");
    }
    wanted.into_iter().find_map(|name| spoken.clone().find(|agreed| agreed.protocol == name))
}

fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let texts = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim).filter(|text| !text.is_empty())
}

/// The answer to a request: what it is upgraded with, or the code of the refusal.
pub(crate) fn answer(
    headers: &HeaderMap,
    agreed: Option<Agreed>,
) -> Result<(UpgradeHeaders, Agreed), Refusal> {
    let bad_request = |words| Refusal::new(StatusCode::BAD_REQUEST, words);
    if headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version != "13") {
        let spoken = [(SEC_WEBSOCKET_VERSION, "13".to_owned())];
        return Err(bad_request("missing or bad WebSocket Version").with_headers(spoken));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|_| headers.contains_key(SEC_WEBSOCKET_VERSION));
    let key = key.ok_or_else(|| bad_request("mismatch challenge/response"))?;
    let agreed = agreed.ok_or_else(|| Refusal::new(StatusCode::FORBIDDEN, ""))?;
    let mut answer = vec![
        (UPGRADE, "websocket".to_owned()),
        (CONNECTION, "Upgrade".to_owned()),
        (SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes())),
    ];
    // Also when it has no name.
    answer.push((SEC_WEBSOCKET_PROTOCOL, agreed.protocol.to_owned()));
    Ok((answer, agreed))
}

/// A WebSocket as the server holds it. Dropping it ends its connection.
pub(crate) struct WebSocket {
    sink: Arc<Sink>,
    reader: AbortOnDropHandle<()>,
}

/// The direction to the client. It is `None`, and so the connection closed, once the client has gone.
struct Sink {
    socket: Mutex<Option<SplitSink<Socket, Message>>>,
    gone: CancellationToken,
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("gone", &self.gone.is_cancelled()).finish_non_exhaustive()
    }
}

impl Sink {
    async fn send(&self, message: Message) -> io::Result<()> {
        let send = async {
            match self.socket.lock().await.as_mut() {
                Some(socket) => socket.send(message).await.map_err(io::Error::other),
                None => Err(io::ErrorKind::BrokenPipe.into()),
            }
        };
        self.gone.run_until_cancelled(send).await.unwrap_or(Err(io::ErrorKind::BrokenPipe.into()))
    }

    async fn close(&self) {
        self.gone.cancel();
        *self.socket.lock().await = None;
    }
}

impl WebSocket {
    /// Begins, with what the client may send on: for each channel, whether it is heard.
    pub(crate) async fn begin(io: Io, agreed: Agreed, heard: &[bool]) -> (Self, Vec<Option<Incoming>>) {
        let (sink, stream) = WebSocketStream::from_raw_socket(io, Role::Server, None).await.split();
        let mut pipes = Vec::new();
        let mut incoming = Vec::new();
        for heard in heard {
            let (write, read) = tokio::io::duplex(CHANNEL_BYTES);
            pipes.push(heard.then_some(write));
            incoming.push(heard.then(|| Box::new(read) as Incoming));
        }
        let sink = Arc::new(Sink { socket: Mutex::new(Some(sink)), gone: CancellationToken::new() });
        let closed = Arc::clone(&sink);
        let reader = tokio::spawn(async move {
            read(stream, pipes, agreed).await;
            closed.close().await;
        });
        (Self { sink, reader: AbortOnDropHandle::new(reader) }, incoming)
    }

    pub(crate) fn channel(&self, number: u8, agreed: Agreed) -> Channel {
        Channel { sink: Arc::clone(&self.sink), number, base64: agreed.base64 }
    }

    /// Says goodbye and closes, once the client has gone or has had its time: the kernel breaks a connection off that is closed
    /// with something unread, and drops what is still under way to the client.
    pub(crate) async fn close(self) {
        let goodbye = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        // A client that has gone needs no goodbye.
        let _ = self.sink.send(Message::Close(Some(goodbye))).await;
        let _ = timeout(GOODBYE_TIMEOUT, self.reader).await;
    }
}

/// The client of an exec or attach that wants these streams, which has been upgraded.
pub(crate) async fn client(io: Io, agreed: Agreed, [stdin, stdout, stderr]: [bool; 3]) -> Client {
    let (socket, incoming) = WebSocket::begin(io, agreed, &[stdin, false, false, false, true]).await;
    let mut incoming = incoming.into_iter();
    let from = incoming.next().flatten();
    let resize = incoming.nth(usize::from(RESIZE - STDIN - 1)).flatten();
    let open = |number| Outgoing::WebSocket(socket.channel(number, agreed));
    let status = open(STATUS);
    let status = if agreed.json { StatusStream::Json(status) } else { StatusStream::Text(status) };
    let (out, err) = (stdout.then(|| open(STDOUT)), stderr.then(|| open(STDERR)));
    // Shows the client that the connection stands. One that has gone is noticed later.
    let lowest = if stdout {
        STDOUT
    } else if stderr {
        STDERR
    } else {
        STATUS
    };
    let _ = socket.channel(lowest, agreed).send(&[]).await;
    Client { stdin: from, stdout: out, stderr: err, resize, status, link: Link::WebSocket(socket) }
}

/// A channel to the client.
#[derive(Debug)]
pub(crate) struct Channel {
    sink: Arc<Sink>,
    number: u8,
    base64: bool,
}

impl Channel {
    /// Sends bytes as one message.
    pub(crate) async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let message = if self.base64 {
            Message::text(format!("{}{}", char::from(b'0' + self.number), STANDARD.encode(bytes)))
        } else {
            Message::Binary(Bytes::from([&[self.number], bytes].concat()))
        };
        self.sink.send(message).await
    }
}

/// Hands what comes to its channel, until the client has gone. A channel that isn't read holds up the others, as with
/// containerd.
async fn read(mut stream: SplitStream<Socket>, mut pipes: Vec<Option<DuplexStream>>, agreed: Agreed) {
    while let Some(Ok(message)) = stream.next().await {
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => text.into(),
            Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
        };
        let Some((&number, data)) = bytes.split_first() else { continue };
        if agreed.close && number == CLOSE {
            if let Some(pipe) = data.first().and_then(|number| pipes.get_mut(usize::from(*number))) {
                *pipe = None;
            }
            continue;
        }
        let number = if agreed.base64 { number.wrapping_sub(b'0') } else { number };
        let Some(place) = pipes.get_mut(usize::from(number)) else { continue };
        let Some(pipe) = place else { continue };
        let written = if agreed.base64 {
            match STANDARD.decode(data) {
                Ok(data) => pipe.write_all(&data).await,
                Err(_) => continue,
            }
        } else {
            pipe.write_all(data).await
        };
        if written.is_err() {
            // Nobody reads it any more.
            *place = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_both_speak() {
        for (wanted, v5, want) in [
            ("v4.channel.k8s.io", false, Some("v4.channel.k8s.io")),
            ("v5.channel.k8s.io", false, None),
            ("v5.channel.k8s.io, v4.channel.k8s.io", false, Some("v4.channel.k8s.io")),
            ("v5.channel.k8s.io,v4.channel.k8s.io", true, Some("v5.channel.k8s.io")),
            ("v4.channel.k8s.io,v5.channel.k8s.io", true, Some("v4.channel.k8s.io")),
            ("nonsense", true, None),
            ("", true, Some("")),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(SEC_WEBSOCKET_PROTOCOL, wanted.parse().unwrap());
            assert_eq!(remote_command(&headers, v5).map(|agreed| agreed.protocol), want, "{wanted:?}");
        }
    }
}
