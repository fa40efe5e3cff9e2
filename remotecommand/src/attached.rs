//! The control of an attached container.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use futures::future::BoxFuture;
use runtime_core::{
    Error, ExitStatus, Operation, Result, SessionControl, TerminalSize, helpers::signal::Signal,
};

use crate::{Ended, Remote};

/// Waits for the exit of a container.
type WaitForExit = dyn Fn() -> BoxFuture<'static, Result<ExitStatus>> + Send + Sync;

/// The control of an attached container: the session's end is the container's, and letting go leaves the container as it is.
pub struct Attached {
    remote: Arc<Remote>,
    exit: Box<WaitForExit>,
}

impl Attached {
    /// `exit` waits for how the container ended, once its streams have.
    #[must_use]
    pub fn new(
        remote: Arc<Remote>,
        exit: impl Fn() -> BoxFuture<'static, Result<ExitStatus>> + Send + Sync + 'static,
    ) -> Self {
        Self { remote, exit: Box::new(exit) }
    }
}

#[async_trait]
impl SessionControl for Attached {
    async fn resize(&self, size: TerminalSize) -> Result<()> {
        self.remote.resize(size).await
    }

    async fn signal(&self, _: Signal) -> Result<()> {
        Err(Error::unsupported(Operation::ExecAttach))
    }

    async fn wait(&self) -> Result<ExitStatus> {
        match self.remote.ended().await {
            Ended::Told(_) => (self.exit)().await,
            Ended::Lost(_) | Ended::Untold => self.remote.wait().await,
        }
    }

    fn end(&self) {
        self.remote.end();
    }

    fn time_is_up(&self) {
        self.remote.time_is_up();
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attached").field("remote", &self.remote).finish_non_exhaustive()
    }
}
