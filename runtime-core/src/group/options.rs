//! How long everything takes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Error, Result, helpers::duration};

/// The times of a group. All its members should have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct GroupOptions {
    /// How often a member renews its lease, and looks at those of the others.
    #[serde(with = "duration")]
    pub renew_every: Duration,
    /// How long a lease that is not renewed lasts.
    #[serde(with = "duration")]
    pub stale_after: Duration,
    /// How much sooner than that its holder counts itself out, and how much later the others do.
    #[serde(with = "duration")]
    pub margin: Duration,
    /// How long one request to the store may take.
    #[serde(with = "duration")]
    pub request_timeout: Duration,
}

impl Default for GroupOptions {
    /// Renewed every 10 s, stale after 60 s, with a margin of 5 s and 5 s a request.
    fn default() -> Self {
        Self {
            renew_every: Duration::from_secs(10),
            stale_after: Duration::from_secs(60),
            margin: Duration::from_secs(5),
            request_timeout: Duration::from_secs(5),
        }
    }
}

impl GroupOptions {
    /// The same proportions, with leases that last this long.
    #[must_use]
    pub fn scaled_to(stale_after: Duration) -> Self {
        let (renewals, margins) = (6, 12);
        Self {
            renew_every: stale_after / renewals,
            stale_after,
            margin: stale_after / margins,
            request_timeout: stale_after / margins,
        }
    }

    /// Sets how often a member renews.
    #[must_use]
    pub fn with_renew_every(mut self, every: Duration) -> Self {
        self.renew_every = every;
        self
    }

    /// Sets how long a lease that is not renewed lasts.
    #[must_use]
    pub fn with_stale_after(mut self, after: Duration) -> Self {
        self.stale_after = after;
        self
    }

    /// Sets the margin.
    #[must_use]
    pub fn with_margin(mut self, margin: Duration) -> Self {
        self.margin = margin;
        self
    }

    /// Sets how long one request may take.
    #[must_use]
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// # Errors
    /// `InvalidArgument` for times with which members would lose their leases without a fault.
    pub(super) fn check(&self) -> Result<()> {
        let Self { renew_every, stale_after, margin, request_timeout } = *self;
        for (field, value) in
            [("renewEvery", renew_every), ("margin", margin), ("requestTimeout", request_timeout)]
        {
            if value.is_zero() {
                return Err(Error::invalid(field, "must not be zero"));
            }
        }
        // Room for a renewal, one that fails, and one more.
        let least = (renew_every.saturating_add(request_timeout))
            .saturating_mul(2)
            .max(margin)
            .saturating_add(margin);
        if stale_after < least {
            let message = format!("must be at least {}, so that a renewal may fail", duration::format(least));
            return Err(Error::invalid("staleAfter", message));
        }
        Ok(())
    }

    /// How long after a renewal its sender may act.
    pub(super) fn own_limit(&self) -> Duration {
        self.stale_after.saturating_sub(self.margin)
    }

    /// How long others have to watch a lease of this duration before they may act.
    pub(super) fn others_limit(&self, duration: Duration) -> Duration {
        duration.max(self.stale_after).saturating_add(self.margin)
    }

    /// Whoever has not looked for longer than this starts to count anew.
    pub(super) fn longest_gap(&self) -> Duration {
        self.stale_after / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_can_not_work_are_refused() {
        let secs = Duration::from_secs;
        let good = GroupOptions::default();
        good.check().unwrap();
        GroupOptions::scaled_to(secs(2)).check().unwrap();
        for (field, options) in [
            ("staleAfter", good.with_stale_after(secs(34))),
            ("staleAfter", good.with_margin(secs(40))),
            ("staleAfter", good.with_renew_every(Duration::MAX)),
            ("renewEvery", good.with_renew_every(Duration::ZERO)),
            ("margin", good.with_margin(Duration::ZERO)),
            ("requestTimeout", good.with_request_timeout(Duration::ZERO)),
        ] {
            assert_eq!(options.check().unwrap_err().field(), Some(field), "{options:?}");
        }
    }

    #[test]
    fn a_holder_is_out_before_the_others_are_in() {
        let options = GroupOptions::default();
        assert_eq!(options.own_limit().as_secs(), 55);
        assert_eq!(options.others_limit(Duration::ZERO).as_secs(), 65);
        assert_eq!(options.others_limit(Duration::from_secs(90)).as_secs(), 95);
    }

    #[test]
    fn they_are_written_as_text() {
        let json = serde_json::to_value(GroupOptions::default()).unwrap();
        assert_eq!(json["staleAfter"], "1m0s");
        let read: GroupOptions = serde_json::from_str(r#"{"renewEvery": "2s"}"#).unwrap();
        assert_eq!(read, GroupOptions::default().with_renew_every(Duration::from_secs(2)));
    }
}
