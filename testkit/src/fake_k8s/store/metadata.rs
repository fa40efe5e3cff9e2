//! Reading and stamping the metadata of objects.

use serde_json::Value;

use super::Resource;
use crate::fake_k8s::random;

/// What the server alone decides about an object. A write keeps it as it was.
const OWN: [&str; 6] = [
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    MANAGED_FIELDS,
];

/// Who wrote which field. Nothing but clients' memory minds it here: it is most of what servers say of many objects.
pub(in crate::fake_k8s) const MANAGED_FIELDS: &str = "managedFields";

/// A text of an object's metadata; empty if it is missing.
pub(super) fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object["metadata"][key].as_str().unwrap_or_default()
}

/// Sets a field of the metadata. The object and its metadata have to be [well formed](is_well_formed).
pub(super) fn set(object: &mut Value, key: &str, value: impl Into<Value>) {
    object["metadata"][key] = value.into();
}

/// Removes a field of the metadata.
pub(super) fn unset(object: &mut Value, key: &str) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove(key);
    }
}

/// Puts a field of the metadata back as it was.
pub(super) fn keep(object: &mut Value, old: &Value, key: &str) {
    match &old["metadata"][key] {
        Value::Null => unset(object, key),
        value => set(object, key, value.clone()),
    }
}

/// Whether the value is a JSON object, and its metadata is one or can be made.
pub(super) fn is_well_formed(object: &Value) -> bool {
    object.is_object() && matches!(object["metadata"], Value::Object(_) | Value::Null)
}

/// Gives an object that asks for one a generated name.
pub(in crate::fake_k8s) fn generate_name(object: &mut Value) {
    let prefix = text(object, "generateName");
    if text(object, "name").is_empty() && !prefix.is_empty() {
        let name = format!("{prefix}{}", random::name_suffix());
        set(object, "name", name);
    }
}

/// Makes a new object one of the server's: kind, uid, times, generation. Who manages its fields it may say itself.
pub(super) fn stamp_new(object: &mut Value, resource: Resource, namespace: &str, now: String) {
    stamp_kind(object, resource, namespace);
    let told = OWN.iter().filter(|&&key| key != MANAGED_FIELDS);
    told.chain(&["selfLink"]).for_each(|key| unset(object, key));
    set(object, "uid", random::uid());
    set(object, "creationTimestamp", now);
    if resource.has_generation() {
        set(object, "generation", 1);
    }
}

/// Makes an object that comes as an update keep what it can't change, and counts a change of its spec.
pub(super) fn stamp_update(object: &mut Value, resource: Resource, namespace: &str, old: &Value) {
    stamp_kind(object, resource, namespace);
    OWN.iter().for_each(|key| keep(object, old, key));
    if resource.has_generation() && object["spec"] != old["spec"] {
        set(object, "generation", old["metadata"]["generation"].as_i64().unwrap_or_default() + 1);
    }
}

/// Sets the version of an object.
pub(super) fn stamp_version(object: &mut Value, version: u64) {
    set(object, "resourceVersion", version.to_string());
}

/// The version that an object says it is; `None` if it says none.
pub(super) fn version(object: &Value) -> Option<&str> {
    object["metadata"]["resourceVersion"].as_str().filter(|version| !version.is_empty())
}

fn stamp_kind(object: &mut Value, resource: Resource, namespace: &str) {
    object["kind"] = resource.kind().into();
    object["apiVersion"] = resource.api_version().into();
    if resource.is_namespaced() {
        set(object, "namespace", namespace);
    }
}
