//! A command, a container or a port whose streams the caller holds.

mod control;
mod streams;
mod terminal;

use std::{fmt, sync::Arc, time::Duration};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio_util::task::AbortOnDropHandle;

pub use control::SessionControl;
pub use streams::{ByteStream, Duplex, PortStream, SessionInput, SessionOutput};
pub use terminal::TerminalSize;

use crate::{Error, ErrorKind, ExecOutput, ExitStatus, Result, helpers::signal::Signal};

/// A running command, or a container one is attached to.
///
/// The streams can be taken out and given to other tasks. A stream that is dropped is read and thrown away, so that the
/// command doesn't stop at it; the input closes when it is dropped or shut down. **Dropping the session ends the command**,
/// wherever its streams are; of an attached container it only lets go.
///
/// Standard output and error come over one connection on most systems: whoever reads one of them and leaves the other full
/// stops both, as with pipes.
pub struct ExecSession {
    /// The command's input, if it was asked for.
    pub stdin: Option<SessionInput>,
    /// Its output. With a terminal also what it writes to standard error.
    pub stdout: Option<SessionOutput>,
    /// Its standard error; `None` with a terminal.
    pub stderr: Option<SessionOutput>,
    control: Arc<dyn SessionControl>,
    _timer: Option<AbortOnDropHandle<()>>,
}

impl ExecSession {
    /// A session without streams. The command ends when `control` is told so by [`SessionControl::end`], which happens when
    /// the session is dropped.
    #[must_use]
    pub fn new(control: impl SessionControl) -> Self {
        Self { stdin: None, stdout: None, stderr: None, control: Arc::new(control), _timer: None }
    }

    /// Adds the input. Shutting it down is the end of the command's input.
    #[must_use]
    pub fn with_stdin(mut self, stdin: impl AsyncWrite + Send + 'static) -> Self {
        self.stdin = Some(SessionInput::new(stdin));
        self
    }

    /// Adds the output.
    #[must_use]
    pub fn with_stdout(mut self, stdout: impl AsyncRead + Send + 'static) -> Self {
        self.stdout = Some(SessionOutput::new(stdout));
        self
    }

    /// Adds standard error.
    #[must_use]
    pub fn with_stderr(mut self, stderr: impl AsyncRead + Send + 'static) -> Self {
        self.stderr = Some(SessionOutput::new(stderr));
        self
    }

    /// Ends the command after `timeout`; [`wait`](Self::wait) says `DeadlineExceeded` then if the control does.
    #[must_use]
    pub fn ended_after(mut self, timeout: Duration) -> Self {
        let control = Arc::clone(&self.control);
        self._timer = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            tokio::time::sleep(timeout).await;
            control.time_is_up();
        })));
        self
    }

    /// The same session with its control inside another.
    #[must_use]
    pub fn map_control<C: SessionControl>(mut self, wrap: impl FnOnce(Arc<dyn SessionControl>) -> C) -> Self {
        let inner: Arc<dyn SessionControl> = Arc::clone(&self.control);
        let outer: Arc<dyn SessionControl> = Arc::new(wrap(inner));
        self.control = outer;
        self
    }

    /// Tells the command's terminal its new size.
    ///
    /// # Errors
    /// `InvalidState` without a terminal, `Unsupported` where the system can't.
    pub async fn resize(&self, size: TerminalSize) -> Result<()> {
        self.control.resize(size).await
    }

    /// Sends the command a signal. One that has ended is fine.
    ///
    /// # Errors
    /// `Unsupported` where the system can't.
    pub async fn signal(&self, signal: Signal) -> Result<()> {
        self.control.signal(signal).await
    }

    /// Waits for the command's end. All that it wrote is in its streams by then, and can be read before or after. It can be
    /// asked again and again. A connection that is lost first is the cause
    /// [`StreamLost`](crate::ExitCause::StreamLost), never success.
    ///
    /// Output that is more than lies between command and caller must be read for it to come: a stream that nobody reads and
    /// nobody drops stops the command. Where children that the command leaves behind hold its output open, some systems
    /// (CRI) tell the end when they let go, others at once.
    ///
    /// Some runtimes (containerd 1.6) never tell how a command ended that left more input unread than fits a pipe. Then the
    /// cause is [`Unknown`](crate::ExitCause::Unknown), some seconds after the end.
    ///
    /// # Errors
    /// `Failed` when the command could not be started, with the system's own reason.
    pub async fn wait(&self) -> Result<ExitStatus> {
        self.control.wait().await
    }

    /// Reads everything to the end, and waits for it. The input is closed first.
    ///
    /// # Errors
    /// Those of [`wait`](Self::wait); `ResourceExhausted` when both streams together are longer than `limit_bytes`.
    pub async fn output(mut self, limit_bytes: u64) -> Result<ExecOutput> {
        drop(self.stdin.take());
        let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
        let (stdout, stderr, exit) =
            tokio::join!(read(stdout, limit_bytes), read(stderr, limit_bytes), self.control.wait());
        let (exit, stdout, stderr) = (exit?, stdout, stderr);
        let bytes = (stdout.len() + stderr.len()) as u64;
        if bytes > limit_bytes {
            let message = format!("the command wrote more than {limit_bytes} bytes");
            return Err(Error::new(ErrorKind::ResourceExhausted, message));
        }
        Ok(ExecOutput::new(stdout, stderr, exit))
    }
}

/// Reads a stream to its end, keeps one byte more than the limit at most, and drops the rest. A stream that breaks ends; how
/// the session ended is what `wait` says.
async fn read(stream: Option<SessionOutput>, limit_bytes: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // An error here is told by `wait`, with its reason.
        drop(stream.take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes).await);
    }
    bytes
}

impl Drop for ExecSession {
    fn drop(&mut self) {
        self.control.end();
    }
}

impl fmt::Debug for ExecSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecSession")
            .field("stdin", &self.stdin.is_some())
            .field("stdout", &self.stdout.is_some())
            .field("stderr", &self.stderr.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_can_be_shared_by_tasks() {
        fn shared<T: Send + Sync>() {}
        shared::<ExecSession>();
        shared::<PortStream>();
    }
}
