//! Deleting objects: at once, or with grace.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::garbage::Propagation;
use super::{Key, Resource, Selection, State, Store, metadata};
use crate::fake_k8s::clock::time;
use crate::fake_k8s::{Clock, Refusal};

/// How something is deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// How long a pod may take to stop; its own time, if `None`.
    pub grace_seconds: Option<i64>,
    /// Only if this is its uid.
    pub uid: Option<String>,
    /// Only if this is its version.
    pub resource_version: Option<String>,
    /// What becomes of what it owns.
    pub propagation: Propagation,
}

/// What a deletion did.
#[derive(Debug, Clone, PartialEq)]
pub struct Deleted {
    /// The object as it was last, or as it is now while it goes.
    pub object: Arc<Value>,
    /// Whether it is gone for good.
    pub is_gone: bool,
}

impl Store {
    /// Deletes an object. A pod that a node has gets its grace period first: it carries a deletion timestamp until it is
    /// deleted again with a grace of zero, which a kubelet does. What has finalizers stays until the last of them is taken off.
    /// A namespace goes once all that is in it is gone.
    ///
    /// # Errors
    /// 404 if it is missing, 409 if it has another uid or version than demanded.
    pub fn delete(
        &self,
        resource: Resource,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Deleted, Refusal> {
        let mut state = self.lock();
        let key = Key::new(resource, namespace, name);
        let object = state.get(&key)?;
        check_preconditions(&object, options, resource, name)?;
        match resource {
            Resource::Pods => Ok(state.delete_pod(&key, &object, options, &self.clock())),
            Resource::Namespaces => Ok(state.delete_namespace(&key, &object, options, &self.clock())),
            _ => Ok(state.delete_plain(&key, &object, options, &self.clock())),
        }
    }

    /// Deletes all that fits the selection, as [`delete`](Self::delete) does; the objects, as they were before.
    #[must_use]
    pub fn delete_all(
        &self,
        resource: Resource,
        selection: &Selection,
        options: &DeleteOptions,
    ) -> Vec<Arc<Value>> {
        let found: Vec<_> = self.lock().selected(resource, selection).cloned().collect();
        for object in &found {
            let (namespace, name) = (metadata::text(object, "namespace"), metadata::text(object, "name"));
            // Whoever was quicker deleted it as well.
            let _ = self.delete(resource, namespace, name, options);
        }
        found
    }
}

impl State {
    fn delete_pod(&mut self, key: &Key, pod: &Arc<Value>, options: &DeleteOptions, clock: &Clock) -> Deleted {
        let now = clock.now();
        let going = pod["metadata"]["deletionGracePeriodSeconds"].as_i64();
        let (seconds, at) = match going {
            None => {
                let seconds = first_grace(pod, options);
                (seconds, later(now, seconds))
            }
            Some(0) => return self.let_go(key, pod, options.propagation),
            // A grace period can only be made shorter.
            Some(old) => match options.grace_seconds {
                Some(seconds) if seconds < old => (seconds.max(0), shortened(pod, old, seconds, now)),
                _ => return Deleted { object: Arc::clone(pod), is_gone: false },
            },
        };
        let mut object = Value::clone(pod);
        metadata::set(&mut object, "deletionTimestamp", time(at));
        metadata::set(&mut object, "deletionGracePeriodSeconds", seconds);
        if going.is_none() {
            let generation = pod["metadata"]["generation"].as_i64().unwrap_or_default();
            metadata::set(&mut object, "generation", generation + 1);
        }
        let object = self.put(key.clone(), object);
        if seconds > 0 {
            return Deleted { object, is_gone: false };
        }
        self.let_go(key, &object, options.propagation)
    }

    fn delete_plain(
        &mut self,
        key: &Key,
        object: &Arc<Value>,
        options: &DeleteOptions,
        clock: &Clock,
    ) -> Deleted {
        let is_going = !object["metadata"]["deletionTimestamp"].is_null();
        if is_going || !has_finalizers(object) {
            return self.let_go(key, object, options.propagation);
        }
        let mut object = Value::clone(object);
        metadata::set(&mut object, "deletionTimestamp", clock.time());
        metadata::set(&mut object, "deletionGracePeriodSeconds", 0);
        Deleted { object: self.put(key.clone(), object), is_gone: false }
    }

    /// Removes an object whose time is up, unless somebody has to see to it first.
    fn let_go(&mut self, key: &Key, object: &Arc<Value>, propagation: Propagation) -> Deleted {
        if has_finalizers(object) {
            return Deleted { object: Arc::clone(object), is_gone: false };
        }
        let object = self.remove(key, propagation);
        self.finish_namespace(&key.namespace);
        Deleted { object, is_gone: true }
    }

    /// After a change: removes an object that only waited for its last finalizer to be taken off. Whether it did.
    pub(super) fn let_go_changed(&mut self, key: &Key, changed: &Value) -> bool {
        let metadata = &changed["metadata"];
        let is_going = !metadata["deletionTimestamp"].is_null();
        let is_confirmed = metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or_default() == 0;
        // A namespace waits for what is in it.
        let goes =
            is_going && is_confirmed && !has_finalizers(changed) && key.resource != Resource::Namespaces;
        if goes {
            self.remove(key, Propagation::Background);
            self.finish_namespace(&key.namespace);
        }
        goes
    }

    fn delete_namespace(
        &mut self,
        key: &Key,
        namespace: &Arc<Value>,
        options: &DeleteOptions,
        clock: &Clock,
    ) -> Deleted {
        if !namespace["metadata"]["deletionTimestamp"].is_null() {
            return Deleted { object: Arc::clone(namespace), is_gone: false };
        }
        let mut object = Value::clone(namespace);
        metadata::set(&mut object, "deletionTimestamp", clock.time());
        object["status"]["phase"] = "Terminating".into();
        let object = self.put(key.clone(), object);
        for resource in Resource::ALL.into_iter().filter(|resource| resource.is_namespaced()) {
            let inside: Vec<_> = self
                .of(resource, Some(&key.name))
                .map(|(key, object)| (key.clone(), Arc::clone(object)))
                .collect();
            for (key, object) in inside {
                // What belongs to another that went before is gone with it.
                match resource {
                    _ if !self.objects.contains_key(&key) => {}
                    Resource::Pods => drop(self.delete_pod(&key, &object, options, clock)),
                    _ => drop(self.remove(&key, options.propagation)),
                }
            }
        }
        self.finish_namespace(&key.name);
        Deleted { object, is_gone: false }
    }

    /// Removes a namespace that is being deleted and has no pods left, and with it what its pods made while they went.
    fn finish_namespace(&mut self, name: &str) {
        let key = Key::new(Resource::Namespaces, "", name);
        let going = self.objects.get(&key).is_some_and(|it| !it["metadata"]["deletionTimestamp"].is_null());
        if !going || self.of(Resource::Pods, Some(name)).next().is_some() {
            return;
        }
        self.remove(&key, Propagation::Background);
    }
}

fn has_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty())
}

/// The grace of a first deletion. A pod that no node has, or that has ended, needs none.
fn first_grace(pod: &Value, options: &DeleteOptions) -> i64 {
    const DEFAULT_GRACE_SECONDS: i64 = 30;
    let is_bound = pod["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty());
    let has_ended = matches!(pod["status"]["phase"].as_str(), Some("Failed" | "Succeeded"));
    if !is_bound || has_ended {
        return 0;
    }
    let own = pod["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(DEFAULT_GRACE_SECONDS);
    match options.grace_seconds.unwrap_or(own) {
        // As the real server does.
        seconds if seconds < 0 => 1,
        seconds => seconds,
    }
}

/// When a pod goes whose grace is cut from `old` to `new`: counted from the first deletion, but not in the past.
fn shortened(pod: &Value, old: i64, new: i64, now: Timestamp) -> Timestamp {
    let planned = metadata::text(pod, "deletionTimestamp").parse().unwrap_or(now);
    later(planned, new.saturating_sub(old)).max(now)
}

fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(at)
}

fn check_preconditions(
    object: &Value,
    options: &DeleteOptions,
    resource: Resource,
    name: &str,
) -> Result<(), Refusal> {
    let (uid, version) = (metadata::text(object, "uid"), metadata::text(object, "resourceVersion"));
    if let Some(asked) = options.uid.as_deref().filter(|asked| *asked != uid) {
        let why = format!(
            "the UID in the precondition ({asked}) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
        );
        return Err(Refusal::precondition(resource, name, &why));
    }
    if let Some(asked) = options.resource_version.as_deref().filter(|asked| *asked != version) {
        let why = format!(
            "the ResourceVersion in the precondition ({asked}) does not match the ResourceVersion in record ({version}). The object might have been modified"
        );
        return Err(Refusal::precondition(resource, name, &why));
    }
    Ok(())
}
