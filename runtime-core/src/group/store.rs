//! Where leases are kept: what a driver brings.

use std::fmt::Debug;

use async_trait::async_trait;

use super::{LeaseRecord, Version, Versioned};
use crate::{Context, Result};

/// Leases of executors, in the system itself.
///
/// A store judges nothing: no times, no owners. What it has to get right is that every write names what it expects, and that a
/// read tells what the last answered write said, whoever made it. An answer that something is not as expected is no error: `None`
/// or `false` says that somebody else was faster, and the caller looks again.
///
/// One value serves any number of groups. A group goes by the id that [`group_id`](Self::group_id) gave; within it, an executor
/// has at most one lease.
#[async_trait]
pub trait GroupStore: Debug + Send + Sync + 'static {
    /// The id of the group of this name, which is a DNS label.
    ///
    /// *Behaviour:* where there is none yet, it is `proposed`. However many ask at the same time, all are given the same.
    async fn group_id(&self, cx: &Context, name: &str, proposed: &str) -> Result<String>;

    /// All leases of a group, in no particular order. One that can't be read is listed with what can be told of it, so that it can
    /// be removed.
    async fn list(&self, cx: &Context, group: &str) -> Result<Vec<Versioned>>;

    /// The lease of one executor; `None` if it has none.
    async fn read(&self, cx: &Context, group: &str, executor: &str) -> Result<Option<Versioned>>;

    /// Makes a lease; `None` if the executor has one already.
    async fn create(&self, cx: &Context, group: &str, record: &LeaseRecord) -> Result<Option<Version>>;

    /// Replaces the executor's lease if it has this version; `None` if it has another one, or is gone.
    async fn replace(
        &self,
        cx: &Context,
        group: &str,
        record: &LeaseRecord,
        version: &Version,
    ) -> Result<Option<Version>>;

    /// Removes the executor's lease if it has this version; `false` if it has another one, or is gone.
    async fn delete(&self, cx: &Context, group: &str, executor: &str, version: &Version) -> Result<bool>;
}
