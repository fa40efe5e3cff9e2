//! A way to a command's process other than its connection.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use runtime_core::{
    Context, Result,
    emulation::{HELPER_TIMEOUT, RunInContainer, Signaller},
    helpers::signal::Signal,
};

/// How soon it is tried again where the system can't be reached, doubling.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// A way to a command's process other than its connection: systems don't end a command whose connection ends.
#[async_trait]
pub trait Kill: Send + Sync + 'static {
    /// Sends a signal. A command that has ended is `Ok`.
    async fn send(&self, signal: Signal) -> Result<()>;

    /// Whether the command has ended. An error means that it can't be known, perhaps at the moment.
    async fn has_ended(&self) -> Result<bool>;
}

/// Kills a command, if need be when its system is there again.
pub(crate) async fn persistently(kill: &dyn Kill) -> Result<()> {
    let mut pause = FIRST_PAUSE;
    loop {
        match kill.send(Signal::KILL).await {
            Err(error) if error.is_transient() => tokio::time::sleep(pause).await,
            sent => return sent,
        }
        pause = MAX_PAUSE.min(pause * 2);
    }
}

/// Ends and signals a session's command by others that are run beside it, see [`Signaller`].
pub struct ByHelper<R>(Signaller<R>);

impl<R: RunInContainer> ByHelper<R> {
    /// The process that the signaller is for.
    #[must_use]
    pub fn new(signaller: Signaller<R>) -> Self {
        Self(signaller)
    }
}

#[async_trait]
impl<R: RunInContainer> Kill for ByHelper<R> {
    async fn send(&self, signal: Signal) -> Result<()> {
        self.0.send(&Context::background().with_timeout(HELPER_TIMEOUT), signal).await
    }

    async fn has_ended(&self) -> Result<bool> {
        self.0.has_ended(&Context::background().with_timeout(HELPER_TIMEOUT)).await
    }
}

impl<R> fmt::Debug for ByHelper<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByHelper")
    }
}
