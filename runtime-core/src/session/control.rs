//! What a driver gives a session beside its streams.

use std::sync::Arc;

use async_trait::async_trait;

use super::TerminalSize;
use crate::{ExitStatus, Result, helpers::signal::Signal};

/// Steers a running command. Drivers implement it; [`ExecSession`](super::ExecSession) holds it.
#[async_trait]
pub trait SessionControl: Send + Sync + 'static {
    /// Tells the terminal its new size; without a terminal `InvalidState`.
    async fn resize(&self, size: TerminalSize) -> Result<()>;

    /// Sends a signal; one that has ended is `Ok`.
    async fn signal(&self, signal: Signal) -> Result<()>;

    /// Waits for the end, by which all output is in the streams. It can be asked again and again, and dropping the future loses nothing. After
    /// [`time_is_up`](Self::time_is_up) the cause is `DeadlineExceeded`, after a lost connection `StreamLost`.
    async fn wait(&self) -> Result<ExitStatus>;

    /// Ends the command because nobody wants it any more, and gives back what it holds. It must not block; work that takes
    /// time is handed to a task that the driver owns. A command that has ended is fine.
    fn end(&self);

    /// Ends the command because its time is up.
    fn time_is_up(&self);
}

#[async_trait]
impl<C: SessionControl + ?Sized> SessionControl for Arc<C> {
    async fn resize(&self, size: TerminalSize) -> Result<()> {
        (**self).resize(size).await
    }

    async fn signal(&self, signal: Signal) -> Result<()> {
        (**self).signal(signal).await
    }

    async fn wait(&self) -> Result<ExitStatus> {
        (**self).wait().await
    }

    fn end(&self) {
        (**self).end();
    }

    fn time_is_up(&self) {
        (**self).time_is_up();
    }
}
