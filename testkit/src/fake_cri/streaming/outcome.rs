//! How an exec or attach ended, as clients are told it: a `Status` of the Kubernetes API.

use serde::Serialize;

/// What a client is told at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Success,
    /// A command that ended with another code than 0.
    ExitCode {
        code: i32,
        argv: Vec<String>,
    },
    /// It could not be done.
    Failed(String),
}

impl Outcome {
    pub(super) fn exit(code: i32, argv: Vec<String>) -> Self {
        if code == 0 { Self::Success } else { Self::ExitCode { code, argv } }
    }

    fn message(&self) -> Option<String> {
        match self {
            Self::Success => None,
            Self::ExitCode { code, argv } => Some(format!(
                "command terminated with non-zero exit code: error executing command [{}], exit code {code}",
                argv.join(" ")
            )),
            Self::Failed(why) => Some(format!("Internal error occurred: {why}")),
        }
    }

    /// From version 4 of the protocol on.
    pub(super) fn to_json(&self) -> String {
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
    pub(super) fn to_text(&self) -> Option<String> {
        self.message()
    }
}

/// In containerd's order.
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
    fn byte_by_byte_as_containerd() {
        let argv = ["sh", "-c", "exit 5"].map(str::to_owned).to_vec();
        for (outcome, json) in [
            (Outcome::exit(0, argv.clone()), r#"{"metadata":{},"status":"Success"}"#),
            (
                Outcome::exit(5, argv),
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
        ] {
            assert_eq!(outcome.to_json(), json);
        }
    }
}
