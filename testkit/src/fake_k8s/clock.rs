//! The server's clock, which can be wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// The clock that every timestamp of a fake comes from, with whatever it is off by. Clones are one clock.
#[derive(Debug, Clone, Default)]
pub struct Clock(Arc<AtomicI64>);

impl Clock {
    /// From now on the clock is this many seconds ahead of the host's; behind, if negative.
    pub fn set_offset_seconds(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }

    /// What the clock shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        now.saturating_add(SignedDuration::from_secs(self.0.load(Ordering::SeqCst))).unwrap_or(now)
    }

    /// What the clock shows, as Kubernetes' `Time`: whole seconds, UTC.
    #[must_use]
    pub fn time(&self) -> String {
        time(self.now())
    }

    /// What the clock shows, as Kubernetes' `MicroTime`.
    #[must_use]
    pub fn micro_time(&self) -> String {
        self.now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
    }
}

/// A timestamp as Kubernetes' `Time`.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_cut_to_what_kubernetes_writes() {
        let at: Timestamp = "2026-11-20T20:44:57.123456789Z".parse().unwrap();
        assert_eq!(time(at), "2026-11-20T20:44:57Z");
        assert_eq!(Clock::default().micro_time().len(), "2026-11-20T20:44:57.123456Z".len());
    }

    #[test]
    fn an_offset_moves_the_clock() {
        let clock = Clock::default();
        clock.set_offset_seconds(300);
        let ahead = clock.now().duration_since(Timestamp::now());
        assert!(ahead > SignedDuration::from_secs(299), "{ahead:?}");
    }
}
