//! What one process has seen of the leases, by its own clock: the ground for acting upon the death of others.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::{GroupOptions, LeaseRecord, Versioned};

/// The tenures that were seen, and since when each looks as it does.
#[derive(Debug)]
pub(super) struct Observations {
    options: GroupOptions,
    /// When the leases were last seen.
    last: Option<Instant>,
    tenures: HashMap<Tenure, Sight>,
}

/// A tenure of an executor, as leases and pods name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Tenure {
    pub(super) executor: String,
    pub(super) id: String,
}

#[derive(Debug)]
enum Sight {
    /// There is a lease, and nobody has renewed it since.
    Present { record: LeaseRecord, since: Instant },
    /// There has been no lease since; before, or if it was never seen, it lasted this long.
    Absent { duration: Duration, since: Instant },
    /// This process removed the lease, which was stale.
    Buried { since: Instant },
}

impl Tenure {
    pub(super) fn of(record: &LeaseRecord) -> Self {
        Self { executor: record.executor.clone(), id: record.epoch.tenure.clone() }
    }
}

impl Observations {
    pub(super) fn new(options: GroupOptions) -> Self {
        Self { options, last: None, tenures: HashMap::new() }
    }

    /// Takes note of all leases that there are, as the store just answered.
    pub(super) fn observe(&mut self, leases: &[Versioned]) {
        let now = Instant::now();
        let blind = self.last.replace(now).is_some_and(|last| now - last > self.options.longest_gap());
        let mut before = std::mem::take(&mut self.tenures);
        for Versioned { record, .. } in leases {
            let tenure = Tenure::of(record);
            let since = match before.remove(&tenure) {
                Some(Sight::Present { record: seen, since }) if seen == *record && !blind => since,
                _ => now,
            };
            self.tenures.insert(tenure, Sight::Present { record: record.clone(), since });
        }
        for (tenure, sight) in before {
            let sight = match sight {
                Sight::Present { record, .. } => Sight::Absent { duration: record.duration, since: now },
                Sight::Absent { duration, .. } if blind => Sight::Absent { duration, since: now },
                sight => sight,
            };
            // Who is still asked about is mentioned anew, and counted anew, which does no harm.
            if !sight.is_older_than(self.options.others_limit(Duration::ZERO).saturating_mul(10), now) {
                self.tenures.insert(tenure, sight);
            }
        }
    }

    /// Takes note that there is something of a tenure's, which may never have been seen.
    pub(super) fn mention(&mut self, tenure: Tenure) {
        let unseen = Sight::Absent { duration: Duration::ZERO, since: Instant::now() };
        self.tenures.entry(tenure).or_insert(unseen);
    }

    /// Takes note that a lease was removed in the version in which it was stale.
    pub(super) fn bury(&mut self, record: &LeaseRecord) {
        self.tenures.insert(Tenure::of(record), Sight::Buried { since: Instant::now() });
    }

    /// Whether a lease was seen as it is for so long that its holder knows it has lost it.
    pub(super) fn is_stale(&self, record: &LeaseRecord) -> bool {
        let limit = self.options.others_limit(record.duration);
        match self.tenures.get(&Tenure::of(record)) {
            Some(Sight::Present { record: seen, since }) => seen == record && since.elapsed() >= limit,
            _ => false,
        }
    }

    /// Whether a tenure has ended, and whoever held it knows.
    ///
    /// A lease that somebody else removed proves less than one that this process removed because it was stale: it may have
    /// been a live one. Its holder knows at the latest when its own time is over.
    pub(super) fn is_gone(&self, tenure: &Tenure) -> bool {
        match self.tenures.get(tenure) {
            Some(Sight::Buried { .. }) => true,
            Some(Sight::Absent { duration, since }) => {
                since.elapsed() >= self.options.others_limit(*duration)
            }
            Some(Sight::Present { .. }) | None => false,
        }
    }
}

impl Sight {
    fn is_older_than(&self, age: Duration, now: Instant) -> bool {
        let (Self::Present { since, .. } | Self::Absent { since, .. } | Self::Buried { since }) = self;
        now - *since > age
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::group::Version;

    const LIMIT: u64 = 65;

    fn observations() -> Observations {
        Observations::new(GroupOptions::default())
    }

    fn lease(instance: &str) -> LeaseRecord {
        LeaseRecord::first("a", instance, Duration::from_secs(60))
    }

    fn listed(record: &LeaseRecord) -> [Versioned; 1] {
        [Versioned::new(record.clone(), Version::new("1"))]
    }

    /// Looks every ten seconds, as members do.
    async fn watch(observations: &mut Observations, leases: &[Versioned], seconds: u64) {
        for _ in 0..seconds / 10 {
            observations.observe(leases);
            advance(Duration::from_secs(10)).await;
        }
        advance(Duration::from_secs(seconds % 10)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_stale_when_it_was_watched_for_long_enough_unchanged() {
        let (mut observations, record) = (observations(), lease("i1"));
        assert!(!observations.is_stale(&record));
        watch(&mut observations, &listed(&record), LIMIT - 1).await;
        assert!(!observations.is_stale(&record));
        let renewed = record.renewed_now();
        watch(&mut observations, &listed(&renewed), LIMIT - 1).await;
        assert!(!observations.is_stale(&renewed));
        advance(Duration::from_secs(1)).await;
        assert!(observations.is_stale(&renewed));
        assert!(!observations.is_stale(&record), "what was not seen last proves nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_longer_promise_counts() {
        let (mut observations, mut record) = (observations(), lease("i1"));
        record.duration = Duration::from_secs(100);
        watch(&mut observations, &listed(&record), 104).await;
        assert!(!observations.is_stale(&record));
        advance(Duration::from_secs(1)).await;
        assert!(observations.is_stale(&record));
    }

    #[tokio::test(start_paused = true)]
    async fn who_could_not_look_counts_anew() {
        let (mut observations, record) = (observations(), lease("i1"));
        watch(&mut observations, &listed(&record), 60).await;
        advance(Duration::from_secs(30)).await;
        watch(&mut observations, &listed(&record), LIMIT - 1).await;
        assert!(!observations.is_stale(&record));
        let tenure = Tenure::of(&record);
        watch(&mut observations, &[], 60).await;
        advance(Duration::from_secs(30)).await;
        watch(&mut observations, &[], LIMIT - 1).await;
        assert!(!observations.is_gone(&tenure));
        advance(Duration::from_secs(1)).await;
        assert!(observations.is_gone(&tenure));
    }

    #[tokio::test(start_paused = true)]
    async fn what_others_removed_is_gone_only_when_its_holder_must_know() {
        let (mut observations, record) = (observations(), lease("i1"));
        let (tenure, unseen) =
            (Tenure::of(&record), Tenure { executor: "b".to_owned(), id: "i0".to_owned() });
        observations.mention(tenure.clone());
        observations.mention(unseen.clone());
        watch(&mut observations, &listed(&record), 60).await;
        watch(&mut observations, &[], LIMIT - 1).await;
        assert!(observations.is_gone(&unseen) && !observations.is_gone(&tenure));
        advance(Duration::from_secs(1)).await;
        assert!(observations.is_gone(&tenure));
        observations.observe(&listed(&record));
        assert!(!observations.is_gone(&tenure));
        observations.bury(&record);
        assert!(observations.is_gone(&tenure));
        observations.observe(&[]);
        assert!(observations.is_gone(&tenure));
    }

    #[tokio::test(start_paused = true)]
    async fn it_does_not_grow_for_ever() {
        let mut observations = observations();
        for round in 0..1000 {
            watch(&mut observations, &listed(&lease(&format!("i{round}"))), 10).await;
        }
        assert!(observations.tenures.len() < 100, "{}", observations.tenures.len());
    }
}
