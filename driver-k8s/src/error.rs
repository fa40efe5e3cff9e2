//! From what an API server answers to wharf's errors.

use std::{error::Error as StdError, time::Duration};

use hyper::StatusCode;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::client::AuthError;
use runtime_core::{Error, ErrorKind, helpers::redact::redacted};

/// What an answer means by its code and reason, and whether the fault may go away by itself. Texts are not looked at: they
/// are free to change. A reason is only looked at where a code has several meanings.
pub(crate) fn kind_of(code: u16, reason: &str) -> (ErrorKind, bool) {
    match (code, reason) {
        (400, _) => (ErrorKind::InvalidArgument, false),
        (401, _) => (ErrorKind::Unauthenticated, false),
        (403, _) => (ErrorKind::PermissionDenied, false),
        (404, _) => (ErrorKind::NotFound, false),
        (405 | 415, _) => (ErrorKind::Unsupported, false),
        (409, "AlreadyExists") => (ErrorKind::AlreadyExists, false),
        // Somebody else has changed it meanwhile: whoever looks again may do better.
        (409, _) => (ErrorKind::InvalidState, true),
        (413, _) => (ErrorKind::ResourceExhausted, false),
        (422, _) => (ErrorKind::InvalidArgument, false),
        // A list or watch that has to begin anew.
        (410, _) => (ErrorKind::Unavailable, true),
        (429 | 502..=504, _) => (ErrorKind::Unavailable, true),
        (500, "ServerTimeout") => (ErrorKind::Unavailable, true),
        // What the server itself did not expect: its storage lost its leader, or a webhook did not answer.
        (500, _) => (ErrorKind::Unexpected, true),
        (400..=599, _) => (ErrorKind::Unexpected, false),
        // Neither success nor failure.
        _ => (ErrorKind::Protocol, false),
    }
}

/// Why nothing can be made in a namespace that is being deleted, which the server calls forbidden.
const NAMESPACE_GOES: &str = "NamespaceTerminating";

/// A request that failed: the error for the caller, and what the server answered, if it did.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// The HTTP code.
    pub(crate) code: Option<u16>,
    /// The server's own reason, such as `AlreadyExists`; empty where it has none.
    pub(crate) reason: String,
    pub(crate) error: Error,
    /// When the server wants to be asked again.
    pub(crate) retry_after: Option<Duration>,
    /// Whether the server can't have heard of the request.
    pub(crate) never_sent: bool,
    /// Whether that is because its connection turned out to have been closed, so that another one may do.
    pub(crate) was_closed: bool,
}

impl Refusal {
    /// From what the server answered with a code that is no success.
    pub(crate) fn answered(code: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let status: Status = serde_json::from_slice(body).unwrap_or_default();
        Self::told(code.as_u16(), retry_after, &status)
    }

    /// From a status that came as an object, such as in a watch.
    pub(crate) fn told(code: u16, retry_after: Option<Duration>, status: &Status) -> Self {
        let reason = status.reason.clone().unwrap_or_default();
        let details = status.details.as_ref();
        let causes = details.and_then(|details| details.causes.as_deref()).unwrap_or_default();
        let is_going = causes.iter().any(|cause| cause.reason.as_deref() == Some(NAMESPACE_GOES));
        let (kind, transient) =
            if is_going { (ErrorKind::InvalidState, false) } else { kind_of(code, &reason) };
        let own = status.message.as_deref().filter(|message| !message.is_empty());
        let own = own.map_or_else(|| format!("the server answered {code} without a reason"), str::to_owned);
        let field = causes.iter().find_map(|cause| cause.field.as_deref()).filter(|_| code == 422);
        let mut error = match (field, causes) {
            // With the field in front, the rest of the server's message would say it again.
            (Some(field), [cause]) => {
                Error::new(kind, cause.message.clone().unwrap_or(own)).with_field(field)
            }
            (Some(field), _) => Error::new(kind, own).with_field(field),
            (None, _) => Error::new(kind, own),
        };
        error = error.with_transient(transient).with_context("code", code.to_string());
        if !reason.is_empty() {
            error = error.with_reason(&reason);
        }
        let seconds = details.and_then(|details| details.retry_after_seconds).filter(|&seconds| seconds > 0);
        let told = seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
        Self { code: Some(code), reason, retry_after: retry_after.or(told), ..Self::ended(error) }
    }

    /// From what the connection reports: the request got no answer.
    pub(crate) fn of_transport(error: &(dyn StdError + 'static)) -> Self {
        let was_closed = chain(error)
            .any(|error| error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled));
        let (error, is_connecting) = of_transport(error);
        Self { never_sent: was_closed || is_connecting, was_closed, ..Self::ended(error) }
    }

    /// The request ended here, without an answer.
    pub(crate) fn ended(error: Error) -> Self {
        let reason = String::new();
        Self { code: None, reason, error, retry_after: None, never_sent: false, was_closed: false }
    }

    /// The request was never made.
    pub(crate) fn unsent(error: Error) -> Self {
        Self { never_sent: true, ..Self::ended(error) }
    }

    /// An answer that Kubernetes' protocol doesn't allow.
    pub(crate) fn malformed(why: impl std::fmt::Display) -> Self {
        Self::ended(Error::new(ErrorKind::Protocol, format!("the server's answer can't be read: {why}")))
    }

    /// Whether the server may have done what it was asked for although it did not say so: its answer never came, or came
    /// from something between.
    pub(crate) fn is_lost(&self) -> bool {
        match self.code {
            None => !self.never_sent,
            Some(code) => code >= 500,
        }
    }

    pub(crate) fn is_not_found(&self) -> bool {
        self.code == Some(404)
    }

    pub(crate) fn is_already_exists(&self) -> bool {
        self.code == Some(409) && self.reason == "AlreadyExists"
    }

    /// Whether something else is there, or it was changed meanwhile.
    pub(crate) fn is_conflict(&self) -> bool {
        self.code == Some(409) && self.reason != "AlreadyExists"
    }

    /// Whether what was to go on has to begin anew.
    pub(crate) fn is_expired(&self) -> bool {
        self.code == Some(410)
    }

    /// Takes secrets out of the server's words, which may quote what it was given.
    pub(crate) fn without<'a>(self, secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let message = redacted(self.error.message(), secrets);
        if message == self.error.message() {
            return self;
        }
        let mut error = Error::new(self.error.kind(), message).with_transient(self.error.is_transient());
        if !self.reason.is_empty() {
            error = error.with_reason(&self.reason);
        }
        let error =
            self.error.context().iter().fold(error, |error, (key, value)| error.with_context(key, value));
        Self { error, ..self }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        refusal.error
    }
}

fn chain<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// Why there is no answer, and whether that is because there was no connection.
fn of_transport(error: &(dyn StdError + 'static)) -> (Error, bool) {
    use std::io::ErrorKind as Io;
    let chain: Vec<_> = chain(error).collect();
    if let Some(error) = chain.iter().find_map(|error| error.downcast_ref::<AuthError>()) {
        return (of_credentials(error), true);
    }
    let client = chain.iter().find_map(|error| error.downcast_ref::<hyper_util::client::legacy::Error>());
    let connecting = client.is_some_and(hyper_util::client::legacy::Error::is_connect);
    let io = chain.iter().find_map(|error| error.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    let why = chain.last().map_or_else(String::new, ToString::to_string);
    let error = match io {
        Some(Io::InvalidData) if connecting => {
            return (Error::new(ErrorKind::Failed, format!("there is no trusted connection: {why}")), true);
        }
        Some(Io::ConnectionRefused) => "nobody listens (connection refused)".to_owned(),
        Some(Io::TimedOut) => "the connection timed out".to_owned(),
        _ if connecting => format!("it can't be connected to: {why}"),
        _ => format!("the connection was lost: {why}"),
    };
    (Error::new(ErrorKind::Unavailable, error).transient(), connecting)
}

/// Why there are no credentials. What a plugin printed is not shown: it may be one.
pub(crate) fn of_credentials(error: &AuthError) -> Error {
    let message = match error {
        AuthError::AuthExecRun { cmd, out } => {
            format!("the credential plugin {cmd:?} failed ({})", out.status)
        }
        AuthError::AuthExecParse(_) => "what the credential plugin printed can't be read".to_owned(),
        AuthError::InvalidBasicAuth(_) | AuthError::InvalidBearerToken(_) => {
            "the credentials hold characters that no header may".to_owned()
        }
        error => error.to_string(),
    };
    Error::new(ErrorKind::Unauthenticated, message)
}

#[cfg(test)]
mod tests;
