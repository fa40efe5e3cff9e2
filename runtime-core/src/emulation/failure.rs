//! Why the wrapper could not run the command.

use crate::{Error, ErrorKind, spec::ExecSpec};

/// What the wrapper says of why there is no command: a word of it, and the system's number, or 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    code: String,
    errno: i32,
}

impl Failure {
    pub(super) fn new(code: &str, errno: i32) -> Self {
        Self { code: code.to_owned(), errno }
    }

    /// The error, in words of the spec that was asked for. Nothing in it comes from the container but the number.
    pub(super) fn into_error(self, spec: &ExecSpec) -> Error {
        let (kind, field, message) = self.meaning(spec);
        let error = Error::new(kind, message);
        let error = if field.is_empty() { error } else { error.with_field(field) };
        let error = error.with_reason(self.code);
        if self.errno == 0 { error } else { error.with_context("errno", self.errno.to_string()) }
    }

    /// The table of all codes: what each means, and the field of the spec that it is about.
    fn meaning(&self, spec: &ExecSpec) -> (ErrorKind, &'static str, String) {
        use ErrorKind::{Failed, InvalidArgument, PermissionDenied, Protocol, Unsupported};
        let command = || format!("{:?}", spec.command.first().map(String::as_str).unwrap_or_default());
        let cwd = || format!("the working directory {:?}", spec.cwd.as_deref().unwrap_or_default());
        let user = || format!("{:?}", spec.user.as_deref().unwrap_or_default());
        match self.code.as_str() {
            "command-missing" => {
                (Failed, "command", format!("there is no command {} in the container", command()))
            }
            "command-denied" => {
                (Failed, "command", format!("{} can't be executed in the container", command()))
            }
            "cwd-missing" => (InvalidArgument, "cwd", format!("{} does not exist in the container", cwd())),
            "cwd-file" => (InvalidArgument, "cwd", format!("{} is not a directory", cwd())),
            "cwd-denied" => (PermissionDenied, "cwd", format!("{} may not be entered", cwd())),
            "user-unknown" => {
                (InvalidArgument, "user", format!("there is no user {} in the container", user()))
            }
            "group-unknown" => {
                (InvalidArgument, "user", format!("there is no such group as in {} in the container", user()))
            }
            "user-denied" => (
                PermissionDenied,
                "user",
                format!("a process of the container may not become the user {}", user()),
            ),
            "user-tool" => {
                let what = "the container has no toolbox, and nothing else that can change the user";
                (Unsupported, "user", format!("{what} (setpriv, chroot of coreutils, su for a named user)"))
            }
            "env" => {
                (Unsupported, "env", "the container's shell can't export one of the variables".to_owned())
            }
            "shell" => (Unsupported, "", "the container's shell has no printf of its own".to_owned()),
            "stream" => (Failed, "", "the command's streams broke before it began".to_owned()),
            "header" => (Protocol, "", "the helper in the container understood something else".to_owned()),
            _ => (
                Protocol,
                "",
                "the helper in the container failed for a reason that is not known here".to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_meaning() {
        let spec = ExecSpec::new(["run", "me"]).with_cwd("/here").with_user("bob").with_env("A", "hunter2");
        for (code, kind, field, part) in [
            ("command-missing", ErrorKind::Failed, Some("command"), "\"run\""),
            ("command-denied", ErrorKind::Failed, Some("command"), "\"run\""),
            ("cwd-missing", ErrorKind::InvalidArgument, Some("cwd"), "\"/here\" does not exist"),
            ("cwd-file", ErrorKind::InvalidArgument, Some("cwd"), "not a directory"),
            ("cwd-denied", ErrorKind::PermissionDenied, Some("cwd"), "may not be entered"),
            ("user-unknown", ErrorKind::InvalidArgument, Some("user"), "no user \"bob\""),
            ("group-unknown", ErrorKind::InvalidArgument, Some("user"), "group"),
            ("user-denied", ErrorKind::PermissionDenied, Some("user"), "\"bob\""),
            ("user-tool", ErrorKind::Unsupported, Some("user"), "toolbox"),
            ("env", ErrorKind::Unsupported, Some("env"), "export"),
            ("shell", ErrorKind::Unsupported, None, "printf"),
            ("stream", ErrorKind::Failed, None, "streams"),
            ("header", ErrorKind::Protocol, None, "understood"),
            ("new in version 9", ErrorKind::Protocol, None, "not known"),
        ] {
            let error = Failure::new(code, 2).into_error(&spec);
            assert_eq!((error.kind(), error.field(), error.reason()), (kind, field, Some(code)), "{code}");
            assert!(error.message().contains(part), "{error}");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }
}
