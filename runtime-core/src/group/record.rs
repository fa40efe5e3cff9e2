//! What a lease says.

use std::{fmt, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::helpers::duration;

/// A lease as data, the same in every store. What a store can't read of one is left at its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct LeaseRecord {
    /// Whose it is: the executor's id.
    pub executor: String,
    /// Which life of that executor renews it: a text that no other has.
    pub instance: String,
    /// What it stands for.
    #[serde(flatten)]
    pub epoch: Epoch,
    /// When this life got it, by the clock of its machine. For people to read: nobody compares it.
    pub acquired: Option<Timestamp>,
    /// When it was renewed last, by the same clock. Each renewal makes it later, whatever the clock does.
    pub renewed: Option<Timestamp>,
    /// How long it lasts.
    #[serde(with = "duration")]
    pub duration: Duration,
}

/// The fencing token of a lease.
///
/// Of two epochs of one tenure, the one with the later turn replaced the other. Epochs of two tenures can't be compared: in
/// between was a time in which the executor had no lease.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Epoch {
    /// The unbroken time in which the executor has had a lease: a text that no other tenure has, of this executor or another.
    pub tenure: String,
    /// How often the lease has changed hands within it, from 1 on.
    pub turn: u64,
}

/// A record as it is in the store, and which version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Versioned {
    /// The record.
    pub record: LeaseRecord,
    /// Its version.
    pub version: Version,
}

/// A version of a record, in the store's own words. Each change makes a new one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version(String);

impl LeaseRecord {
    /// The record of an executor, with nothing else said.
    #[must_use]
    pub fn new(executor: impl Into<String>) -> Self {
        Self { executor: executor.into(), ..Self::default() }
    }

    /// The first record of a new tenure.
    pub(super) fn first(executor: &str, instance: &str, duration: Duration) -> Self {
        let now = now();
        Self {
            executor: executor.to_owned(),
            instance: instance.to_owned(),
            epoch: Epoch { tenure: instance.to_owned(), turn: 1 },
            acquired: Some(now),
            renewed: Some(now),
            duration,
        }
    }

    /// The record with which another life goes on in the same tenure.
    pub(super) fn taken_over(&self, instance: &str, duration: Duration) -> Self {
        let first = Self::first(&self.executor, instance, duration);
        // One without a tenure was spoilt by somebody; nothing can go on in it.
        if self.epoch.tenure.is_empty() {
            return Self { renewed: self.renewed_now().renewed, ..first };
        }
        let epoch = Epoch { turn: self.epoch.turn.saturating_add(1), ..self.epoch.clone() };
        Self { epoch, renewed: self.renewed_now().renewed, ..first }
    }

    /// The same, renewed: later than before even if the clock was set back, or stands still.
    pub(super) fn renewed_now(&self) -> Self {
        let step = SignedDuration::from_micros(1);
        let next = self.renewed.and_then(|last| last.checked_add(step).ok());
        Self { renewed: Some(next.map_or_else(now, |next| next.max(now()))), ..self.clone() }
    }
}

impl Epoch {
    /// An epoch of this tenure.
    #[must_use]
    pub fn new(tenure: impl Into<String>, turn: u64) -> Self {
        Self { tenure: tenure.into(), turn }
    }

    /// Whether there was a lease all the time from one to the other: what was made in one still counts in the other.
    #[must_use]
    pub fn same_tenure(&self, other: &Self) -> bool {
        self.tenure == other.tenure
    }
}

impl Versioned {
    /// This record in this version.
    #[must_use]
    pub fn new(record: LeaseRecord, version: Version) -> Self {
        Self { record, version }
    }
}

impl Version {
    /// A version that the store calls so.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What the store calls it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.tenure, self.turn)
    }
}

/// To the microsecond, which is what stores keep.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_renewal_is_later_whatever_the_clock_says() {
        let ahead = now() + SignedDuration::from_mins(5);
        let record = LeaseRecord { renewed: Some(ahead), ..LeaseRecord::new("a") };
        let renewed = record.renewed_now().renewed.unwrap();
        assert_eq!(renewed, ahead + SignedDuration::from_micros(1));
        let behind = LeaseRecord { renewed: Some(Timestamp::UNIX_EPOCH), ..record };
        assert!(
            behind.renewed_now().renewed.unwrap() > Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1)
        );
        assert!(LeaseRecord::new("a").renewed_now().renewed.is_some());
        let last = LeaseRecord { renewed: Some(Timestamp::MAX), ..LeaseRecord::new("a") };
        assert!(last.renewed_now().renewed.is_some());
    }

    #[test]
    fn a_take_over_goes_on_in_the_tenure_unless_that_is_spoilt() {
        let first = LeaseRecord::first("a", "i1", Duration::from_secs(60));
        let second = first.taken_over("i2", Duration::from_secs(60));
        assert_eq!(second.epoch, Epoch::new("i1", 2));
        assert_eq!(second.instance, "i2");
        assert!(second.epoch.same_tenure(&first.epoch) && second.renewed > first.renewed);
        let spoilt = LeaseRecord::new("a").taken_over("i3", Duration::from_secs(60));
        assert_eq!(spoilt.epoch, Epoch::new("i3", 1));
    }

    #[test]
    fn records_are_read_as_they_are_written_and_as_far_as_they_can_be() {
        let record = LeaseRecord::first("a", "i1", Duration::from_secs(60));
        let json = serde_json::to_string(&record).unwrap();
        assert!(json.contains(r#""tenure":"i1","turn":1"#), "{json}");
        assert_eq!(serde_json::from_str::<LeaseRecord>(&json).unwrap(), record);
        let newer = r#"{"executor": "a", "from a later version": 1}"#;
        assert_eq!(serde_json::from_str::<LeaseRecord>(newer).unwrap(), LeaseRecord::new("a"));
    }
}
