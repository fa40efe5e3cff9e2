//! The objects of the cluster: versions, conflicts, watches, deletion with grace, owners.
//!
//! Objects are JSON. A [`Store`] is a handle that is cheap to clone; every change is atomic and gets a version of its own. What
//! has to be sound before it comes here, the server checks; the store keeps what it is given.

mod delete;
mod fields;
mod garbage;
mod history;
mod labels;
mod metadata;
mod page;
mod resource;
mod select;
mod watch;
mod write;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::watch::Sender;

pub use delete::{DeleteOptions, Deleted};
pub use garbage::Propagation;
pub use history::EventType;
use history::{Change, History};
pub(super) use metadata::{MANAGED_FIELDS, generate_name};
pub use page::{List, ListOptions};
pub use resource::Resource;
pub use select::Selection;
pub use watch::{Event, From, Watch};
pub use write::Part;
pub(super) use write::check_identity;

use super::{Clock, Refusal};

/// The version of an empty store. What came before is forgotten, as on a cluster that has been up for a while.
const FIRST_VERSION: u64 = 450;

/// How many changes are remembered.
const HISTORY_LIMIT: usize = 20_000;

/// All objects of a cluster.
#[derive(Debug, Clone)]
pub struct Store(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    objects: BTreeMap<Key, Arc<Value>>,
    version: u64,
    history: History,
    /// Tells watches that there is something new.
    news: Sender<u64>,
}

/// Where an object is. Sorted as the real server's keys are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    resource: Resource,
    namespace: String,
    name: String,
}

impl Store {
    /// A store without objects: not even the namespace `default`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let state = State {
            objects: BTreeMap::new(),
            version: FIRST_VERSION,
            history: History::new(HISTORY_LIMIT, FIRST_VERSION),
            news: Sender::new(FIRST_VERSION),
        };
        Self(Arc::new(Shared { clock, state: Mutex::new(state) }))
    }

    /// The clock that its timestamps come from.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.0.clock.clone()
    }

    /// An object.
    ///
    /// # Errors
    /// 404.
    pub fn get(&self, resource: Resource, namespace: &str, name: &str) -> Result<Arc<Value>, Refusal> {
        self.lock().get(&Key::new(resource, namespace, name))
    }

    /// The version of the last change of anything.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.lock().version
    }

    /// Forgets all history, as compaction does: watches and tokens from before are too old now.
    pub fn compact(&self) {
        let mut state = self.lock();
        let version = state.version;
        state.history.forget(version);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn get(&self, key: &Key) -> Result<Arc<Value>, Refusal> {
        let found = self.objects.get(key).map(Arc::clone);
        found.ok_or_else(|| Refusal::not_found(key.resource, &key.name))
    }

    /// The objects of a resource, in one namespace or in all.
    fn of(&self, resource: Resource, namespace: Option<&str>) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        let first = Key::new(resource, namespace.unwrap_or_default(), "");
        let namespace = namespace.map(str::to_owned);
        self.objects.range((Bound::Included(first), Bound::Unbounded)).take_while(move |(key, _)| {
            key.resource == resource && namespace.as_ref().is_none_or(|namespace| key.namespace == *namespace)
        })
    }

    /// Puts an object in its place, as a new version.
    fn put(&mut self, key: Key, mut object: Value) -> Arc<Value> {
        self.version += 1;
        metadata::stamp_version(&mut object, self.version);
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), Arc::clone(&object));
        self.tell(Change {
            version: self.version,
            key,
            before,
            object: Arc::clone(&object),
            is_deletion: false,
        });
        object
    }

    /// Takes an object away; what it was last, with the version of its end.
    fn take(&mut self, key: &Key) -> Arc<Value> {
        let Some(before) = self.objects.remove(key) else { return Arc::new(Value::Null) };
        self.version += 1;
        let mut object = Value::clone(&before);
        metadata::stamp_version(&mut object, self.version);
        let object = Arc::new(object);
        self.tell(Change {
            version: self.version,
            key: key.clone(),
            before: Some(before),
            object: Arc::clone(&object),
            is_deletion: true,
        });
        object
    }

    fn tell(&mut self, change: Change) {
        self.history.push(change);
        self.news.send_replace(self.version);
    }
}

impl Key {
    fn new(resource: Resource, namespace: &str, name: &str) -> Self {
        let namespace = if resource.is_namespaced() { namespace } else { "" };
        Self { resource, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// The key within a list of all namespaces.
    fn path(&self) -> String {
        if self.namespace.is_empty() {
            self.name.clone()
        } else {
            format!("{}/{}", self.namespace, self.name)
        }
    }
}

#[cfg(test)]
mod tests;
