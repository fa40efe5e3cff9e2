//! Creating and changing objects.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Key, Resource, State, Store, metadata};
use crate::fake_k8s::Refusal;

/// Which part of an object a write is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All but the status, where that is a subresource.
    Object,
    /// The status; of the rest, labels and annotations.
    Status,
}

impl Store {
    /// Creates an object. A name is generated if it asks for one.
    ///
    /// # Errors
    /// 409 if there is one of that name, 404 if there is no such namespace, 403 if that is being deleted, 400 for what is
    /// no object.
    pub fn create(
        &self,
        resource: Resource,
        namespace: &str,
        mut object: Value,
    ) -> Result<Arc<Value>, Refusal> {
        check_form(&object)?;
        metadata::generate_name(&mut object);
        let name = metadata::text(&object, "name").to_owned();
        let mut state = self.lock();
        state.admit_new(resource, namespace, &name)?;
        let key = Key::new(resource, namespace, &name);
        if state.objects.contains_key(&key) {
            return Err(Refusal::already_exists(resource, &name));
        }
        metadata::stamp_new(&mut object, resource, namespace, self.clock().time());
        if resource == Resource::Namespaces {
            complete_namespace(&mut object, &name);
        }
        let created = state.put(key.clone(), object);
        if resource == Resource::Namespaces {
            state.furnish(&name, &self.clock().time());
        }
        state.collect(&key);
        Ok(created)
    }

    /// Whether an object could be created in a namespace now.
    ///
    /// # Errors
    /// 404 if there is no such namespace, 403 if it is being deleted.
    pub fn admit(&self, resource: Resource, namespace: &str, name: &str) -> Result<(), Refusal> {
        self.lock().admit_new(resource, namespace, name)
    }

    /// Replaces an object, but for its status where that is a subresource. An object that names its version or uid has to
    /// name the present one. Nothing happens if nothing changes.
    ///
    /// # Errors
    /// 404 if it is missing, 409 for another version or uid, 400 for what is no object.
    pub fn update(
        &self,
        resource: Resource,
        namespace: &str,
        name: &str,
        object: Value,
    ) -> Result<Arc<Value>, Refusal> {
        self.patch(Part::Object, resource, namespace, name, |current| {
            *current = object;
            Ok(())
        })
    }

    /// Replaces the status of an object, and its labels and annotations.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn update_status(
        &self,
        resource: Resource,
        namespace: &str,
        name: &str,
        object: Value,
    ) -> Result<Arc<Value>, Refusal> {
        self.patch(Part::Status, resource, namespace, name, |current| {
            *current = object;
            Ok(())
        })
    }

    /// Changes an object in place, as clients do: `change` gets it as it is, atomically. A version or uid that the change sets
    /// has to be the present one. What is not of the part that is changed stays as it was. One that is being deleted goes with
    /// its last finalizer.
    ///
    /// # Errors
    /// 404 if it is missing, 409 for another version or uid, 400 for what is no object then, and those of `change`.
    pub fn patch(
        &self,
        part: Part,
        resource: Resource,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value) -> Result<(), Refusal>,
    ) -> Result<Arc<Value>, Refusal> {
        let mut state = self.lock();
        let key = Key::new(resource, namespace, name);
        let before = state.get(&key)?;
        let mut object = Value::clone(&before);
        change(&mut object)?;
        check_form(&object)?;
        check_identity(&object, &before, resource, name)?;
        match part {
            Part::Status => {
                keep(&mut object, &before, "spec");
                metadata::keep(&mut object, &before, "ownerReferences");
            }
            Part::Object if resource.has_status() => keep(&mut object, &before, "status"),
            Part::Object => {}
        }
        metadata::stamp_update(&mut object, resource, namespace, &before);
        metadata::keep(&mut object, &before, "name");
        metadata::keep(&mut object, &before, "resourceVersion");
        if object == *before {
            return Ok(before);
        }
        if state.let_go_changed(&key, &object) {
            return Ok(Arc::new(object));
        }
        let owners_changed = object["metadata"]["ownerReferences"] != before["metadata"]["ownerReferences"];
        let updated = state.put(key.clone(), object);
        if owners_changed {
            state.collect(&key);
        }
        Ok(updated)
    }

    /// Changes an object in place, as the cluster's own parts do: no generation is counted. The change gets the object as it
    /// is, and may refuse.
    ///
    /// # Errors
    /// 404 if it is missing, and those of `change`.
    pub fn edit(
        &self,
        resource: Resource,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value) -> Result<(), Refusal>,
    ) -> Result<Arc<Value>, Refusal> {
        let mut state = self.lock();
        let key = Key::new(resource, namespace, name);
        let before = state.get(&key)?;
        let mut object = Value::clone(&before);
        change(&mut object)?;
        check_form(&object)?;
        Ok(if object == *before { before } else { state.put(key, object) })
    }
}

impl State {
    fn admit_new(&self, resource: Resource, namespace: &str, name: &str) -> Result<(), Refusal> {
        if !resource.is_namespaced() {
            return Ok(());
        }
        let found = self.get(&Key::new(Resource::Namespaces, "", namespace))?;
        if found["metadata"]["deletionTimestamp"].is_null() {
            Ok(())
        } else {
            Err(Refusal::terminating(resource, name, namespace))
        }
    }

    /// What every namespace has from its start.
    fn furnish(&mut self, namespace: &str, now: &str) {
        let account = json!({"metadata": {"name": "default"}});
        let roots = json!({
            "metadata": {"name": "kube-root-ca.crt", "annotations": {
                "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.",
            }},
            "data": {"ca.crt": ""},
        });
        let furniture = [
            (Resource::ServiceAccounts, "default", account),
            (Resource::ConfigMaps, "kube-root-ca.crt", roots),
        ];
        for (resource, name, mut object) in furniture {
            metadata::stamp_new(&mut object, resource, namespace, now.to_owned());
            self.put(Key::new(resource, namespace, name), object);
        }
    }
}

fn complete_namespace(object: &mut Value, name: &str) {
    if object["metadata"]["labels"].is_null() {
        object["metadata"]["labels"] = json!({});
    }
    if let Some(labels) = object["metadata"]["labels"].as_object_mut() {
        labels.insert("kubernetes.io/metadata.name".to_owned(), name.into());
    }
    object["spec"] = json!({"finalizers": ["kubernetes"]});
    object["status"] = json!({"phase": "Active"});
}

/// Puts a field back as it was.
fn keep(object: &mut Value, before: &Value, key: &str) {
    match &before[key] {
        Value::Null => drop(object.as_object_mut().and_then(|fields| fields.remove(key))),
        value => object[key] = value.clone(),
    }
}

fn check_form(object: &Value) -> Result<(), Refusal> {
    let well_formed = metadata::is_well_formed(object);
    well_formed.then_some(()).ok_or_else(|| Refusal::bad_request("the object provided is unrecognized"))
}

/// A version or uid that a write names has to be the present one.
pub(in crate::fake_k8s) fn check_identity(
    object: &Value,
    now: &Value,
    resource: Resource,
    name: &str,
) -> Result<(), Refusal> {
    let (uid, present) = (metadata::text(object, "uid"), metadata::text(now, "uid"));
    if !uid.is_empty() && uid != present {
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {present}");
        return Err(Refusal::conflict(resource, name, &why));
    }
    match metadata::version(object) {
        Some(version) if Some(version) != metadata::version(now) => Err(Refusal::modified(resource, name)),
        _ => Ok(()),
    }
}
