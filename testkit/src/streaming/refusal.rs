//! Answers to a request for streams: what upgrades the connection, and what refuses to.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};

/// An answer without a stream of its own.
pub(crate) type Answer = Response<Full<Bytes>>;

/// The answer that upgrades a connection.
pub(crate) fn switch(headers: UpgradeHeaders) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    set(&mut answer, headers);
    answer
}

/// The headers of an answer that upgrades the connection.
pub(crate) type UpgradeHeaders = Vec<(HeaderName, String)>;

/// An answer that is no upgrade.
#[derive(Debug)]
pub(crate) struct Refusal {
    code: StatusCode,
    body: String,
    headers: Vec<(HeaderName, String)>,
}

impl Refusal {
    pub(crate) fn new(code: StatusCode, body: &str) -> Self {
        Self { code, body: body.to_owned(), headers: Vec::new() }
    }

    /// As Go's `http.Error`.
    pub(crate) fn text(code: StatusCode, words: &str) -> Self {
        Self::new(code, &format!("{words}\n")).with_headers([
            (CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
            (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        ])
    }

    pub(crate) fn bad_request(words: &str) -> Self {
        Self::text(StatusCode::BAD_REQUEST, words)
    }

    pub(crate) fn forbidden(words: &str) -> Self {
        Self::text(StatusCode::FORBIDDEN, words)
    }

    pub(crate) fn with_headers(mut self, headers: impl IntoIterator<Item = (HeaderName, String)>) -> Self {
        self.headers.extend(headers);
        self
    }

    pub(crate) fn into_answer(self) -> Answer {
        let mut answer = Response::new(Full::from(self.body));
        *answer.status_mut() = self.code;
        set(&mut answer, self.headers);
        answer
    }
}

fn set(answer: &mut Answer, headers: Vec<(HeaderName, String)>) {
    for (name, value) in headers {
        // What can't be said in a header is left out: it comes from here, so it can be.
        if let Ok(value) = HeaderValue::try_from(value) {
            answer.headers_mut().append(name, value);
        }
    }
}
