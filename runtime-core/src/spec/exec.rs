//! A command in a running container.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::EnvVar;
use crate::TerminalSize;

/// A command to run in a container that is running.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct ExecSpec {
    /// The program and its arguments; no shell is involved.
    pub command: Vec<String>,
    /// Environment over the container's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// The working directory. Not said: the container's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// The user, as `uid`, `uid:gid` or a name. Not said: the container's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Send it input. Only for [`Exec::start`](crate::Exec::start).
    #[serde(default)]
    pub stdin: bool,
    /// Give it a terminal.
    #[serde(default)]
    pub tty: bool,
    /// The size of the terminal at the start. Not said: the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal_size: Option<TerminalSize>,
    /// Kill it after this long, which is an error of kind `DeadlineExceeded`. Not said: the call's deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

impl ExecSpec {
    /// This command, as the container would run it.
    #[must_use]
    pub fn new<S: Into<String>>(command: impl IntoIterator<Item = S>) -> Self {
        Self { command: command.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Kills it after `timeout`.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn with_env(mut self, name: impl Into<String>, value: impl Into<crate::Secret>) -> Self {
        self.env.push(EnvVar::new(name, value));
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn with_cwd(mut self, cwd: impl Into<String>) -> Self {
        self.cwd = Some(cwd.into());
        self
    }

    /// Sends it input.
    #[must_use]
    pub fn with_stdin(mut self) -> Self {
        self.stdin = true;
        self
    }

    /// Gives it a terminal.
    #[must_use]
    pub fn with_tty(mut self) -> Self {
        self.tty = true;
        self
    }

    /// Gives it a terminal of this size.
    #[must_use]
    pub fn with_terminal_size(mut self, size: TerminalSize) -> Self {
        self.tty = true;
        self.terminal_size = Some(size);
        self
    }

    /// Sets the user.
    #[must_use]
    pub fn with_user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }
}
