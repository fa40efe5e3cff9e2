//! An answer as plain data, and how it goes onto the wire, whole or broken.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

use super::refusal::{Code, Refusal};
use super::script::{Action, corrupt};

/// A body, which may come in pieces and may break off.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Status, headers and body of an answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(HeaderName, String)>,
    body: Bytes,
    /// The length of the whole body, also where none is sent.
    length: usize,
    delivery: Delivery,
}

/// How the body is sent.
#[derive(Debug)]
enum Delivery {
    Whole,
    /// Not at all: the answer to HEAD.
    None,
    CutAfter(usize),
    BytesPerSecond(u32),
}

impl Answer {
    pub(super) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), length: 0, delivery: Delivery::Whole }
    }

    pub(super) fn header(mut self, name: HeaderName, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    pub(super) fn body(mut self, media_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.length = self.body.len();
        self.header(CONTENT_TYPE, media_type)
    }

    pub(super) fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::new(status).body(JSON, value.to_string())
    }

    /// Keeps all headers and sends no body.
    pub(super) fn without_body(mut self) -> Self {
        self.body = Bytes::new();
        self.delivery = Delivery::None;
        self
    }

    pub(super) fn challenge(challenge: String) -> Self {
        Self::from(Code::Unauthorized.refuse("authentication required")).header(WWW_AUTHENTICATE, challenge)
    }

    /// Breaks the answer as a rule says. Delays and hangs have been waited for by then.
    pub(super) fn broken_by(mut self, action: Action, path: &str) -> Self {
        match action {
            Action::Delay(_) | Action::Hang => {}
            Action::Status { code, body } => {
                let media_type = if body.starts_with('{') { JSON } else { "text/plain" };
                self = Self::new(code).body(media_type, body);
            }
            Action::TooManyRequests { retry_after } => {
                let refusal = Code::TooManyRequests.refuse("too many requests");
                self = Self::from(refusal).header(RETRY_AFTER, retry_after.as_secs());
            }
            Action::Redirect { base } => self = Self::new(307).header(LOCATION, format!("{base}{path}")),
            Action::WrongBytes { seed } => {
                let mut data = self.body.to_vec();
                corrupt(&mut data, seed);
                self.body = data.into();
            }
            // What has no body can't be cut or slowed.
            Action::CutBody { .. } | Action::Slow { .. } if matches!(self.delivery, Delivery::None) => {}
            Action::CutBody { after } => self.delivery = Delivery::CutAfter(after),
            Action::Slow { bytes_per_second } => {
                self.delivery = Delivery::BytesPerSecond(bytes_per_second.max(1))
            }
        }
        self
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let Self { status, headers, body, length, delivery } = self;
        let mut response = Response::new(match delivery {
            Delivery::Whole | Delivery::None => {
                Full::new(body).map_err(|never| match never {}).boxed_unsync()
            }
            Delivery::CutAfter(after) => cut(body, after),
            Delivery::BytesPerSecond(rate) => slow(body, rate),
        });
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let has_length = status >= 200 && status != 204;
        let length = has_length.then(|| (CONTENT_LENGTH, length.to_string()));
        for (name, value) in headers.into_iter().chain(length) {
            // A value with a control character can only come from a script; it is left out.
            if let Ok(value) = value.parse() {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code.status()).body(JSON, refusal.body())
    }
}

const JSON: &str = "application/json";

/// Ends with an error, on which the server closes the connection. It drops what it has not written by then,
/// so each piece gets a turn of its own to be written.
fn cut(body: Bytes, after: usize) -> Body {
    let pieces = stream::unfold(Some(body.slice(..after.min(body.len()))), |rest| async {
        let mut rest = rest?;
        tokio::task::yield_now().await;
        if rest.is_empty() {
            return Some((Err(io::Error::new(io::ErrorKind::ConnectionReset, "cut by a rule")), None));
        }
        let next = rest.split_to(rest.len().min(16 * 1024));
        Some((Ok(Frame::data(next)), Some(rest)))
    });
    StreamBody::new(pieces.boxed()).boxed_unsync()
}

/// Sends 20 pieces a second, or one byte at a time where the rate is lower.
fn slow(body: Bytes, bytes_per_second: u32) -> Body {
    let piece = (bytes_per_second / 20).max(1);
    let pause = Duration::from_secs(1) * piece / bytes_per_second;
    let pieces = stream::unfold(body, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let next = rest.split_to(rest.len().min(piece as usize));
        Some((Ok(Frame::data(next)), rest))
    });
    StreamBody::new(pieces.boxed()).boxed_unsync()
}
