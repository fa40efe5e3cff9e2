//! How an exec or attach ended, as clients are told it: a `Status` of the Kubernetes API.

use serde::Serialize;

/// What a client is told at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    /// A command that ended with another code than 0.
    ExitCode {
        code: i32,
        /// The server's words for that.
        why: String,
    },
    /// It could not be done.
    Failed(String),
}

impl Outcome {
    /// The end of a command; `why` is asked for the words where the code is not 0.
    pub(crate) fn exit(code: i32, why: impl FnOnce() -> String) -> Self {
        if code == 0 { Self::Success } else { Self::ExitCode { code, why: why() } }
    }

    /// As a kubelet tells it that has asked a container runtime.
    pub(crate) fn relayed(self) -> Self {
        match self {
            Self::Success => Self::Success,
            Self::ExitCode { code, .. } => {
                Self::ExitCode { code, why: format!("command terminated with exit code {code}") }
            }
            Self::Failed(why) => Self::Failed(format!("Internal error occurred: {why}")),
        }
    }

    fn message(&self) -> Option<String> {
        match self {
            Self::Success => None,
            Self::ExitCode { why, .. } => Some(format!("command terminated with non-zero exit code: {why}")),
            Self::Failed(why) => Some(format!("Internal error occurred: {why}")),
        }
    }

    /// From version 4 of the protocol on.
    pub(crate) fn to_json(&self) -> String {
        let message = self.message();
        let cause =
            |reason, message: &str| Some(Details { causes: [Cause { reason, message: message.to_owned() }] });
        let status = match self {
            Self::Success => Status { status: "Success", ..Status::default() },
            Self::ExitCode { code, .. } => Status {
                message,
                reason: Some("NonZeroExitCode"),
                details: cause(Some("ExitCode"), &code.to_string()),
                ..Status::default()
            },
            Self::Failed(why) => Status {
                message,
                reason: Some("InternalError"),
                details: cause(None, why),
                code: Some(500),
                ..Status::default()
            },
        };
        // Texts and numbers can be said.
        serde_json::to_string(&status).unwrap_or_default()
    }

    /// Before: only what went wrong.
    pub(crate) fn to_text(&self) -> Option<String> {
        self.message()
    }
}

/// In the order of Go's type.
#[derive(Serialize)]
struct Status {
    metadata: Metadata,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            metadata: Metadata {},
            status: "Failure",
            message: None,
            reason: None,
            details: None,
            code: None,
        }
    }
}

#[derive(Serialize)]
struct Metadata {}

#[derive(Serialize)]
struct Details {
    causes: [Cause; 1],
}

#[derive(Serialize)]
struct Cause {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_by_byte_as_recorded() {
        let why = || "error executing command [sh -c exit 5], exit code 5".to_owned();
        for (outcome, json) in [
            (Outcome::exit(0, why), r#"{"metadata":{},"status":"Success"}"#),
            (
                Outcome::exit(5, why),
                concat!(
                    r#"{"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code: "#,
                    r#"error executing command [sh -c exit 5], exit code 5","reason":"NonZeroExitCode","#,
                    r#""details":{"causes":[{"reason":"ExitCode","message":"5"}]}}"#
                ),
            ),
            (
                Outcome::Failed("why".into()),
                concat!(
                    r#"{"metadata":{},"status":"Failure","message":"Internal error occurred: why","#,
                    r#""reason":"InternalError","details":{"causes":[{"message":"why"}]},"code":500}"#
                ),
            ),
            (
                Outcome::exit(5, why).relayed(),
                concat!(
                    r#"{"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code: "#,
                    r#"command terminated with exit code 5","reason":"NonZeroExitCode","#,
                    r#""details":{"causes":[{"reason":"ExitCode","message":"5"}]}}"#
                ),
            ),
            (
                Outcome::Failed("why".into()).relayed(),
                concat!(
                    r#"{"metadata":{},"status":"Failure","message":"Internal error occurred: Internal error occurred: why","#,
                    r#""reason":"InternalError","details":{"causes":[{"message":"Internal error occurred: why"}]},"code":500}"#
                ),
            ),
        ] {
            assert_eq!(outcome.to_json(), json);
        }
    }
}
