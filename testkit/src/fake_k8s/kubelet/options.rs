//! How the nodes of a fake cluster are, and how fast.

use std::time::Duration;

use super::node::NodeOptions;

/// Below this no wait that is repeated goes, so that nothing spins.
const MIN_BACKOFF_SCALE: f64 = 0.02;

/// How kubelets and scheduler behave.
#[derive(Debug, Clone)]
pub struct KubeletOptions {
    /// The nodes at the start. By default one, `node1`, for `amd64`.
    pub nodes: Vec<NodeOptions>,
    /// How much of the recorded cluster's own waits there is: 1 is all of it, 0 (the default) none. What is repeated, such as
    /// a pull that fails, keeps a fiftieth of its wait.
    pub time_scale: f64,
    /// Streams speak `v5.channel.k8s.io`, in which standard input ends alone. Older servers know version 4 only.
    pub websocket_v5: bool,
    /// Streams on which nothing has come or gone for so long are cut, as proxies on the way do.
    pub idle_cut: Option<Duration>,
    /// The runtime of the nodes mounts images, as containerd does from 2.1 on. The recorded one (1.6) doesn't.
    pub image_volumes: bool,
}

impl Default for KubeletOptions {
    fn default() -> Self {
        Self {
            nodes: vec![NodeOptions::new("node1")],
            time_scale: 0.0,
            websocket_v5: true,
            idle_cut: None,
            image_volumes: false,
        }
    }
}

/// The pace of a cluster.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace(f64);

impl Pace {
    pub(super) fn new(time_scale: f64) -> Self {
        Self(if time_scale.is_finite() { time_scale.clamp(0.0, 1000.0) } else { 0.0 })
    }

    /// A wait that a real cluster has and nobody needs.
    pub(super) fn scaled(self, recorded: Duration) -> Duration {
        recorded.mul_f64(self.0)
    }

    /// A wait between tries.
    pub(super) fn backoff(self, recorded: Duration) -> Duration {
        recorded.mul_f64(self.0.max(MIN_BACKOFF_SCALE))
    }

    /// Waits as a real cluster does.
    pub(super) async fn wait(self, recorded: Duration) {
        let time = self.scaled(recorded);
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
    }
}

/// Growing waits: each is twice the one before, up to a limit.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    pub(super) fn new(first: Duration, max: Duration) -> Self {
        Self { next: first, max }
    }

    pub(super) fn next(&mut self) -> Duration {
        let now = self.next;
        self.next = (now * 2).min(self.max);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_limit() {
        let seconds = Duration::from_secs;
        let mut backoff = Backoff::new(seconds(10), seconds(30));
        assert_eq!([backoff.next(), backoff.next(), backoff.next()], [10, 20, 30].map(seconds));
    }

    #[test]
    fn what_is_repeated_is_never_without_a_wait() {
        let fast = Pace::new(0.0);
        assert_eq!(fast.scaled(Duration::from_secs(10)), Duration::ZERO);
        assert_eq!(fast.backoff(Duration::from_secs(10)), Duration::from_millis(200));
        assert_eq!(Pace::new(1.0).backoff(Duration::from_secs(10)), Duration::from_secs(10));
        assert_eq!(Pace::new(f64::NAN).scaled(Duration::from_secs(1)), Duration::ZERO);
    }
}
