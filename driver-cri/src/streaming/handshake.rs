//! From a streaming URL to an open connection.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONNECTION, HOST, UPGRADE},
};
use hyper_util::rt::TokioIo;
use remotecommand::Socket;
use runtime_core::{Error, ErrorKind};
use rustix::net::sockopt;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{self, ClientRequestBuilder, http::Uri},
};

use super::address::Address;
use crate::error::unreachable;

/// How SPDY servers are told the version of what runs over it.
const STREAM_VERSION: &str = "x-stream-protocol-version";

/// The most of a refusal's text that is taken.
const MAX_REFUSAL_BYTES: usize = 2048;

/// From when on the kernel asks whether the other host is still there. The protocol's own pings come on top.
const TCP_IDLE: Duration = Duration::from_secs(60);

/// Why there is no connection.
pub(super) enum Refused {
    /// The server doesn't take the offer; it may take another.
    Offer(Error),
    /// There is no server, or it is none.
    Server(Error),
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Offer(error) | Refused::Server(error) => error,
        }
    }
}

/// Opens a WebSocket, and says which of the offered protocols the server chose.
pub(super) async fn web_socket(
    address: &Address,
    offers: &[&'static str],
) -> Result<(Socket<TcpStream>, &'static str), Refused> {
    let uri: Uri = format!("ws://{}{}", address.authority(), address.path())
        .parse()
        .map_err(|_| protocol("the runtime answered with a streaming URL that can't be read"))?;
    let request = offers
        .iter()
        .fold(ClientRequestBuilder::new(uri), |request, &offer| request.with_sub_protocol(offer));
    let config = remotecommand::config();
    let opening = client_async_with_config(request, connect(address).await?, Some(config));
    let (socket, response) = opening.await.map_err(|error| match error {
        tungstenite::Error::Http(response) => {
            let text = response.body().as_deref().unwrap_or_default();
            refusal(response.status(), text)
        }
        tungstenite::Error::Io(error) => Refused::Server(unreachable(&error)),
        // It switched protocols without choosing one of those that were offered.
        error => Refused::Offer(Error::new(ErrorKind::Protocol, streaming(error))),
    })?;
    let chosen = response.headers().get("sec-websocket-protocol").map(|value| value.as_bytes());
    match offers.iter().find(|offer| Some(offer.as_bytes()) == chosen) {
        Some(offer) => Ok((socket, offer)),
        None => Err(Refused::Offer(Error::new(ErrorKind::Protocol, streaming("it chose no protocol")))),
    }
}

/// Opens a SPDY connection, over which `version` is spoken.
pub(super) async fn spdy(address: &Address, version: &str) -> Result<spdy::Connection, Refused> {
    let io = TokioIo::new(connect(address).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.map_err(broken)?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(address.path())
        .header(HOST, address.authority())
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "SPDY/3.1")
        .header(STREAM_VERSION, version)
        .body(Empty::<Bytes>::new())
        .map_err(|_| protocol("the runtime answered with a streaming URL that can't be read"))?;
    let exchange = async move {
        let response = sender.send_request(request).await.map_err(broken)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(refused(response).await);
        }
        let chosen = response.headers().get(STREAM_VERSION).map(|value| value.as_bytes());
        if chosen != Some(version.as_bytes()) {
            return Err(Refused::Offer(Error::new(ErrorKind::Protocol, streaming("it chose no protocol"))));
        }
        hyper::upgrade::on(response).await.map_err(broken)
    };
    // The connection's own error is also the exchange's.
    let (upgraded, _) = tokio::join!(exchange, connection.with_upgrades());
    let (connection, _) = spdy::Connection::client(TokioIo::new(upgraded?));
    Ok(connection)
}

async fn connect(address: &Address) -> Result<TcpStream, Refused> {
    let stream = TcpStream::connect(address.socket()).await.map_err(|error| {
        let authority = address.authority();
        Refused::Server(unreachable(&error).with_context("streaming server", authority))
    })?;
    // Keystrokes should not wait for more of them. Where the kernel refuses these, nothing is lost but that.
    stream.set_nodelay(true).ok();
    if sockopt::set_socket_keepalive(&stream, true).is_ok() {
        sockopt::set_tcp_keepidle(&stream, TCP_IDLE).ok();
    }
    Ok(stream)
}

async fn refused(response: Response<Incoming>) -> Refused {
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_REFUSAL_BYTES).collect().await;
    refusal(status, &body.map(|body| body.to_bytes()).unwrap_or_default())
}

fn refusal(status: StatusCode, text: &[u8]) -> Refused {
    let text = String::from_utf8_lossy(&text[..text.len().min(MAX_REFUSAL_BYTES)]);
    let separator = if text.trim().is_empty() { "" } else { ": " };
    let message = streaming(format!("it answered {status}{separator}{}", text.trim()));
    Refused::Offer(Error::new(ErrorKind::Protocol, message))
}

fn broken(error: hyper::Error) -> Refused {
    // Also what doesn't answer in HTTP comes here.
    Refused::Server(Error::new(ErrorKind::Unavailable, streaming(error)).transient())
}

fn protocol(message: &str) -> Refused {
    Refused::Server(Error::new(ErrorKind::Protocol, message))
}

fn streaming(what: impl std::fmt::Display) -> String {
    format!("the runtime's streaming server could not be used: {what}")
}
