//! What is run inside the container.

use super::{Nonce, RemoteProcess};
use crate::{Error, ErrorKind, Result, helpers::signal::Signal, spec::ExecSpec};

const SHELL: &str = "/bin/sh";
const EXEC_SCRIPT: &str = include_str!("shell/exec.sh");
const KILL_SCRIPT: &str = include_str!("shell/kill.sh");

/// Is sent to nobody: who sends it learns whether somebody is there.
const NO_SIGNAL: &str = "0";

/// What variables of the scripts begin with.
const OWN_PREFIX: &str = "__wharf_";

/// Variables that one shell or another sets by itself, or doesn't let be set.
const SHELL_VARIABLES: [&str; 26] = [
    "_",
    "COLUMNS",
    "COMP_WORDBREAKS",
    "DIRSTACK",
    "EPOCHREALTIME",
    "EPOCHSECONDS",
    "EUID",
    "FUNCNAME",
    "FUNCNEST",
    "GROUPS",
    "HISTCMD",
    "LINENO",
    "LINES",
    "OLDPWD",
    "OPTERR",
    "OPTIND",
    "PIPESTATUS",
    "POSIXLY_CORRECT",
    "PPID",
    "PWD",
    "RANDOM",
    "SECONDS",
    "SHELLOPTS",
    "SHLVL",
    "SRANDOM",
    "UID",
];

/// What of ours can be run in a container.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Helper {
    /// The toolbox, at this path.
    Toolbox(String),
    /// A POSIX shell at `/bin/sh`.
    Shell,
}

/// Whom a signal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    /// The process.
    Process,
    /// All of its group if it leads one, else the process.
    Group,
}

/// What the exit codes of the command that sends a signal mean.
mod code {
    pub(super) const SENT: i32 = 0;
    pub(super) const GONE: i32 = 3;
    pub(super) const DENIED: i32 = 4;
    pub(super) const NAMELESS: i32 = 5;
}

impl Helper {
    /// Refuses what this helper can't do, before anything is done.
    ///
    /// # Errors
    /// `Unsupported` for a variable that a shell can't export.
    pub fn check(&self, spec: &ExecSpec) -> Result<()> {
        match self {
            Self::Toolbox(_) => Ok(()),
            Self::Shell => spec.env.iter().try_for_each(|variable| {
                if can_be_exported(&variable.name) {
                    return Ok(());
                }
                let message = format!(
                    "the container has no toolbox, and a shell can't export the variable {:?}",
                    variable.name
                );
                Err(Error::new(ErrorKind::Unsupported, message).with_field("env"))
            }),
        }
    }

    /// The command that shows that the helper is there, by ending with 0.
    #[must_use]
    pub fn probe(&self) -> Vec<String> {
        match self {
            Self::Toolbox(path) => words([path, "version"]),
            Self::Shell => words([SHELL, "-c", ":"]),
        }
    }

    /// The wrapper.
    #[must_use]
    pub fn wrapper(&self, nonce: &Nonce) -> Vec<String> {
        match self {
            Self::Toolbox(path) => words([path, "exec", nonce.as_str()]),
            Self::Shell => words([SHELL, "-c", EXEC_SCRIPT, "wharf", nonce.as_str()]),
        }
    }

    /// The command that sends a signal to one life of a process. [`signalled`](Self::signalled) says what its end means.
    pub(super) fn kill(&self, signal: Signal, process: RemoteProcess, whom: Whom) -> Vec<String> {
        let RemoteProcess { pid, start_time } = process;
        let (signal, pid, start_time) =
            (signal.number().to_string(), pid.to_string(), start_time.to_string());
        let whom = match whom {
            Whom::Process => "process",
            Whom::Group => "group",
        };
        match self {
            Self::Toolbox(path) => words([path, "kill", &signal, &pid, &start_time, whom]),
            Self::Shell => words([SHELL, "-c", KILL_SCRIPT, "wharf", &signal, &pid, &start_time, whom]),
        }
    }

    /// The command that looks whether one life of a process goes on. [`goes_on`](Self::goes_on) says what its end means.
    pub(super) fn look(&self, process: RemoteProcess) -> Vec<String> {
        let RemoteProcess { pid, start_time } = process;
        let (pid, start_time) = (pid.to_string(), start_time.to_string());
        match self {
            Self::Toolbox(path) => words([path, "kill", NO_SIGNAL, &pid, &start_time, "process"]),
            Self::Shell => {
                words([SHELL, "-c", KILL_SCRIPT, "wharf", NO_SIGNAL, &pid, &start_time, "process"])
            }
        }
    }

    /// What the exit code of [`look`](Self::look) means.
    ///
    /// # Errors
    /// `Unsupported` by a toolbox that is older than this, `Failed` for anything else.
    pub(super) fn goes_on(exit_code: Option<i32>) -> Result<bool> {
        match exit_code {
            Some(code::SENT | code::DENIED) => Ok(true),
            Some(code::GONE) => Ok(false),
            Some(code::NAMELESS) => {
                Err(Error::new(ErrorKind::Unsupported, "the toolbox can't look for processes"))
            }
            _ => Err(Error::new(ErrorKind::Failed, "the process could not be looked for")),
        }
    }

    /// What the exit code of [`kill`](Self::kill) means; a process that has ended is fine.
    ///
    /// # Errors
    /// `PermissionDenied`, `Unsupported` for a signal without a name, `Failed` for anything else.
    pub(super) fn signalled(exit_code: Option<i32>) -> Result<()> {
        match exit_code {
            Some(code::SENT | code::GONE) => Ok(()),
            Some(code::DENIED) => Err(Error::new(
                ErrorKind::PermissionDenied,
                "a process of the container may not signal the command, which runs as another user",
            )),
            Some(code::NAMELESS) => {
                Err(Error::new(ErrorKind::Unsupported, "the toolbox can't send signals from 32 on"))
            }
            _ => Err(Error::new(ErrorKind::Failed, "the signal could not be sent")),
        }
    }
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).into()
}

/// Whether every POSIX shell passes this variable on as it is given.
fn can_be_exported(name: &str) -> bool {
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    is_name && !name.starts_with(OWN_PREFIX) && !name.starts_with("BASH") && !SHELL_VARIABLES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_cannot_export_is_refused_by_name() {
        for name in ["PATH", "A", "_x9", "IFS", "LC_ALL", "HOME", "PS4"] {
            assert!(Helper::Shell.check(&ExecSpec::new(["a"]).with_env(name, "v")).is_ok(), "{name}");
        }
        for name in ["a.b", "9a", "a-b", "ü", "PWD", "_", "UID", "BASH_ENV", "__wharf_value"] {
            let spec = ExecSpec::new(["a"]).with_env(name, "hunter2");
            let error = Helper::Shell.check(&spec).unwrap_err();
            assert_eq!((error.kind(), error.field()), (ErrorKind::Unsupported, Some("env")), "{name}");
            assert!(error.message().contains(name) && !format!("{error:?}").contains("hunter2"), "{error}");
            assert!(Helper::Toolbox("/t".to_owned()).check(&spec).is_ok());
        }
    }

    #[test]
    fn codes_of_kill() {
        assert!(Helper::signalled(Some(0)).is_ok() && Helper::signalled(Some(3)).is_ok());
        for (code, kind) in [
            (Some(4), ErrorKind::PermissionDenied),
            (Some(5), ErrorKind::Unsupported),
            (Some(1), ErrorKind::Failed),
            (None, ErrorKind::Failed),
        ] {
            assert_eq!(Helper::signalled(code).unwrap_err().kind(), kind);
        }
    }

    #[test]
    fn codes_of_look() {
        for (code, goes_on) in [
            (Some(0), Ok(true)),
            (Some(4), Ok(true)),
            (Some(3), Ok(false)),
            (Some(5), Err(ErrorKind::Unsupported)),
            (Some(127), Err(ErrorKind::Failed)),
            (None, Err(ErrorKind::Failed)),
        ] {
            assert_eq!(Helper::goes_on(code).map_err(|error| error.kind()), goes_on, "{code:?}");
        }
    }
}
