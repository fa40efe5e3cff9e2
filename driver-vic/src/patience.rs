//! How long things are tried again.

use std::time::Duration;

use runtime_core::{
    Context, Error, ErrorKind, Result,
    helpers::retry::RetryPolicy,
    persist::{Setback, for_up_to},
};

use crate::error::Refusal;

/// For a unit of changes, from a fresh handle to its commit: others may change the same container.
const CONFLICTS: RetryPolicy = RetryPolicy {
    initial: Duration::from_millis(20),
    factor: 2.0,
    max_delay: Duration::from_secs(2),
    jitter: 0.5,
    max_attempts: 10,
    total_budget: Duration::from_secs(30),
};

/// How often and how long a unit of changes is done anew.
pub(crate) fn conflicts() -> RetryPolicy {
    CONFLICTS
}

/// As long as a stop or removal may be tried, beside the time that it takes by itself.
pub(crate) fn ending(own: Duration) -> RetryPolicy {
    for_up_to(own.saturating_add(Duration::from_secs(60)))
}

/// Waits, but no longer than the context lets.
pub(crate) async fn sleep(cx: &Context, pause: Duration) -> Result<()> {
    cx.run(async {
        tokio::time::sleep(pause).await;
        Ok(())
    })
    .await
}

/// Longer and longer pauses between looks.
#[derive(Debug)]
pub(crate) struct Pauses(Duration);

impl Pauses {
    const FIRST: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_millis(500);

    pub(crate) fn new() -> Self {
        Self(Self::FIRST)
    }

    /// The next one.
    pub(crate) async fn pause(&mut self, cx: &Context) -> Result<()> {
        sleep(cx, self.0).await?;
        self.0 = Self::LONGEST.min(self.0 * 2);
        Ok(())
    }
}

/// A step on a handle that failed. The server forgets handles, and says then that there is no such thing: from a fresh one it
/// may work.
pub(crate) fn of_handle(refusal: Refusal) -> Setback {
    if refusal.is_not_found() {
        let error = Error::new(ErrorKind::Unavailable, "the server has forgotten the handle").transient();
        return Setback::passing(error.with_context("server", refusal.error.message()));
    }
    Setback::if_transient(refusal.error)
}
