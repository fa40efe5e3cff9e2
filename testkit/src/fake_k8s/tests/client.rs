//! A client that sends what it is told, over TLS.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::http::request::Builder;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::fake_k8s::{FakeK8s, FakeK8sOptions};
use crate::streaming::dial::Channels;

pub(super) fn fake() -> FakeK8s {
    FakeK8s::without_nodes(&FakeK8sOptions::default()).unwrap()
}

/// What is sent. The default is a GET with the right token.
pub(super) struct Ask<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) content_type: &'a str,
    pub(super) body: Option<Value>,
    pub(super) token: Option<String>,
}

pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) headers: hyper::HeaderMap,
    pub(super) text: String,
}

impl Answered {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

/// Asks with the token that is good now.
pub(super) async fn ask(fake: &FakeK8s, method: &str, path: &str, body: Option<Value>) -> Answered {
    let content_type = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    send(fake, Ask { method, path, content_type, body, token: Some(fake.token()) }).await.unwrap()
}

pub(super) async fn send(fake: &FakeK8s, ask: Ask<'_>) -> Result<Answered, hyper::Error> {
    let response = open(fake, ask).await?;
    let (parts, body) = response.into_parts();
    let header = parts.headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap().to_owned());
    let body = body.collect().await?.to_bytes();
    Ok(Answered {
        status: parts.status.as_u16(),
        content_type: header.unwrap_or_default(),
        headers: parts.headers,
        text: String::from_utf8(body.to_vec()).unwrap(),
    })
}

/// Sends, and gives the answer with its body still to be read.
pub(super) async fn open(fake: &FakeK8s, ask: Ask<'_>) -> Result<Response<Incoming>, hyper::Error> {
    let body = ask.body.map_or_else(Bytes::new, |body| body.to_string().into());
    let mut request = request(ask.method, ask.path);
    if !ask.content_type.is_empty() {
        request = request.header(CONTENT_TYPE, ask.content_type);
    }
    if let Some(token) = ask.token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    connect(fake).await?.send_request(request.body(Full::new(body)).unwrap()).await
}

/// Opens a WebSocket with the token that is good now; with the protocol that the server has chosen.
pub(super) async fn websocket(
    fake: &FakeK8s,
    path: &str,
    protocols: &str,
) -> (Channels<TokioIo<Upgraded>>, Option<String>) {
    let request = request("GET", path)
        .header(AUTHORIZATION, format!("Bearer {}", fake.token()))
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", protocols);
    let request = request.body(Full::default()).unwrap();
    let answer = connect(fake).await.unwrap().send_request(request).await.unwrap();
    assert_eq!(answer.status(), 101);
    let chosen = answer.headers().get("sec-websocket-protocol").map(|it| it.to_str().unwrap().to_owned());
    (Channels::over(TokioIo::new(hyper::upgrade::on(answer).await.unwrap())).await, chosen)
}

fn request(method: &str, path: &str) -> Builder {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    Request::builder().method(method).uri(path).header("host", "127.0.0.1").header("user-agent", "tests")
}

/// A connection that trusts the fake's authority.
async fn connect(fake: &FakeK8s) -> Result<http1::SendRequest<Full<Bytes>>, hyper::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(fake.authority().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(fake.url().trim_start_matches("https://")).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection.with_upgrades());
    Ok(sender)
}
