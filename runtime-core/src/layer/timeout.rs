//! Gives every call a deadline, and keeps it.

use std::time::Duration;

use async_trait::async_trait;

use super::{Layer, Next};
use crate::{Call, Capabilities, Context, Operation, Result};

/// Ends a call at its deadline: the caller's, else the operation's own. The driver's future is dropped then.
///
/// A stop has its grace period and a command its timeout on top, so that the deadline never cuts what was asked for.
/// Calls that last as long as what they watch (`wait`, `logs`, `events`), copies and pulls, whose size nobody knows, have the caller's
/// alone.
#[derive(Debug, Clone, Copy)]
pub struct Timeout {
    /// For calls that only read.
    pub read: Duration,
    /// For calls that change something.
    pub write: Duration,
    /// For running a pod with all its containers, images included.
    pub run: Duration,
}

impl Default for Timeout {
    fn default() -> Self {
        Self { read: Duration::from_secs(30), write: Duration::from_secs(120), run: Duration::from_secs(600) }
    }
}

impl Timeout {
    /// How long a call may take; `None` for as long as the caller lets it.
    #[must_use]
    pub fn of(&self, call: &Call<'_>) -> Option<Duration> {
        use Operation as O;
        let base = match call.operation() {
            O::Ping | O::PodStatus | O::PodList | O::ContainerStatus | O::ContainerList => self.read,
            O::ImageStatus | O::ImageList | O::ImageFilesystem | O::ImageMounts => self.read,
            O::PodStats | O::PodListStats | O::ContainerStats | O::ContainerListStats => self.read,
            // Of these the beginning; they last as long as they are held.
            O::PodPortForward | O::ContainerCopyOut | O::ExecStart | O::ExecAttach => self.read,
            O::ContainerReopenLog | O::ContainerUpdate => self.write,
            O::PodStop | O::PodRemove | O::ContainerStart | O::ContainerStop | O::ContainerRemove => {
                self.write
            }
            O::ImageMount | O::ImageUnmount | O::ImageRemount => self.write,
            O::ImageRemove | O::Reap | O::Settle => self.write,
            // Creating may pull.
            O::PodRun | O::ContainerCreate => self.run,
            O::ExecSync if call.own_duration().is_zero() => return None,
            O::ExecSync => self.read,
            O::PodEvents | O::ContainerWait | O::ContainerLogs => return None,
            O::ContainerCopyIn | O::ImagePull => return None,
        };
        Some(base.saturating_add(call.own_duration()))
    }
}

#[async_trait]
impl Layer for Timeout {
    fn capabilities(&self, below: Capabilities) -> Capabilities {
        below
    }

    async fn around(&self, cx: Context, call: &Call<'_>, next: Next<'_>) -> Result<()> {
        let cx = match self.of(call) {
            Some(timeout) => cx.with_timeout(timeout),
            None => cx,
        };
        cx.clone().run(next.run(cx)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ContainerId, StopOptions};

    #[test]
    fn a_stop_always_has_its_grace_period_and_a_margin() {
        let id = ContainerId::new("c");
        let options = StopOptions::after(Duration::from_secs(3600));
        let timeout = Timeout::default().of(&Call::ContainerStop { id: &id, options: &options }).unwrap();
        assert!(timeout >= options.grace_period + Duration::from_secs(10));
        assert_eq!(Timeout::default().of(&Call::ContainerWait { id: &id }), None);
    }
}
