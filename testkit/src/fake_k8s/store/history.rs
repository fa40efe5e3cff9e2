//! What happened, in order, for watches and for lists of the past. Bounded: the oldest is forgotten.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;

use super::{Key, Resource};

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// It is new, or fits the watch's selector now.
    Added,
    /// It is another than before.
    Modified,
    /// It is gone, or no longer fits the watch's selector.
    Deleted,
}

impl EventType {
    /// As in the events of a watch (`ADDED`).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// One change of one object.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) version: u64,
    pub(super) key: Key,
    pub(super) before: Option<Arc<Value>>,
    /// The object after the change; what is deleted, as it was last, with the version of its deletion.
    pub(super) object: Arc<Value>,
    pub(super) is_deletion: bool,
}

#[derive(Debug)]
pub(super) struct History {
    changes: VecDeque<Change>,
    limit: usize,
    /// The newest version of which the changes after it are all known.
    oldest: u64,
}

impl History {
    pub(super) fn new(limit: usize, oldest: u64) -> Self {
        Self { changes: VecDeque::new(), limit, oldest }
    }

    pub(super) fn push(&mut self, change: Change) {
        self.changes.push_back(change);
        while self.changes.len() > self.limit {
            if let Some(forgotten) = self.changes.pop_front() {
                self.oldest = forgotten.version;
            }
        }
    }

    /// Forgets everything up to a version, as compaction does.
    pub(super) fn forget(&mut self, version: u64) {
        let kept = self.changes.partition_point(|change| change.version <= version);
        self.changes.drain(..kept);
        self.oldest = self.oldest.max(version);
    }

    pub(super) fn oldest(&self) -> u64 {
        self.oldest
    }

    /// The first change of a resource after a version, and the version up to which there was none before it.
    pub(super) fn next(&self, resource: Resource, version: u64) -> Option<&Change> {
        self.after(version).find(|change| change.key.resource == resource)
    }

    /// The changes after a version, oldest first.
    pub(super) fn after(&self, version: u64) -> impl DoubleEndedIterator<Item = &Change> {
        let seen = self.changes.partition_point(|change| change.version <= version);
        self.changes.range(seen..)
    }
}
