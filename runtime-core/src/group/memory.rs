//! Leases in this process.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{GroupStore, LeaseRecord, Version, Versioned};
use crate::{Context, Result};

/// A store in the memory of this process: for executors of one process, and for tests. Cheap to clone; clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryGroupStore(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    ids: BTreeMap<String, String>,
    /// By group and executor.
    leases: BTreeMap<(String, String), Versioned>,
    last_version: u64,
}

impl MemoryGroupStore {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put(&mut self, group: &str, record: &LeaseRecord) -> Version {
        self.last_version += 1;
        let version = Version::new(self.last_version.to_string());
        self.leases.insert(key(group, &record.executor), Versioned::new(record.clone(), version.clone()));
        version
    }

    fn has(&self, group: &str, executor: &str, version: &Version) -> bool {
        self.leases.get(&key(group, executor)).is_some_and(|found| found.version == *version)
    }
}

#[async_trait]
impl GroupStore for MemoryGroupStore {
    async fn group_id(&self, _: &Context, name: &str, proposed: &str) -> Result<String> {
        Ok(self.lock().ids.entry(name.to_owned()).or_insert_with(|| proposed.to_owned()).clone())
    }

    async fn list(&self, _: &Context, group: &str) -> Result<Vec<Versioned>> {
        let state = self.lock();
        Ok(state.leases.iter().filter(|((own, _), _)| own == group).map(|(_, lease)| lease.clone()).collect())
    }

    async fn read(&self, _: &Context, group: &str, executor: &str) -> Result<Option<Versioned>> {
        Ok(self.lock().leases.get(&key(group, executor)).cloned())
    }

    async fn create(&self, _: &Context, group: &str, record: &LeaseRecord) -> Result<Option<Version>> {
        let mut state = self.lock();
        let free = !state.leases.contains_key(&key(group, &record.executor));
        Ok(free.then(|| state.put(group, record)))
    }

    async fn replace(
        &self,
        _: &Context,
        group: &str,
        record: &LeaseRecord,
        version: &Version,
    ) -> Result<Option<Version>> {
        let mut state = self.lock();
        Ok(state.has(group, &record.executor, version).then(|| state.put(group, record)))
    }

    async fn delete(&self, _: &Context, group: &str, executor: &str, version: &Version) -> Result<bool> {
        let mut state = self.lock();
        let same = state.has(group, executor, version);
        if same {
            state.leases.remove(&key(group, executor));
        }
        Ok(same)
    }
}

fn key(group: &str, executor: &str) -> (String, String) {
    (group.to_owned(), executor.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_write_names_what_it_expects() {
        let (store, cx) = (MemoryGroupStore::default(), Context::background());
        assert_eq!(store.group_id(&cx, "g", "1").await.unwrap(), "1");
        assert_eq!(store.group_id(&cx, "g", "2").await.unwrap(), "1");
        let record = LeaseRecord::new("a");
        let first = store.create(&cx, "1", &record).await.unwrap().unwrap();
        assert_eq!(store.create(&cx, "1", &record).await.unwrap(), None);
        assert!(store.create(&cx, "2", &record).await.unwrap().is_some());
        let second = store.replace(&cx, "1", &record, &first).await.unwrap().unwrap();
        assert_eq!(store.replace(&cx, "1", &record, &first).await.unwrap(), None);
        assert!(!store.delete(&cx, "1", "a", &first).await.unwrap());
        assert!(store.delete(&cx, "1", "a", &second).await.unwrap());
        assert_eq!(store.replace(&cx, "1", &record, &second).await.unwrap(), None);
        assert_eq!(store.read(&cx, "1", "a").await.unwrap(), None);
        assert_eq!(
            (store.list(&cx, "1").await.unwrap().len(), store.list(&cx, "2").await.unwrap().len()),
            (0, 1)
        );
    }
}
