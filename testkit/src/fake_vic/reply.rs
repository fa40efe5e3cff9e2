//! What is answered, before it is HTTP: as JSON it can be recorded, and spoilt by faults.

use std::io;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Map, Value, json};

pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// An answer.
pub(super) enum Reply {
    Json(u16, Value),
    Empty(u16),
    Text(&'static str),
    Stream(Body),
}

/// A request that is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// With an `Error` for a body.
    Error { status: u16, code: Option<i64>, message: String },
    /// The description promises an `Error`; the handlers often send nothing.
    Empty(u16),
    /// The handler panics, which drops the connection.
    Panic,
}

impl Refusal {
    /// As most handlers refuse.
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self::Error { status, code: None, message: message.into() }
    }

    /// As those of storage and kv do, which repeat the status.
    pub(super) fn coded(status: u16, message: impl Into<String>) -> Self {
        Self::Error { status, code: Some(status.into()), message: message.into() }
    }

    /// As the framework does: codes from 600 are about what is in a request, and have one status.
    pub(super) fn framework(code: u16, message: impl Into<String>) -> Self {
        let status = if code >= 600 { 422 } else { code };
        Self::Error { status, code: Some(code.into()), message: message.into() }
    }

    /// A handle that is not there, in the words of tasks, images, logging and interaction.
    pub(super) fn bad_handle() -> Self {
        Self::new(500, "Failed to get the Handle")
    }

    /// A container or a handle that is not there, in the words of commit and scopes.
    pub(super) fn no_container() -> Self {
        Self::new(404, "container not found")
    }
}

impl Reply {
    /// The string that a handle is.
    pub(super) fn handle(key: &str) -> Self {
        Self::Json(200, key.into())
    }

    /// The handle as the one property of an object.
    pub(super) fn handle_object(key: &str) -> Self {
        Self::Json(200, json!({"handle": key}))
    }

    /// Whatever a stream brings, as it comes.
    pub(super) fn stream(bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        Self::Stream(StreamBody::new(bytes.map(|bytes| bytes.map(Frame::data))).boxed_unsync())
    }

    /// The body, if it is JSON.
    pub(super) fn value(&self) -> Option<&Value> {
        match self {
            Self::Json(_, value) => Some(value),
            Self::Empty(_) | Self::Text(_) | Self::Stream(_) => None,
        }
    }

    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Json(status, _) | Self::Empty(status) => *status,
            Self::Text(_) | Self::Stream(_) => 200,
        }
    }

    pub(super) fn into_response(self, json: &'static str, allow: &[&str]) -> Response<Body> {
        let status = self.status();
        let full = |bytes: Bytes| Full::new(bytes).map_err(io::Error::other).boxed_unsync();
        let (body, content_type) = match self {
            Self::Json(_, value) => (full(value.to_string().into()), json),
            Self::Empty(_) => (full(Bytes::new()), json),
            Self::Text(text) => (full(Bytes::from_static(text.as_bytes())), "text/plain"),
            Self::Stream(body) => (body, "application/octet-stream"),
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(allow) = HeaderValue::from_str(&allow.join(",")).ok().filter(|_| !allow.is_empty()) {
            response.headers_mut().insert(ALLOW, allow);
        }
        response
    }
}

/// The answer of a refusal; `None` drops the connection.
pub(super) fn refused(refusal: Refusal) -> Option<Reply> {
    match refusal {
        Refusal::Error { status, code, message } => {
            let mut body = Map::new();
            body.extend(code.map(|code| ("code".to_owned(), code.into())));
            body.insert("message".to_owned(), message.into());
            Some(Reply::Json(status, body.into()))
        }
        Refusal::Empty(status) => Some(Reply::Empty(status)),
        Refusal::Panic => None,
    }
}

/// An object as Go writes it: without the properties that are zero, but for those of `kept`, and arrays.
pub(super) fn omit_empty(value: Value, kept: &[&str]) -> Value {
    let Value::Object(map) = value else { return value };
    let is_zero = |value: &Value| match value {
        Value::Null => true,
        Value::Bool(is) => !is,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Array(_) => false,
    };
    map.into_iter().filter(|(key, value)| kept.contains(&key.as_str()) || !is_zero(value)).collect()
}
