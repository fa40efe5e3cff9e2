//! The engine's errors in the project's terms: one table.

use runtime_core::{Error, ErrorKind, Object};

use crate::engine::{EngineError, Object as EngineObject, PullError};

/// What kind of error it is, and whether it may go away by itself.
pub(super) fn classify(error: &EngineError) -> (ErrorKind, bool) {
    match error {
        EngineError::NotFound { .. } => (ErrorKind::NotFound, false),
        EngineError::NameTaken { .. } => (ErrorKind::AlreadyExists, false),
        EngineError::InvalidState { .. } => (ErrorKind::InvalidState, false),
        EngineError::InvalidArgument { .. } => (ErrorKind::InvalidArgument, false),
        EngineError::Unsupported { .. } => (ErrorKind::Unsupported, false),
        EngineError::NoSuchCommand { .. }
        | EngineError::NotExecutable { .. }
        | EngineError::StartRefused(_)
        | EngineError::MemoryInUse { .. } => (ErrorKind::Failed, false),
        EngineError::ExecTimeout { .. } => (ErrorKind::DeadlineExceeded, false),
        EngineError::Pull { error, .. } => classify_pull(error),
        EngineError::Injected { code, .. } => classify_injected(code),
        EngineError::Io { source, .. } => match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                (ErrorKind::ResourceExhausted, false)
            }
            _ => (ErrorKind::Unexpected, false),
        },
        // Whatever is to listen may not do so yet.
        EngineError::Unreachable { .. } => (ErrorKind::Unavailable, true),
        // An engine that has ended does not come back.
        EngineError::ShutDown => (ErrorKind::Unavailable, false),
    }
}

fn classify_pull(error: &PullError) -> (ErrorKind, bool) {
    match error {
        PullError::NotFound { .. } => (ErrorKind::NotFound, false),
        PullError::Unreachable { .. } | PullError::Cut { .. } => (ErrorKind::Unavailable, true),
        PullError::Status { status: 401, .. } => (ErrorKind::Unauthenticated, false),
        PullError::Status { status: 403, .. } => (ErrorKind::PermissionDenied, false),
        PullError::Status { status: 429 | 500..=599, .. } => (ErrorKind::Unavailable, true),
        PullError::Status { .. } | PullError::Store { .. } => (ErrorKind::Unexpected, false),
        PullError::DigestMismatch { .. } | PullError::BadManifest { .. } | PullError::BadLayer { .. } => {
            (ErrorKind::Failed, false)
        }
    }
}

/// A failure that a test asked for, named as gRPC names its codes.
fn classify_injected(code: &str) -> (ErrorKind, bool) {
    match code {
        "Unavailable" => (ErrorKind::Unavailable, true),
        "ResourceExhausted" => (ErrorKind::ResourceExhausted, true),
        "DeadlineExceeded" => (ErrorKind::DeadlineExceeded, true),
        "NotFound" => (ErrorKind::NotFound, false),
        "PermissionDenied" => (ErrorKind::PermissionDenied, false),
        "Unauthenticated" => (ErrorKind::Unauthenticated, false),
        "FailedPrecondition" => (ErrorKind::InvalidState, false),
        _ => (ErrorKind::Unexpected, false),
    }
}

/// The engine's error as the caller gets it.
pub(super) fn convert(error: EngineError) -> Error {
    let (kind, transient) = classify(&error);
    let converted = match &error {
        EngineError::NotFound { object, id } => Error::not_found(self::object(*object, id)),
        EngineError::NameTaken { object, name, existing } => {
            Error::already_exists(self::object(*object, name), existing.as_str())
        }
        EngineError::InvalidArgument { field, message } => Error::invalid(field_of_spec(field), message),
        EngineError::InvalidState { object, id, state } => {
            Error::new(kind, format!("it is {state}")).with_object(self::object(*object, id))
        }
        EngineError::Pull { reference, error } => {
            Error::new(kind, format!("pull failed: {error}")).with_object(Object::image(reference.as_str()))
        }
        other => Error::new(kind, other.to_string()),
    };
    converted.with_transient(transient).with_driver(super::driver::NAME)
}

fn object(object: EngineObject, id: &str) -> Object {
    match object {
        EngineObject::Pod => Object::pod(id),
        EngineObject::Container => Object::container(id),
        EngineObject::Image => Object::image(id),
    }
}

/// Where the engine's names are not those of the spec.
fn field_of_spec(field: &'static str) -> &'static str {
    match field {
        "argv" => "command",
        "signal" => "stopSignal",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc, time::Duration};

    use super::*;
    use crate::engine::Asked;

    #[test]
    fn row_by_row() {
        let pull = |error| EngineError::Pull { reference: "r".into(), error };
        let status = |status| pull(PullError::Status { asked: Asked::Manifest, status });
        let injected = |code: &str| EngineError::Injected {
            operation: "create_pod".into(),
            code: code.into(),
            message: "as asked".into(),
        };
        let text = String::new;
        let rows = [
            (EngineError::not_found(EngineObject::Pod, "p"), ErrorKind::NotFound, false),
            (
                EngineError::NameTaken { object: EngineObject::Pod, name: "n".into(), existing: "e".into() },
                ErrorKind::AlreadyExists,
                false,
            ),
            (
                EngineError::InvalidState {
                    object: EngineObject::Container,
                    id: "c".into(),
                    state: "exited",
                },
                ErrorKind::InvalidState,
                false,
            ),
            (EngineError::invalid("argv", "it is empty"), ErrorKind::InvalidArgument, false),
            (
                EngineError::Unsupported { what: "mounting", why: "it needs root" },
                ErrorKind::Unsupported,
                false,
            ),
            (EngineError::NoSuchCommand { command: "x".into() }, ErrorKind::Failed, false),
            (EngineError::NotExecutable { command: "x".into(), reason: text() }, ErrorKind::Failed, false),
            (EngineError::StartRefused(text()), ErrorKind::Failed, false),
            (EngineError::MemoryInUse { limit_bytes: 1, used_bytes: 2 }, ErrorKind::Failed, false),
            (
                EngineError::ExecTimeout { command: "x".into(), after: Duration::from_secs(1) },
                ErrorKind::DeadlineExceeded,
                false,
            ),
            (pull(PullError::NotFound { what: text() }), ErrorKind::NotFound, false),
            (status(401), ErrorKind::Unauthenticated, false),
            (status(403), ErrorKind::PermissionDenied, false),
            (pull(PullError::Unreachable { why: text() }), ErrorKind::Unavailable, true),
            (pull(PullError::Cut { why: text() }), ErrorKind::Unavailable, true),
            (status(429), ErrorKind::Unavailable, true),
            (status(503), ErrorKind::Unavailable, true),
            (status(418), ErrorKind::Unexpected, false),
            (pull(PullError::Store { why: text() }), ErrorKind::Unexpected, false),
            (
                pull(PullError::DigestMismatch { part: "layer", expected: text(), got: text() }),
                ErrorKind::Failed,
                false,
            ),
            (pull(PullError::BadManifest { why: text() }), ErrorKind::Failed, false),
            (pull(PullError::BadLayer { why: text() }), ErrorKind::Failed, false),
            (injected("Unavailable"), ErrorKind::Unavailable, true),
            (injected("ResourceExhausted"), ErrorKind::ResourceExhausted, true),
            (injected("DeadlineExceeded"), ErrorKind::DeadlineExceeded, true),
            (injected("NotFound"), ErrorKind::NotFound, false),
            (injected("PermissionDenied"), ErrorKind::PermissionDenied, false),
            (injected("Unauthenticated"), ErrorKind::Unauthenticated, false),
            (injected("FailedPrecondition"), ErrorKind::InvalidState, false),
            (injected("Internal"), ErrorKind::Unexpected, false),
            (
                EngineError::io("write", io::Error::from(io::ErrorKind::StorageFull)),
                ErrorKind::ResourceExhausted,
                false,
            ),
            (
                EngineError::io("write", io::Error::from(io::ErrorKind::QuotaExceeded)),
                ErrorKind::ResourceExhausted,
                false,
            ),
            (
                EngineError::io("write", io::Error::from(io::ErrorKind::BrokenPipe)),
                ErrorKind::Unexpected,
                false,
            ),
            (
                EngineError::Unreachable {
                    port: 80,
                    ipv4: Arc::new(io::ErrorKind::ConnectionRefused.into()),
                    ipv6: Arc::new(io::ErrorKind::ConnectionRefused.into()),
                },
                ErrorKind::Unavailable,
                true,
            ),
            (EngineError::ShutDown, ErrorKind::Unavailable, false),
        ];
        for (error, kind, transient) in rows {
            let shown = error.to_string();
            let converted = convert(error);
            assert_eq!((converted.kind(), converted.is_transient()), (kind, transient), "{shown}");
            assert_eq!(converted.driver(), Some("memory"));
        }
    }

    #[test]
    fn objects_fields_and_ids_come_through() {
        let taken =
            EngineError::NameTaken { object: EngineObject::Pod, name: "n".into(), existing: "abc".into() };
        assert_eq!(convert(taken).existing_id(), Some("abc"));
        assert_eq!(convert(EngineError::invalid("argv", "it is empty")).field(), Some("command"));
        let missing = convert(EngineError::not_found(EngineObject::Image, "i"));
        assert_eq!(missing.object(), Some(&Object::image("i")));
    }
}
