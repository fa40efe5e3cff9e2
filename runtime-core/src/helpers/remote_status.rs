//! How a command ended, as Kubernetes' streaming protocol tells it on the error channel.
//!
//! From version 4 on that is a `v1.Status` as JSON. API servers, kubelets and CRI runtimes tell it alike.

use serde::Deserialize;
use thiserror::Error;

use crate::{ExitCause, ExitStatus};

/// The most that is taken of a reason; what comes beyond is cut.
const MAX_MESSAGE_BYTES: usize = 4096;

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteStatus {
    /// With this code. A process that was killed by signal N is told as 128 + N.
    Exited(i32),
    /// It was not started, or the system lost it, in its own words.
    Failed(String),
}

/// What is no status.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the end of the command was told in an unknown form: {0}")]
pub struct NoStatus(String);

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    status: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    causes: Option<Vec<Cause>>,
}

#[derive(Deserialize)]
struct Cause {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

impl RemoteStatus {
    /// Reads what came on the error channel.
    ///
    /// # Errors
    /// When it is no status, or one without a verdict. That is never taken for success.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoStatus> {
        let status: Status =
            serde_json::from_slice(bytes).map_err(|_| NoStatus(cut(&String::from_utf8_lossy(bytes))))?;
        match status.status.as_str() {
            "Success" => Ok(Self::Exited(0)),
            "Failure" if status.reason == "NonZeroExitCode" => {
                status.exit_code().map(Self::Exited).ok_or_else(|| NoStatus(cut(&status.message)))
            }
            "Failure" => Ok(Self::Failed(match status.message.as_str() {
                "" => "the system gave no reason".to_owned(),
                message => cut(message),
            })),
            other => Err(NoStatus(format!("status {:?}", cut(other)))),
        }
    }

    /// The end as a cause, if the command ran.
    #[must_use]
    pub fn exit(&self) -> Option<ExitStatus> {
        match self {
            Self::Exited(code) => Some(ExitStatus::new(ExitCause::Exited(*code))),
            Self::Failed(_) => None,
        }
    }
}

impl Status {
    fn exit_code(&self) -> Option<i32> {
        let causes = self.details.as_ref()?.causes.as_ref()?;
        causes.iter().find(|cause| cause.reason == "ExitCode")?.message.parse().ok()
    }
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_MESSAGE_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As recorded from Kubernetes 1.36 and containerd 1.6.
    #[test]
    fn recorded_ends_are_understood() {
        let success = br#"{"metadata":{},"status":"Success"}"#;
        assert_eq!(RemoteStatus::parse(success), Ok(RemoteStatus::Exited(0)));
        for code in ["7", "137"] {
            let text = format!(
                r#"{{"metadata":{{}},"status":"Failure","message":"command terminated with non-zero exit code: command terminated with exit code {code}","reason":"NonZeroExitCode","details":{{"causes":[{{"reason":"ExitCode","message":"{code}"}}]}}}}"#
            );
            let status = RemoteStatus::parse(text.as_bytes()).unwrap();
            assert_eq!(status, RemoteStatus::Exited(code.parse().unwrap()));
            assert_eq!(status.exit().unwrap().code(), code.parse().ok());
        }
        let missing = br#"{"metadata":{},"status":"Failure","message":"exec: \"no-such-command\": executable file not found in $PATH","reason":"InternalError","details":{"causes":[{"message":"x"}]},"code":500}"#;
        let RemoteStatus::Failed(message) = RemoteStatus::parse(missing).unwrap() else { panic!("it ran") };
        assert!(message.contains("not found in $PATH"), "{message}");
    }

    #[test]
    fn nothing_else_is_an_end() {
        for text in [
            "",
            "{}",
            "null",
            "[]",
            "\u{1}",
            r#"{"status":"success"}"#,
            r#"{"status":"Failure","reason":"NonZeroExitCode"}"#,
            r#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":null}}"#,
            r#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"x"}]}}"#,
        ] {
            assert!(RemoteStatus::parse(text.as_bytes()).is_err(), "{text}");
        }
        let nameless = RemoteStatus::parse(br#"{"status":"Failure"}"#).unwrap();
        assert!(nameless.exit().is_none());
    }

    #[test]
    fn long_reasons_are_cut_between_characters() {
        let text = format!(r#"{{"status":"Failure","message":"x{}"}}"#, "ü".repeat(MAX_MESSAGE_BYTES));
        let RemoteStatus::Failed(message) = RemoteStatus::parse(text.as_bytes()).unwrap() else {
            panic!("it ran")
        };
        assert_eq!(message.len(), MAX_MESSAGE_BYTES - 1);
    }
}
