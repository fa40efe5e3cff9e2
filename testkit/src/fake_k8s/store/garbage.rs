//! Owner references: what goes when its owner has gone. The real server's collector does it a moment later.

use std::sync::Arc;

use serde_json::Value;

use super::{Key, Resource, State, metadata};

/// What becomes of what a deleted object owns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Propagation {
    /// It goes afterwards. `Foreground` is treated alike.
    #[default]
    Background,
    /// It stays, and its owner reference goes.
    Orphan,
}

impl State {
    /// Removes an object for good, and what it owned; the object as it was last.
    pub(super) fn remove(&mut self, key: &Key, propagation: Propagation) -> Arc<Value> {
        let removed = self.take(key);
        let uid = metadata::text(&removed, "uid");
        for dependent in self.owned_by(uid) {
            match propagation {
                Propagation::Background => self.collect(&dependent),
                Propagation::Orphan => self.orphan(&dependent, uid),
            }
        }
        removed
    }

    /// Removes an object all of whose owners are gone. Pods go without grace, since nobody waits for them.
    pub(super) fn collect(&mut self, key: &Key) {
        let Some(object) = self.objects.get(key) else { return };
        let Some(owners) =
            object["metadata"]["ownerReferences"].as_array().filter(|owners| !owners.is_empty())
        else {
            return;
        };
        let lives = |owner: &Value| {
            let (kind, name) = (&owner["kind"], owner["name"].as_str().unwrap_or_default());
            // A kind that is not kept here can't be shown to be gone.
            let Some(resource) = Resource::ALL.into_iter().find(|resource| *kind == resource.kind()) else {
                return true;
            };
            let namespace = if resource.is_namespaced() { key.namespace.as_str() } else { "" };
            let found = self.objects.get(&Key::new(resource, namespace, name));
            found.is_some_and(|found| found["metadata"]["uid"] == owner["uid"])
        };
        if !owners.iter().any(lives) {
            self.remove(key, Propagation::Background);
        }
    }

    fn orphan(&mut self, key: &Key, uid: &str) {
        let Some(object) = self.objects.get(key) else { return };
        let mut object = Value::clone(object);
        if let Some(owners) = object["metadata"]["ownerReferences"].as_array_mut() {
            owners.retain(|owner| owner["uid"] != uid);
            if owners.is_empty() {
                metadata::unset(&mut object, "ownerReferences");
            }
        }
        self.put(key.clone(), object);
    }

    fn owned_by(&self, uid: &str) -> Vec<Key> {
        let owned = |object: &Value| {
            let owners = object["metadata"]["ownerReferences"].as_array();
            owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == uid))
        };
        self.objects.iter().filter(|(_, object)| owned(object)).map(|(key, _)| key.clone()).collect()
    }
}
