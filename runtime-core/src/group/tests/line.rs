//! One process's line to the store, which can fail.

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use jiff::SignedDuration;

use crate::{
    Context, Error, ErrorKind, Result,
    group::{GroupStore, LeaseRecord, MemoryGroupStore, Version, Versioned},
};

/// Clones are the same line.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) store: MemoryGroupStore,
    faults: Arc<Mutex<Faults>>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    /// No request arrives.
    pub(super) down: bool,
    /// No request is answered, nor does it arrive.
    pub(super) hangs: bool,
    /// Writes arrive, but their answers don't.
    pub(super) loses_answers: bool,
    /// So many writes to come find that somebody else was faster.
    pub(super) conflicts: u32,
    /// How far the clock of the process is ahead.
    pub(super) clock: SignedDuration,
    /// Requests that came in, whatever became of them.
    pub(super) requests: u32,
}

impl Line {
    pub(super) fn to(store: &MemoryGroupStore) -> Self {
        Self { store: store.clone(), faults: Arc::default() }
    }

    pub(super) fn set(&self, set: impl FnOnce(&mut Faults)) {
        set(&mut self.faults.lock().unwrap());
    }

    pub(super) fn faults(&self) -> Faults {
        *self.faults.lock().unwrap()
    }

    /// What every request goes through on its way.
    async fn arrive(&self) -> Result<()> {
        self.set(|faults| faults.requests += 1);
        let faults = self.faults();
        if faults.hangs {
            pending::<()>().await;
        }
        if faults.down { Err(away()) } else { Ok(()) }
    }

    /// Whether a write is to find that somebody else was faster.
    fn conflicts(&self) -> bool {
        let left = self.faults().conflicts;
        self.set(|faults| faults.conflicts = left.saturating_sub(1));
        left > 0
    }

    fn answer<T>(&self, written: T) -> Result<T> {
        if self.faults().loses_answers { Err(away()) } else { Ok(written) }
    }

    /// The record as a process with such a clock would have written it.
    fn by_own_clock(&self, record: &LeaseRecord) -> LeaseRecord {
        let clock = self.faults().clock;
        let skew = |time: Option<jiff::Timestamp>| time.map(|time| time + clock);
        LeaseRecord { acquired: skew(record.acquired), renewed: skew(record.renewed), ..record.clone() }
    }
}

fn away() -> Error {
    Error::new(ErrorKind::Unavailable, "the line is cut").transient()
}

#[async_trait]
impl GroupStore for Line {
    async fn group_id(&self, cx: &Context, name: &str, proposed: &str) -> Result<String> {
        self.arrive().await?;
        self.store.group_id(cx, name, proposed).await
    }

    async fn list(&self, cx: &Context, group: &str) -> Result<Vec<Versioned>> {
        self.arrive().await?;
        self.store.list(cx, group).await
    }

    async fn read(&self, cx: &Context, group: &str, executor: &str) -> Result<Option<Versioned>> {
        self.arrive().await?;
        self.store.read(cx, group, executor).await
    }

    async fn create(&self, cx: &Context, group: &str, record: &LeaseRecord) -> Result<Option<Version>> {
        self.arrive().await?;
        if self.conflicts() {
            return Ok(None);
        }
        self.answer(self.store.create(cx, group, &self.by_own_clock(record)).await?)
    }

    async fn replace(
        &self,
        cx: &Context,
        group: &str,
        record: &LeaseRecord,
        version: &Version,
    ) -> Result<Option<Version>> {
        self.arrive().await?;
        if self.conflicts() {
            return Ok(None);
        }
        self.answer(self.store.replace(cx, group, &self.by_own_clock(record), version).await?)
    }

    async fn delete(&self, cx: &Context, group: &str, executor: &str, version: &Version) -> Result<bool> {
        self.arrive().await?;
        if self.conflicts() {
            return Ok(false);
        }
        self.answer(self.store.delete(cx, group, executor, version).await?)
    }
}
