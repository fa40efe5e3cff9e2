//! Steering a command through others that are run beside it.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::FutureExt;
use tokio::runtime::Handle;

use super::{Helper, RemoteProcess, Whom};
use crate::{
    Context, ErrorKind, ExitCause, ExitStatus, Janitor, Result, SessionControl, TerminalSize,
    helpers::signal::Signal,
};

/// How long sending a signal may take.
const SIGNAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs a command in the container of a session, and tells its exit code.
#[async_trait]
pub trait RunInContainer: Send + Sync + 'static {
    /// Runs it to its end; its output does not count. A missing container is `NotFound`, one that does not run `InvalidState`.
    async fn run(&self, cx: &Context, command: Vec<String>) -> Result<Option<i32>>;
}

/// The control of a session whose process is known: signals are sent, and the process is ended, by commands beside it.
pub struct EmulatedControl<R> {
    inner: Arc<dyn SessionControl>,
    target: Arc<Target<R>>,
    janitor: Janitor,
    runtime: Handle,
}

struct Target<R> {
    runner: R,
    helper: Helper,
    process: RemoteProcess,
}

impl<R: RunInContainer> EmulatedControl<R> {
    /// Around the session's own control. What must go on after the session is dropped is the janitor's. Must be called inside
    /// a runtime.
    #[must_use]
    pub fn new(
        inner: Arc<dyn SessionControl>,
        runner: R,
        helper: Helper,
        process: RemoteProcess,
        janitor: Janitor,
    ) -> Self {
        let target = Arc::new(Target { runner, helper, process });
        Self { inner, target, janitor, runtime: Handle::current() }
    }

    /// Whether the command is known to have ended. A lost connection says nothing of it.
    fn has_ended(&self) -> bool {
        matches!(self.inner.wait().now_or_never(), Some(Ok(exit)) if exit.cause != ExitCause::StreamLost)
    }

    /// Kills the command, and then does the rest.
    fn kill(&self, then: impl FnOnce(&dyn SessionControl) + Send + 'static) {
        let (target, inner) = (Arc::clone(&self.target), Arc::clone(&self.inner));
        self.janitor.finish(&self.runtime, async move {
            let cx = Context::background().with_timeout(SIGNAL_TIMEOUT);
            if let Err(error) = target.send(&cx, Signal::KILL, Whom::Group).await {
                tracing::warn!(%error, "a command that nobody wants any more could not be killed");
            }
            then(&*inner);
        });
    }
}

impl<R: RunInContainer> Target<R> {
    async fn send(&self, cx: &Context, signal: Signal, whom: Whom) -> Result<()> {
        let command = self.helper.kill(signal, self.process, whom);
        match cx.run(self.runner.run(cx, command)).await {
            Ok(code) => Helper::signalled(code),
            // All of its processes have ended with the container.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidState) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl<R: RunInContainer> SessionControl for EmulatedControl<R> {
    async fn resize(&self, size: TerminalSize) -> Result<()> {
        self.inner.resize(size).await
    }

    async fn signal(&self, signal: Signal) -> Result<()> {
        if self.has_ended() {
            return Ok(());
        }
        let cx = Context::background().with_timeout(SIGNAL_TIMEOUT);
        self.target.send(&cx, signal, Whom::Process).await
    }

    async fn wait(&self) -> Result<ExitStatus> {
        self.inner.wait().await
    }

    fn end(&self) {
        if self.has_ended() {
            self.inner.end();
        } else {
            self.kill(|inner| inner.end());
        }
    }

    fn time_is_up(&self) {
        if !self.has_ended() {
            // The connection ends first, so that the end that is told is this one, not that of the kill.
            self.inner.time_is_up();
            self.kill(|_| {});
        }
    }
}

impl<R> fmt::Debug for EmulatedControl<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmulatedControl").field("process", &self.target.process).finish_non_exhaustive()
    }
}
