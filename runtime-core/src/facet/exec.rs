//! Commands in running containers.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use super::AttachOptions;
use crate::{ContainerId, Context, ExecSession, ExitStatus, Result, spec::ExecSpec};

/// Commands in running containers.
#[async_trait]
pub trait Exec: Send + Sync {
    /// Runs a command to its end and collects what it wrote.
    ///
    /// *Requires capability* `exec.sync`, and one for each field of the spec that is set.
    ///
    /// *Behaviour:*
    /// - An end other than 0 is data, not an error; so is a command that can't be found, as a shell reports it, unless
    ///   the system refuses it: then it is `Failed`.
    /// - Missing container is `NotFound`; one that isn't running is `InvalidState`.
    /// - A working directory or a user that the container doesn't have is `InvalidArgument` and names the field. A driver that
    ///   needs a helper in the container for a field, and finds none, is `Unsupported` and names it too.
    /// - More output than `limits().exec_output` is `ResourceExhausted`, never a short answer that looks whole.
    /// - At `spec.timeout` the command is killed: `DeadlineExceeded`.
    /// - A child that the command leaves in the background does not hold the answer back for ever.
    /// - Input can't be asked for here.
    async fn sync(&self, cx: &Context, id: &ContainerId, spec: &ExecSpec) -> Result<ExecOutput>;

    /// Starts a command and hands over its streams.
    ///
    /// *Requires capability* `exec.stream`, and one for each field of the spec that is set.
    ///
    /// *Behaviour:*
    /// - Missing container is `NotFound`; one that isn't running is `InvalidState`.
    /// - A working directory, a user, or a helper that isn't there: as for [`sync`](Self::sync).
    /// - A command that can't be started is `Failed`, here or at [`ExecSession::wait`], or an end with code 126 or 127.
    /// - Without `spec.stdin` the command sees the end of its input at once.
    /// - Nothing is buffered beyond a fixed amount: a command that writes faster than the caller reads is stopped meanwhile.
    /// - Dropping the session ends the command. The context's end does too as long as this call runs, and nothing after.
    /// - At `spec.timeout` the command is ended, with the cause `DeadlineExceeded`.
    async fn start(&self, cx: &Context, id: &ContainerId, spec: &ExecSpec) -> Result<ExecSession>;

    /// Attaches to the first process of a running container: its streams from now on.
    ///
    /// *Requires capability* `exec.attach`.
    ///
    /// *Behaviour:* missing container is `NotFound`; one that isn't running is `InvalidState`, as is input for a container
    /// without (`ContainerSpec::stdin`). Whether there is a terminal is the container's own doing. [`ExecSession::wait`] is
    /// the end of the container. Dropping the session leaves the container as it is.
    async fn attach(&self, cx: &Context, id: &ContainerId, options: &AttachOptions) -> Result<ExecSession>;
}

/// What a command wrote, and how it ended. `Debug` shows the sizes of the output alone.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecOutput {
    /// What it wrote to standard output.
    pub stdout: Bytes,
    /// What it wrote to standard error.
    pub stderr: Bytes,
    /// How it ended.
    pub exit: ExitStatus,
}

impl ExecOutput {
    /// Output with its end.
    #[must_use]
    pub fn new(stdout: impl Into<Bytes>, stderr: impl Into<Bytes>, exit: ExitStatus) -> Self {
        Self { stdout: stdout.into(), stderr: stderr.into(), exit }
    }

    /// Standard output as text; bytes that aren't UTF-8 are replaced.
    #[must_use]
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text; bytes that aren't UTF-8 are replaced.
    #[must_use]
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl fmt::Debug for ExecOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecOutput")
            .field("stdout_bytes", &self.stdout.len())
            .field("stderr_bytes", &self.stderr.len())
            .field("exit", &self.exit)
            .finish()
    }
}
