//! From what a daemon answers, or doesn't, to wharf's errors.

use std::error::Error as StdError;

use hyper::StatusCode;
use runtime_core::{Error, ErrorKind};

use super::wire::Refusal;

/// How much of an answer that is no JSON goes into the message.
const LONGEST_TEXT: usize = 4096;

/// A call that failed: the error for the caller, and how far the call came.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) outcome: Outcome,
}

/// How far a failed call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The daemon said no, so it did not do it.
    Refused,
    /// The daemon can't have heard of it.
    NotSent,
    /// Nobody listens on the socket, so the daemon has ended, and everything that it had mounted went.
    Gone,
    /// It may have done it: its answer never came, or can't be read.
    Unknown,
}

impl Failure {
    pub(super) fn not_sent(error: Error) -> Self {
        Self { error, outcome: Outcome::NotSent }
    }

    pub(super) fn unknown(error: Error) -> Self {
        Self { error, outcome: Outcome::Unknown }
    }

    /// The daemon's refusal.
    pub(super) fn refused(status: StatusCode, body: &[u8]) -> Self {
        let (code, message) = match serde_json::from_slice::<Refusal>(body) {
            Ok(refusal) => (Some(refusal.code), refusal.message),
            Err(_) => (None, text(body)),
        };
        let (kind, transient) = kind_of(status, &message);
        let message = if message.is_empty() { "the daemon gave no reason".to_owned() } else { message };
        let error = Error::new(kind, message)
            .with_transient(transient)
            .with_context("status", status.as_u16().to_string());
        let error = match code.filter(|code| !code.is_empty() && code != "UNDEFINED") {
            Some(code) => error.with_reason(code),
            None => error,
        };
        Self { error, outcome: Outcome::Refused }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// What a refusal means, and whether the fault may go away by itself.
///
/// The daemon's `code` is always `UNDEFINED`, and its message the debug text of an error value. Its authors call that a part
/// of the API, and for two statuses the name of the value tells cases apart that have nothing in common.
fn kind_of(status: StatusCode, message: &str) -> (ErrorKind, bool) {
    match status.as_u16() {
        // This version has no such call; or there is no such mount to have numbers of.
        404 if message == "NoRoute" => (ErrorKind::Unsupported, false),
        404 => (ErrorKind::NotFound, false),
        400 if message.contains("UnexpectedEvent(") => (ErrorKind::InvalidState, false),
        400 => (ErrorKind::Protocol, false),
        501 => (ErrorKind::Unsupported, false),
        503 => (ErrorKind::Unavailable, true),
        // It tried, and it can't work.
        500 => (ErrorKind::Failed, false),
        _ if status.is_client_error() || status.is_server_error() => (ErrorKind::Unexpected, false),
        _ => (ErrorKind::Protocol, false),
    }
}

/// What a body says that is no JSON.
fn text(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Nobody could be reached at the socket.
pub(super) fn of_connect(error: std::io::Error) -> Failure {
    use std::io::ErrorKind as Io;
    let (kind, transient, message) = match error.kind() {
        Io::NotFound => (ErrorKind::Unavailable, true, "the daemon's socket is not there"),
        Io::ConnectionRefused => (ErrorKind::Unavailable, true, "nobody listens on the daemon's socket"),
        Io::PermissionDenied => (ErrorKind::PermissionDenied, false, "the daemon's socket may not be used"),
        Io::InvalidInput => {
            (ErrorKind::InvalidArgument, false, "the path of the daemon's socket is too long")
        }
        _ => match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => {
                (ErrorKind::ResourceExhausted, true, "too many files are open")
            }
            _ => (ErrorKind::Unavailable, true, "the daemon can't be reached"),
        },
    };
    let outcome = match error.kind() {
        Io::NotFound | Io::ConnectionRefused => Outcome::Gone,
        _ => Outcome::NotSent,
    };
    Failure { error: Error::new(kind, message).with_transient(transient).with_source(error), outcome }
}

/// The connection failed after the call was sent, or what came is no HTTP.
pub(super) fn of_exchange(error: hyper::Error) -> Error {
    let speaks_something_else = error.is_parse() || error.is_parse_status();
    let (kind, transient, message) = if speaks_something_else {
        (ErrorKind::Protocol, false, "what answers is no HTTP")
    } else {
        (ErrorKind::Unavailable, true, "the daemon closed the connection without an answer")
    };
    Error::new(kind, message).with_transient(transient).with_source(error)
}

/// The answer began, and did not end.
pub(super) fn of_body(error: Box<dyn StdError + Send + Sync>, limit: usize) -> Error {
    if error.is::<http_body_util::LengthLimitError>() {
        return too_long(limit);
    }
    Error::new(ErrorKind::Protocol, "the daemon's answer ended early").with_source(error)
}

/// The answer is longer than this driver takes.
pub(super) fn too_long(limit: usize) -> Error {
    Error::new(ErrorKind::ResourceExhausted, format!("the daemon's answer is longer than {limit} bytes"))
}

/// The answer can't be read. The parser's own words could quote it, so only the place is told.
pub(super) fn unreadable(error: &serde_json::Error) -> Error {
    let place = format!("line {}, column {}", error.line(), error.column());
    Error::new(ErrorKind::Protocol, format!("the daemon's answer is not what was asked for ({place})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What nydusd 2.2 answered, and what it means.
    #[test]
    fn every_answer_has_a_meaning() {
        use ErrorKind as K;
        for (status, message, kind, transient) in [
            (404, "NoRoute", K::Unsupported, false),
            (404, "GlobalMetrics(Metrics(Stats(NoCounter)))", K::NotFound, false),
            (404, "BackendMetrics(Metrics(Stats(NoCounter)))", K::NotFound, false),
            (400, "Upgrade(DaemonAbnormal(UnexpectedEvent(\"Takeover\")))", K::InvalidState, false),
            (400, "ParseBody(Error(\"expected value\", line: 1, column: 1))", K::Protocol, false),
            (400, "QueryString(\"'mountpoint' should be specified in query string\")", K::Protocol, false),
            (400, "BadRequest", K::Protocol, false),
            (500, "Mount(MountFilesystem(Other(\"object or filesystem already exists\")))", K::Failed, false),
            (500, "Configure(ResponsePayloadType)", K::Failed, false),
            (501, "Mount(DaemonAbnormal(Unsupported))", K::Unsupported, false),
            (503, "Mount(MountFilesystem(NotReady))", K::Unavailable, true),
            (418, "short and stout", K::Unexpected, false),
            (302, "elsewhere", K::Protocol, false),
        ] {
            let body = serde_json::json!({ "code": "UNDEFINED", "message": message }).to_string();
            let failure = Failure::refused(StatusCode::from_u16(status).unwrap(), body.as_bytes());
            let error = failure.error;
            assert_eq!((error.kind(), error.is_transient()), (kind, transient), "{status} {message}");
            assert_eq!((error.message(), error.reason()), (message, None));
        }
    }

    #[test]
    fn what_is_no_json_is_kept_as_text() {
        let of = |body: &[u8]| Failure::refused(StatusCode::BAD_REQUEST, body).error.message().to_owned();
        assert_eq!(of(b" it broke\n"), "it broke");
        assert_eq!(of(b""), "the daemon gave no reason");
        assert_eq!(of(b"[1]"), "[1]");
        assert_eq!(of(b"\xff"), "\u{fffd}");
        assert_eq!(of("ä".repeat(5000).as_bytes()).chars().count(), LONGEST_TEXT + 1);
    }

    #[test]
    fn a_code_is_a_reason() {
        let body = br#"{"code":"QUOTA","message":"full"}"#;
        assert_eq!(Failure::refused(StatusCode::INTERNAL_SERVER_ERROR, body).error.reason(), Some("QUOTA"));
    }
}
