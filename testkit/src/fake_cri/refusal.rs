//! The engine's errors in containerd's words.

use tonic::{Code, Status};

use crate::engine::EngineError;

/// What containerd puts before the words of the OCI runtime when a container can't be started.
pub(super) const CREATE_FAILED: &str = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: ";

/// For errors of which the caller knows nothing better.
pub(super) fn from_engine(error: EngineError) -> Status {
    match error {
        EngineError::Injected { code, message, .. } => Status::new(code_named(&code), message),
        EngineError::NotFound { .. } => Status::not_found(error.to_string()),
        EngineError::Unsupported { .. } => Status::unimplemented(format!("the fake can't: {error}")),
        error => Status::unknown(error.to_string()),
    }
}

/// The words of runc for a container's first process that can't be started.
pub(super) fn start_failed(reason: &str) -> String {
    format!("{CREATE_FAILED}{}: unknown", runc_words(reason))
}

/// The words of runc for a process that can't be started.
pub(super) fn runc_words(reason: &str) -> String {
    const MISSING: &str = ": no such file or directory";
    match reason.strip_prefix("exec: ") {
        None => reason.to_owned(),
        Some(exec) => match exec.strip_suffix(MISSING) {
            Some(command) if !command.contains(": ") => {
                format!(
                    "unable to start container process: exec: {command}: stat {}{MISSING}",
                    command.trim_matches('"')
                )
            }
            _ => format!("unable to start container process: {reason}"),
        },
    }
}

/// Whom a request is about when it can't be honoured here, though a real runtime could.
pub(super) fn unsupported(field: &str) -> Status {
    Status::unimplemented(format!("the fake can't honour {field}"))
}

/// A gRPC code by its name; `Unknown` for what is none.
fn code_named(name: &str) -> Code {
    (0..=16).map(Code::from_i32).find(|code| format!("{code:?}") == name).unwrap_or(Code::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_names() {
        assert_eq!(code_named("Unavailable"), Code::Unavailable);
        assert_eq!(code_named("DeadlineExceeded"), Code::DeadlineExceeded);
        assert_eq!(code_named("nonsense"), Code::Unknown);
    }

    #[test]
    fn runc_says_which_file_it_looked_at() {
        assert_eq!(
            runc_words("exec: \"/no/such\": no such file or directory"),
            "unable to start container process: exec: \"/no/such\": stat /no/such: no such file or directory"
        );
        assert_eq!(
            runc_words("exec: \"nosuch\": executable file not found in $PATH"),
            "unable to start container process: exec: \"nosuch\": executable file not found in $PATH"
        );
        assert_eq!(runc_words("Cwd must be an absolute path"), "Cwd must be an absolute path");
    }
}
