//! From what the port layer and the persona answer, or don't, to wharf's errors.

use std::error::Error as StdError;

use runtime_core::{Error, ErrorKind, helpers::redact::redacted};
use serde::Deserialize;

/// How much of a message is kept.
const LONGEST_MESSAGE: usize = 4096;

/// What a status means, and whether the fault may go away by itself. Texts are not looked at.
pub(crate) fn kind_of(code: u16) -> (ErrorKind, bool) {
    match code {
        400 | 422 => (ErrorKind::InvalidArgument, false),
        401 => (ErrorKind::Unauthenticated, false),
        403 => (ErrorKind::PermissionDenied, false),
        404 => (ErrorKind::NotFound, false),
        // This server has no such call.
        405 | 415 | 501 => (ErrorKind::Unsupported, false),
        // Somebody else has changed it meanwhile: from a fresh handle it may work.
        409 => (ErrorKind::InvalidState, true),
        // In use.
        423 => (ErrorKind::InvalidState, true),
        429 | 502 | 504 => (ErrorKind::Unavailable, true),
        // What the server did not expect, among it handles that it has forgotten.
        500 => (ErrorKind::Unexpected, true),
        // A commit that can't work: the guest's reason, or vSphere's.
        503 => (ErrorKind::Failed, false),
        400..=599 => (ErrorKind::Unexpected, false),
        // Neither success nor failure.
        _ => (ErrorKind::Protocol, false),
    }
}

/// A request that failed: the error for the caller, and what is known of what it did.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// The HTTP status, if there was an answer.
    pub(crate) code: Option<u16>,
    pub(crate) error: Error,
    /// Whether the server can't have heard of the request.
    pub(crate) never_sent: bool,
}

/// What the servers write as their reason. The field is optional here because bodies may be anything.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    code: Option<i64>,
    message: String,
}

impl Refusal {
    /// From an answer that is no success. Its body may be empty.
    pub(crate) fn answered(code: u16, body: &[u8]) -> Self {
        let told: Told = serde_json::from_slice(body).unwrap_or_default();
        let (kind, transient) = kind_of(code);
        let message = if told.message.is_empty() {
            format!("the server answered {code} without a reason")
        } else {
            shortened(&told.message)
        };
        let error =
            Error::new(kind, message).with_transient(transient).with_context("status", code.to_string());
        let error = match told.code.filter(|told| *told != i64::from(code)) {
            Some(told) => error.with_context("code", told.to_string()),
            None => error,
        };
        Self { code: Some(code), error, never_sent: false }
    }

    /// The request ended without an answer.
    pub(crate) fn ended(error: Error) -> Self {
        Self { code: None, error, never_sent: false }
    }

    /// The request was never made.
    pub(crate) fn unsent(error: Error) -> Self {
        Self { code: None, error, never_sent: true }
    }

    /// An answer that the protocol doesn't allow. The parser's own words could quote it, so only the place is told.
    pub(crate) fn malformed(error: &serde_json::Error) -> Self {
        Self::ended(unreadable(error))
    }

    /// From what the connection reports.
    pub(crate) fn of_transport(error: &(dyn StdError + 'static)) -> Self {
        let (error, never_sent) = of_transport(error);
        Self { code: None, error, never_sent }
    }

    /// Whether the server may have done what it was asked for, although it did not say so.
    pub(crate) fn is_lost(&self) -> bool {
        self.code.is_none() && !self.never_sent
    }

    pub(crate) fn is_not_found(&self) -> bool {
        self.code == Some(404)
    }

    /// The same with another kind, where a status means something else than usual.
    pub(crate) fn with_kind(self, kind: ErrorKind) -> Self {
        let error = rewritten(&self.error, kind, self.error.message().to_owned());
        Self { error, ..self }
    }

    /// Takes secrets out of the server's words, which may quote what it was given.
    pub(crate) fn without<'a>(self, secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let message = redacted(self.error.message(), secrets);
        let error = rewritten(&self.error, self.error.kind(), message);
        Self { error, ..self }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        refusal.error
    }
}

fn rewritten(error: &Error, kind: ErrorKind, message: String) -> Error {
    let new = Error::new(kind, message).with_transient(error.is_transient() && kind == error.kind());
    error.context().iter().fold(new, |new, (key, value)| new.with_context(key, value))
}

pub(crate) fn unreadable(error: &serde_json::Error) -> Error {
    let place = format!("line {}, column {}", error.line(), error.column());
    Error::new(ErrorKind::Protocol, format!("the server's answer is not what was asked for ({place})"))
}

/// A connection that a stream was read from is lost.
pub(crate) fn cut(error: &(dyn StdError + 'static)) -> Error {
    of_transport(error).0
}

fn chain<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// Why there is no answer, and whether the server can't have heard of the request.
fn of_transport(error: &(dyn StdError + 'static)) -> (Error, bool) {
    use std::io::ErrorKind as Io;
    let chain: Vec<_> = chain(error).collect();
    let client = chain.iter().find_map(|error| error.downcast_ref::<hyper_util::client::legacy::Error>());
    let connecting = client.is_some_and(hyper_util::client::legacy::Error::is_connect);
    let hyper = chain.iter().find_map(|error| error.downcast_ref::<hyper::Error>());
    let io = chain.iter().find_map(|error| error.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    let why = chain.last().map_or_else(String::new, ToString::to_string);
    if hyper.is_some_and(hyper::Error::is_parse) {
        return (Error::new(ErrorKind::Protocol, "what answers is no HTTP"), false);
    }
    let message = match io {
        Some(Io::ConnectionRefused) => "nobody listens (connection refused)".to_owned(),
        Some(Io::TimedOut) => "the connection timed out".to_owned(),
        _ if connecting => format!("it can't be connected to: {why}"),
        _ => format!("the connection was lost: {why}"),
    };
    let never_sent = connecting || hyper.is_some_and(hyper::Error::is_canceled);
    (Error::new(ErrorKind::Unavailable, message).transient(), never_sent)
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_meaning() {
        use ErrorKind as K;
        for (code, kind, transient) in [
            (400, K::InvalidArgument, false),
            (401, K::Unauthenticated, false),
            (403, K::PermissionDenied, false),
            (404, K::NotFound, false),
            (405, K::Unsupported, false),
            (409, K::InvalidState, true),
            (415, K::Unsupported, false),
            (418, K::Unexpected, false),
            (422, K::InvalidArgument, false),
            (423, K::InvalidState, true),
            (429, K::Unavailable, true),
            (500, K::Unexpected, true),
            (501, K::Unsupported, false),
            (502, K::Unavailable, true),
            (503, K::Failed, false),
            (504, K::Unavailable, true),
            (302, K::Protocol, false),
        ] {
            assert_eq!(kind_of(code), (kind, transient), "{code}");
        }
    }

    #[test]
    fn reasons_come_in_three_forms_or_not_at_all() {
        let of = |code, body: &[u8]| Refusal::answered(code, body).error.to_string();
        assert_eq!(of(404, br#"{"message":"container not found"}"#), "container not found, status=404");
        assert_eq!(of(404, br#"{"code":404,"message":"no layer"}"#), "no layer, status=404");
        let required = br#"{"code":602,"message":"path in body is required"}"#;
        assert_eq!(of(422, required), "path in body is required, status=422, code=602");
        for empty in [&b""[..], b"null", b"{}", b"gone"] {
            assert_eq!(of(500, empty), "the server answered 500 without a reason, status=500");
        }
    }

    #[test]
    fn secrets_are_taken_out_of_what_the_server_quotes() {
        let refusal = Refusal::answered(503, br#"{"message":"bad env A=hunter2"}"#);
        let hidden = refusal.without(["hunter2"]);
        assert_eq!(hidden.error.message(), "bad env A=[redacted]");
        assert_eq!(hidden.error.kind(), ErrorKind::Failed);
    }
}
