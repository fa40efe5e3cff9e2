//! The group as one process sees it.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    GroupOptions, GroupStore, LeaseRecord, Membership, Versioned,
    leases::{Leases, persist},
    observations::Observations,
};
use crate::{Context, Error, PodFilter, Result, emulation::Nonce, helpers::name, marks};

/// Executors that share a system. Cheap to clone; clones share what they have seen of the others.
#[derive(Clone)]
pub struct Group(Arc<Shared>);

struct Shared {
    leases: Leases,
    options: GroupOptions,
    observations: Mutex<Observations>,
}

impl Group {
    /// Opens the group of this name, a DNS label; makes it if it's the first to come.
    ///
    /// # Errors
    /// `InvalidArgument` for a name or times that can't be; the store's.
    pub async fn open(
        cx: &Context,
        store: Arc<dyn GroupStore>,
        name: &str,
        options: GroupOptions,
    ) -> Result<Self> {
        name::validate_label(name).map_err(|error| Error::invalid("group", error))?;
        options.check()?;
        let proposed = Nonce::random().to_string();
        let leases = Leases::open(cx, store, options.request_timeout, name, &proposed).await?;
        let observations = Mutex::new(Observations::new(options));
        Ok(Self(Arc::new(Shared { leases, options, observations })))
    }

    /// The group's id, the same for all its members and no other group.
    #[must_use]
    pub fn id(&self) -> &str {
        self.0.leases.group()
    }

    /// Its times.
    #[must_use]
    pub fn options(&self) -> &GroupOptions {
        &self.0.options
    }

    /// The leases of the executors that are alive, in no particular order, as far as this process can tell: one that it has
    /// not watched for long enough to know better counts as alive.
    ///
    /// # Errors
    /// The store's.
    pub async fn executors(&self, cx: &Context) -> Result<Vec<LeaseRecord>> {
        let leases = persist(cx, async || self.look(cx).await).await?;
        let observations = self.observations();
        let alive = leases.into_iter().map(|lease| lease.record);
        Ok(alive.filter(|record| !observations.is_stale(record)).collect())
    }

    /// Joins as the executor of this id, which is a label's value: up to 63 letters, digits, `-`, `_` and `.`.
    ///
    /// If that executor has a lease already, this waits and watches it. As soon as somebody renews it, it is `AlreadyExists`:
    /// two executors can't have one id. When it turns out to be stale, such as after a crash, it is taken over; its
    /// [tenure](super::Epoch::tenure) goes on, and what was made in it lives. That takes `stale_after` and the margin at most.
    ///
    /// A lease that a dropped call leaves behind goes stale like any other.
    ///
    /// # Errors
    /// `InvalidArgument` for such an id; `AlreadyExists` as said; the store's; the context's end.
    pub async fn join(&self, cx: &Context, executor: &str) -> Result<Membership> {
        name::validate_label_value(executor).map_err(|error| Error::invalid("executor", error))?;
        if executor.is_empty() {
            return Err(Error::invalid("executor", "must not be empty"));
        }
        Membership::join(self, cx, executor).await
    }

    /// The pods of the group: of all its executors, dead ones too. The labels of each say [which](marks::EXECUTOR).
    #[must_use]
    pub fn pod_filter(&self) -> PodFilter {
        PodFilter::default().with_label(marks::GROUP, self.id())
    }

    pub(super) fn observations(&self) -> MutexGuard<'_, Observations> {
        self.0.observations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists the leases, and takes note of them.
    pub(super) async fn look(&self, cx: &Context) -> Result<Vec<Versioned>> {
        let leases = self.leases().list(cx).await?;
        self.observations().observe(&leases);
        Ok(leases)
    }

    /// The leases in the store.
    pub(super) fn leases(&self) -> &Leases {
        &self.0.leases
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("id", &self.id()).finish_non_exhaustive()
    }
}
