//! Handles: private copies of a container's configuration, with changes that a commit will make. They live in the server's
//! memory only.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::containers::{Config, Machine};

/// How many there are before the one that was not used for the longest time is forgotten.
pub(super) const MAX_HANDLES: usize = 1000;

/// What a handle holds.
#[derive(Clone)]
pub(super) struct Handle {
    /// `None` before the first commit.
    pub(super) machine: Option<Arc<Machine>>,
    pub(super) config: Config,
    pub(super) powered_on: bool,
    /// The version that the copy was made of.
    pub(super) version: u64,
    pub(super) target: Option<Target>,
    /// The copy was changed.
    pub(super) changed: bool,
}

/// The state that a commit is to bring about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Running,
    Stopped,
}

impl Handle {
    /// A copy of a container as it is now.
    pub(super) fn of(machine: &Arc<Machine>) -> Self {
        let live = machine.live();
        Self {
            machine: Some(Arc::clone(machine)),
            config: live.config.clone(),
            powered_on: live.powered_on,
            version: live.version,
            target: None,
            changed: false,
        }
    }
}

/// The handles of a server.
#[derive(Default)]
pub(super) struct Handles(Mutex<Table>);

#[derive(Default)]
struct Table {
    by_key: HashMap<String, (u64, Arc<Mutex<Handle>>)>,
    /// The keys by when they were last used.
    order: BTreeMap<u64, String>,
    uses: u64,
}

impl Handles {
    pub(super) fn open(&self, key: String, handle: Handle) {
        let mut table = lock(&self.0);
        table.uses += 1;
        let now = table.uses;
        table.by_key.insert(key.clone(), (now, Arc::new(Mutex::new(handle))));
        table.order.insert(now, key);
        if table.by_key.len() > MAX_HANDLES
            && let Some((_, oldest)) = table.order.pop_first()
        {
            table.by_key.remove(&oldest);
        }
    }

    /// Looks at a handle or changes it; `None` if there is none of this key.
    pub(super) fn with<T>(&self, key: &str, look: impl FnOnce(&mut Handle) -> T) -> Option<T> {
        let handle = lock(&self.0).touch(key)?;
        let looked = look(&mut lock(&handle));
        Some(looked)
    }

    pub(super) fn close(&self, key: &str) {
        let mut table = lock(&self.0);
        if let Some((used, _)) = table.by_key.remove(key) {
            table.order.remove(&used);
        }
    }

    /// Forgets all of them, as a restart does.
    pub(super) fn clear(&self) {
        *lock(&self.0) = Table::default();
    }

    pub(super) fn count(&self) -> usize {
        lock(&self.0).by_key.len()
    }
}

impl Table {
    fn touch(&mut self, key: &str) -> Option<Arc<Mutex<Handle>>> {
        self.uses += 1;
        let now = self.uses;
        let (used, handle) = self.by_key.get_mut(key)?;
        let before = std::mem::replace(used, now);
        let found = Arc::clone(handle);
        if let Some(key) = self.order.remove(&before) {
            self.order.insert(now, key);
        }
        Some(found)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle() -> Handle {
        Handle {
            machine: None,
            config: Config::default(),
            powered_on: false,
            version: 0,
            target: None,
            changed: false,
        }
    }

    #[test]
    fn the_least_recently_used_is_forgotten() {
        let handles = Handles::default();
        for number in 0..MAX_HANDLES {
            handles.open(number.to_string(), handle());
        }
        assert!(handles.with("0", |_| ()).is_some(), "used, so not the oldest any more");
        handles.open("one more".into(), handle());
        assert_eq!(handles.count(), MAX_HANDLES);
        assert!(handles.with("0", |_| ()).is_some());
        assert!(handles.with("1", |_| ()).is_none());
        handles.close("0");
        handles.close("0");
        assert!(handles.with("0", |_| ()).is_none());
        handles.clear();
        assert_eq!(handles.count(), 0);
    }
}
