//! From gRPC's codes to wharf's errors.

use std::error::Error as StdError;

use runtime_core::{Error, ErrorKind, helpers::redact::redacted, persist::Setback};
use tonic::{Code, Status};

/// What a code means, and whether the fault may go away by itself. Texts are not looked at: they are free to change. Pulls are
/// the one exception, see `helpers::pull_failure`.
///
/// containerd answers `Unknown` to most of what goes wrong. The facets then ask what is the matter, and come to a better
/// kind; where that is impossible, the system tried and it can't work, which is `Failed`.
pub(crate) fn kind_of(code: Code) -> (ErrorKind, bool) {
    match code {
        Code::Ok => (ErrorKind::Protocol, false),
        Code::Cancelled => (ErrorKind::Cancelled, false),
        Code::Unknown => (ErrorKind::Failed, false),
        Code::InvalidArgument => (ErrorKind::InvalidArgument, false),
        Code::DeadlineExceeded => (ErrorKind::DeadlineExceeded, false),
        Code::NotFound => (ErrorKind::NotFound, false),
        Code::AlreadyExists => (ErrorKind::AlreadyExists, false),
        Code::PermissionDenied => (ErrorKind::PermissionDenied, false),
        Code::ResourceExhausted => (ErrorKind::ResourceExhausted, false),
        Code::FailedPrecondition => (ErrorKind::InvalidState, false),
        Code::Aborted => (ErrorKind::Unavailable, true),
        // What the client itself says of an answer that is larger than it takes.
        Code::OutOfRange => (ErrorKind::ResourceExhausted, false),
        Code::Unimplemented => (ErrorKind::Unsupported, false),
        Code::Internal => (ErrorKind::Unexpected, false),
        Code::Unavailable => (ErrorKind::Unavailable, true),
        Code::DataLoss => (ErrorKind::Unexpected, false),
        Code::Unauthenticated => (ErrorKind::Unauthenticated, false),
    }
}

/// A call that failed: the error for the caller, and the code that the runtime answered, if it did.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: Option<Code>,
    pub(crate) error: Error,
    /// Whether the runtime can't have heard of the call.
    pub(crate) never_sent: bool,
}

impl Refusal {
    /// From what the channel reports: the runtime's own words, or the end of the connection.
    pub(crate) fn new(status: &Status) -> Self {
        match status.source() {
            // A status of the runtime comes without a source; one that the transport made up has the cause as one.
            None => Self { code: Some(status.code()), error: answered(status), never_sent: false },
            Some(source) => {
                Self { code: None, error: of_transport(source), never_sent: was_never_sent(status) }
            }
        }
    }

    /// The call ended here, without an answer.
    pub(crate) fn ended(error: Error) -> Self {
        Self { code: None, error, never_sent: false }
    }

    /// Whether the runtime may be doing what it was asked for, or have done it: its answer never came.
    pub(crate) fn is_lost(&self) -> bool {
        self.code.is_none() && !self.never_sent
    }

    pub(crate) fn is_not_found(&self) -> bool {
        self.code == Some(Code::NotFound)
    }

    /// Whether the runtime said no and left open why, so that asking may tell.
    pub(crate) fn is_vague(&self) -> bool {
        matches!(
            self.code,
            Some(Code::Unknown | Code::AlreadyExists | Code::NotFound | Code::FailedPrecondition)
        )
    }

    /// The same with a better kind, found out by asking.
    pub(crate) fn with_kind(self, kind: ErrorKind) -> Error {
        let message = self.error.message().to_owned();
        self.rebuilt(kind, message)
    }

    /// Takes secrets out of the runtime's words, which may quote what it was given.
    pub(crate) fn without<'a>(self, secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let message = redacted(self.error.message(), secrets);
        Self { error: self.rebuilt(self.error.kind(), message), ..self }
    }

    /// The same with better words of the runtime's.
    pub(crate) fn saying(self, message: String) -> Self {
        Self { error: self.rebuilt(self.error.kind(), message), ..self }
    }

    fn rebuilt(&self, kind: ErrorKind, message: String) -> Error {
        let error = Error::new(kind, message).with_transient(self.error.is_transient());
        self.error.context().iter().fold(error, |error, (key, value)| error.with_context(key, value))
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        refusal.error
    }
}

impl From<Refusal> for Setback {
    fn from(refusal: Refusal) -> Self {
        refusal.error.into()
    }
}

fn answered(status: &Status) -> Error {
    let (kind, transient) = kind_of(status.code());
    let message = match status.message() {
        "" => "the runtime gave no reason",
        message => message,
    };
    Error::new(kind, message).with_transient(transient).with_context("code", format!("{:?}", status.code()))
}

/// Whether a call came to a connection that had just been closed: nothing of it was sent, and the next one gets another
/// connection.
pub(crate) fn found_the_connection_closed(status: &Status) -> bool {
    let first = status.source();
    std::iter::successors(first, |&error| error.source())
        .any(|error| error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled))
}

/// Whether there was no connection to send a call on.
fn was_never_sent(status: &Status) -> bool {
    use std::io::ErrorKind as Io;
    let first = status.source();
    let mut io = std::iter::successors(first, |&error| error.source())
        .filter_map(|error| error.downcast_ref::<std::io::Error>());
    found_the_connection_closed(status)
        || io.any(|error| matches!(error.kind(), Io::NotFound | Io::ConnectionRefused | Io::PermissionDenied))
}

/// The connection failed, or the other side does not speak the protocol.
fn of_transport(source: &(dyn StdError + 'static)) -> Error {
    let chain: Vec<_> = std::iter::successors(Some(source), |&error| error.source()).collect();
    if chain.iter().any(|error| error.is::<tonic::TimeoutExpired>()) {
        return Error::new(ErrorKind::DeadlineExceeded, "the deadline of the call passed");
    }
    let io = chain.iter().find_map(|error| error.downcast_ref::<std::io::Error>());
    if let Some(error) = io {
        return unreachable(error);
    }
    let h2 = chain.iter().find_map(|error| error.downcast_ref::<h2::Error>());
    match h2.filter(|error| !error.is_io() && !error.is_remote()) {
        Some(error) => Error::new(ErrorKind::Protocol, format!("the endpoint does not speak gRPC: {error}")),
        None => {
            let why = chain.last().map_or_else(String::new, ToString::to_string);
            Error::new(ErrorKind::Unavailable, format!("the connection was lost: {why}")).transient()
        }
    }
}

/// A socket that can't be connected to, or ended.
pub(crate) fn unreachable(error: &std::io::Error) -> Error {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::PermissionDenied => Error::new(ErrorKind::PermissionDenied, "permission to connect is denied"),
        Io::NotFound => Error::new(ErrorKind::Unavailable, "there is no socket at this path").transient(),
        Io::ConnectionRefused => {
            Error::new(ErrorKind::Unavailable, "nobody listens (connection refused)").transient()
        }
        _ => Error::new(ErrorKind::Unavailable, format!("the connection failed: {error}")).transient(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_row() {
        use ErrorKind as K;
        let table = [
            (Code::Ok, K::Protocol, false),
            (Code::Cancelled, K::Cancelled, false),
            (Code::Unknown, K::Failed, false),
            (Code::InvalidArgument, K::InvalidArgument, false),
            (Code::DeadlineExceeded, K::DeadlineExceeded, false),
            (Code::NotFound, K::NotFound, false),
            (Code::AlreadyExists, K::AlreadyExists, false),
            (Code::PermissionDenied, K::PermissionDenied, false),
            (Code::ResourceExhausted, K::ResourceExhausted, false),
            (Code::FailedPrecondition, K::InvalidState, false),
            (Code::Aborted, K::Unavailable, true),
            (Code::OutOfRange, K::ResourceExhausted, false),
            (Code::Unimplemented, K::Unsupported, false),
            (Code::Internal, K::Unexpected, false),
            (Code::Unavailable, K::Unavailable, true),
            (Code::DataLoss, K::Unexpected, false),
            (Code::Unauthenticated, K::Unauthenticated, false),
        ];
        for (number, (code, kind, transient)) in (0..).zip(table) {
            assert_eq!(Code::from(number), code, "a row is missing");
            assert_eq!(kind_of(code), (kind, transient), "{code:?}");
            let refusal = Refusal::new(&Status::new(code, "why"));
            assert_eq!((refusal.code, refusal.error.kind()), (Some(code), kind));
            assert_eq!(refusal.error.to_string(), format!("why, code={code:?}"));
        }
    }

    #[test]
    fn secrets_are_taken_out_of_what_the_runtime_says() {
        let status = Status::unknown("bad variable A=hunter2, user me");
        let refusal = Refusal::new(&status).without(["hunter2", "me", ""]);
        assert_eq!(refusal.code, Some(Code::Unknown));
        assert_eq!(refusal.error.message(), "bad variable A=[redacted], user me");
        assert_eq!(refusal.with_kind(ErrorKind::NotFound).kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_lost_connection_is_transient() {
        let refusal =
            Refusal::new(&Status::from_error(Box::new(std::io::Error::from(std::io::ErrorKind::BrokenPipe))));
        assert_eq!((refusal.code, refusal.error.kind()), (None, ErrorKind::Unavailable));
        assert!(refusal.error.is_transient());
        let timeout = Status::from_error(Box::new(tonic::TimeoutExpired(())));
        assert_eq!(Refusal::new(&timeout).error.kind(), ErrorKind::DeadlineExceeded);
    }
}
