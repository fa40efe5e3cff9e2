//! The leases of one group, by requests that end.

use std::{future::Future, sync::Arc, time::Duration};

use super::{GroupStore, LeaseRecord, Version, Versioned};
use crate::{Context, Error, ErrorKind, Result, helpers::retry::RetryPolicy, persist};

/// A store, of which every request has its own deadline.
pub(super) struct Leases {
    store: Arc<dyn GroupStore>,
    group: String,
    timeout: Duration,
}

impl Leases {
    /// The leases of the group of this name. It gets the id `proposed` if it has none.
    pub(super) async fn open(
        cx: &Context,
        store: Arc<dyn GroupStore>,
        timeout: Duration,
        name: &str,
        proposed: &str,
    ) -> Result<Self> {
        let group = persist(cx, async || {
            let own = cx.clone().with_timeout(timeout);
            bounded(cx, &own, store.group_id(&own, name, proposed)).await
        })
        .await?;
        Ok(Self { store, group, timeout })
    }

    pub(super) fn group(&self) -> &str {
        &self.group
    }

    pub(super) async fn list(&self, cx: &Context) -> Result<Vec<Versioned>> {
        let own = self.own(cx);
        bounded(cx, &own, self.store.list(&own, &self.group)).await
    }

    pub(super) async fn read(&self, cx: &Context, executor: &str) -> Result<Option<Versioned>> {
        let own = self.own(cx);
        bounded(cx, &own, self.store.read(&own, &self.group, executor)).await
    }

    /// Makes the record, or replaces the version that is given.
    pub(super) async fn write(
        &self,
        cx: &Context,
        record: &LeaseRecord,
        version: Option<&Version>,
    ) -> Result<Option<Version>> {
        let own = self.own(cx);
        let write = match version {
            None => self.store.create(&own, &self.group, record),
            Some(version) => self.store.replace(&own, &self.group, record, version),
        };
        bounded(cx, &own, write).await
    }

    pub(super) async fn delete(&self, cx: &Context, executor: &str, version: &Version) -> Result<bool> {
        let own = self.own(cx);
        bounded(cx, &own, self.store.delete(&own, &self.group, executor, version)).await
    }

    fn own(&self, cx: &Context) -> Context {
        cx.clone().with_timeout(self.timeout)
    }
}

/// Runs a request in a context of its own. That its deadline passed is the store's fault, and may not happen again; that the
/// caller's passed is the caller's.
async fn bounded<T>(cx: &Context, own: &Context, request: impl Future<Output = Result<T>>) -> Result<T> {
    match own.run(request).await {
        Err(error) if error.kind() == ErrorKind::DeadlineExceeded && cx.check().is_ok() => {
            Err(Error::new(ErrorKind::Unavailable, "the store of the leases didn't answer in time")
                .transient()
                .with_source(error))
        }
        answer => answer,
    }
}

/// Tries a few times, if what went wrong may go away.
pub(super) async fn persist<T, F>(cx: &Context, call: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    persist::persist(cx, RetryPolicy::default(), async |_| Ok(call().await?)).await
}
