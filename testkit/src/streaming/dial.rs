//! A client of stream servers, as simple as it can be.

use std::collections::BTreeMap;

use futures::{SinkExt, StreamExt};
use spdy::Connection;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::CloseFrame};

/// An HTTP answer, and what comes after.
pub(crate) struct Answered {
    pub(crate) head: String,
    pub(crate) stream: TcpStream,
}

impl Answered {
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
    }

    /// For an answer that ends the connection, or says its length.
    pub(crate) async fn body(mut self) -> String {
        let mut body = Vec::new();
        match self.header("content-length") {
            Some(length) => {
                body.resize(length.parse().unwrap(), 0);
                self.stream.read_exact(&mut body).await.unwrap();
            }
            None => drop(self.stream.read_to_end(&mut body).await),
        }
        String::from_utf8(body).unwrap()
    }
}

/// Sends a request by hand.
pub(crate) async fn request(method: &str, url: &str, headers: &[(&str, &str)]) -> Answered {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let mut text = format!("{method} /{path} HTTP/1.1\r\nHost: {host}\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{text}\r\n").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        head.push(byte[0]);
    }
    Answered { head: String::from_utf8(head).unwrap(), stream }
}

pub(crate) async fn ask_websocket(url: &str, protocols: &str) -> Answered {
    let mut headers = vec![
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    if !protocols.is_empty() {
        headers.push(("Sec-WebSocket-Protocol", protocols));
    }
    request("GET", url, &headers).await
}

pub(crate) async fn ask_spdy(url: &str, protocols: &[&str]) -> Answered {
    let mut headers = vec![("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1")];
    headers.extend(protocols.iter().map(|protocol| ("X-Stream-Protocol-Version", *protocol)));
    request("POST", url, &headers).await
}

/// A WebSocket of channels.
pub(crate) struct Channels<S = TcpStream>(WebSocketStream<S>);

impl Channels {
    pub(crate) async fn open(url: &str, protocols: &str) -> (Self, Option<String>) {
        let answered = ask_websocket(url, protocols).await;
        assert_eq!(answered.status(), 101, "{}", answered.head);
        let protocol = answered.header("sec-websocket-protocol");
        (Self::over(answered.stream).await, protocol)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Channels<S> {
    /// Over a connection that has switched already.
    pub(crate) async fn over(stream: S) -> Self {
        Self(WebSocketStream::from_raw_socket(stream, Role::Client, None).await)
    }

    pub(crate) async fn send(&mut self, channel: u8, bytes: &[u8]) {
        let message = [&[channel], bytes].concat();
        self.0.send(Message::Binary(Bytes::from(message))).await.unwrap();
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next message of a channel; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        self.0.next().await.and_then(Result::ok)
    }

    /// All to the end, by channel, and the goodbye.
    pub(crate) async fn rest(&mut self) -> (BTreeMap<u8, Vec<u8>>, Option<CloseFrame>) {
        let mut all: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
        while let Some(message) = self.next().await {
            match message {
                Message::Binary(bytes) => all.entry(bytes[0]).or_default().extend(&bytes[1..]),
                Message::Text(text) => {
                    let (channel, data) = text.as_bytes().split_first().unwrap();
                    use base64::Engine as _;
                    let data = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
                    all.entry(channel - b'0').or_default().extend(data);
                }
                Message::Close(goodbye) => return (all, goodbye),
                _ => {}
            }
        }
        (all, None)
    }
}

pub(crate) async fn spdy(url: &str, protocols: &[&str]) -> (Connection, String) {
    let answered = ask_spdy(url, protocols).await;
    assert_eq!(answered.status(), 101, "{}", answered.head);
    let protocol = answered.header("x-stream-protocol-version").unwrap();
    (Connection::client(answered.stream).0, protocol)
}
