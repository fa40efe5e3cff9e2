//! A client that sends what it is told, over TLS.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
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
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(fake.authority().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let address = fake.url().trim_start_matches("https://").to_owned();
    let stream = TcpStream::connect(&address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let body = ask.body.map_or_else(Bytes::new, |body| body.to_string().into());
    let mut request = Request::builder()
        .method(Method::from_bytes(ask.method.as_bytes()).unwrap())
        .uri(ask.path)
        .header("host", address)
        .header("user-agent", "tests");
    if !ask.content_type.is_empty() {
        request = request.header(CONTENT_TYPE, ask.content_type);
    }
    if let Some(token) = ask.token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    sender.send_request(request.body(Full::new(body)).unwrap()).await
}
