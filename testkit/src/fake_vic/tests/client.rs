//! A client that sends what it is told, each request over a connection of its own.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

pub(super) type RequestBody = UnsyncBoxBody<Bytes, std::io::Error>;

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) headers: hyper::HeaderMap,
    pub(super) text: String,
}

impl Answered {
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// What a refusal says, with its status.
    #[track_caller]
    pub(super) fn refusal(&self) -> (u16, String) {
        (self.status, self.json()["message"].as_str().unwrap().to_owned())
    }

    /// The status of a refusal that says nothing.
    #[track_caller]
    pub(super) fn without_words(&self) -> u16 {
        assert_eq!(self.text, "");
        self.status
    }

    #[track_caller]
    pub(super) fn ok(self) -> Value {
        assert!(self.status < 300, "{self:?}");
        if self.text.is_empty() { Value::Null } else { self.json() }
    }
}

pub(super) fn full(bytes: impl Into<Bytes>) -> RequestBody {
    Full::new(bytes.into()).map_err(std::io::Error::other).boxed_unsync()
}

/// Sends a request, and gives the answer with its body still to be read.
pub(super) async fn open(
    to: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: RequestBody,
) -> Result<Response<Incoming>, hyper::Error> {
    let stream = TcpStream::connect(to).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(target).header(HOST, "fake");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    sender.send_request(request.body(body).unwrap()).await
}

/// Sends JSON, or nothing, and reads the whole answer.
pub(super) async fn ask(
    to: SocketAddr,
    method: &str,
    target: &str,
    body: Option<Value>,
) -> Result<Answered, hyper::Error> {
    let headers: &[_] = if body.is_some() { &[(CONTENT_TYPE.as_str(), "application/json")] } else { &[] };
    let body = body.map_or_else(|| full(""), |body| full(body.to_string()));
    read(open(to, method, target, headers, body).await?).await
}

pub(super) async fn read(response: Response<Incoming>) -> Result<Answered, hyper::Error> {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await?.to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    Ok(Answered { status: parts.status.as_u16(), headers: parts.headers, text })
}
