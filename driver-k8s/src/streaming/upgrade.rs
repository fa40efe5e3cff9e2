//! From a request to an open WebSocket.

use hyper::{
    Request, Response, StatusCode,
    header::{
        CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
    upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use kube::client::Body;
use remotecommand::Socket;
use runtime_core::{Context, Error, ErrorKind};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::{client::generate_key, derive_accept_key},
        protocol::Role,
    },
};

use crate::{client::Client, error::Refusal};

/// An open WebSocket.
pub(super) type Open = Socket<TokioIo<Upgraded>>;

/// Opens a WebSocket at a path, and says which of the offered protocols the server chose.
///
/// # Errors
/// What the server answered instead; `Protocol` for an answer that is none.
pub(super) async fn open(
    client: &Client,
    cx: &Context,
    path: &str,
    offers: &[&'static str],
) -> Result<(Open, &'static str), Refusal> {
    let key = generate_key();
    let request = Request::get(path)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, &key)
        // One header: servers don't read several.
        .header(SEC_WEBSOCKET_PROTOCOL, offers.join(", "))
        .body(Vec::new())
        .map_err(|error| Refusal::unsent(Error::new(ErrorKind::InvalidArgument, error.to_string())))?;
    let response = client.send(cx, &request).await?;
    let chosen = chosen(&response, &key, offers)?;
    let upgrade = cx.run(async { Ok(hyper::upgrade::on(response).await) }).await.map_err(Refusal::ended)?;
    let upgraded = upgrade.map_err(|error| Refusal::of_transport(&error))?;
    let config = Some(remotecommand::config());
    Ok((WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, config).await, chosen))
}

/// The protocol that the server chose, if its answer is that of a WebSocket.
fn chosen(response: &Response<Body>, key: &str, offers: &[&'static str]) -> Result<&'static str, Refusal> {
    let header = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
    let is = |name, expected: &str| header(name).is_some_and(|value| value.eq_ignore_ascii_case(expected));
    if response.status() != StatusCode::SWITCHING_PROTOCOLS
        || !is(UPGRADE, "websocket")
        || !is(CONNECTION, "Upgrade")
        || header(SEC_WEBSOCKET_ACCEPT) != Some(&derive_accept_key(key.as_bytes()))
    {
        return Err(Refusal::malformed("it was asked for a WebSocket, and opened none"));
    }
    let protocol = header(SEC_WEBSOCKET_PROTOCOL);
    let chosen = offers.iter().find(|offer| Some(**offer) == protocol);
    chosen.copied().ok_or_else(|| Refusal::malformed("it chose none of the protocols that were offered"))
}
