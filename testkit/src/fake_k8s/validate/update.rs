//! What can't be changed.

use serde_json::Value;

use crate::fake_k8s::problems::Problems;
use crate::fake_k8s::store::Resource;

const IMMUTABLE: &str = "field is immutable";

pub(super) fn check(resource: Resource, object: &Value, old: &Value, problems: &mut Problems) {
    finalizers(object, old, problems);
    match resource {
        Resource::Pods => pod(object, old, problems),
        Resource::Secrets => {
            if object["type"] != old["type"] {
                problems.invalid("type", &object["type"], IMMUTABLE);
            }
            data(object, old, problems);
        }
        Resource::ConfigMaps => data(object, old, problems),
        _ => {}
    }
}

/// Nobody new can hold up what is being deleted.
fn finalizers(object: &Value, old: &Value, problems: &mut Problems) {
    if old["metadata"]["deletionTimestamp"].is_null() {
        return;
    }
    let list = |object: &Value| object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    let before = list(old);
    let new: Vec<_> = list(object).iter().filter(|one| !before.contains(one)).map(Value::to_string).collect();
    if !new.is_empty() {
        let why = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            new.join(", ")
        );
        problems.forbidden("metadata.finalizers", &why);
    }
}

/// Data that was declared immutable stays.
fn data(object: &Value, old: &Value, problems: &mut Problems) {
    if old["immutable"].as_bool() != Some(true) {
        return;
    }
    const WHEN: &str = "field is immutable when `immutable` is set";
    for field in ["immutable", "data", "binaryData"] {
        if object[field] != old[field] {
            problems.forbidden(field, WHEN);
        }
    }
}

/// Of a pod's spec only images and the deadline can be changed, and tolerations added. The grace period can go from a
/// negative one to 1.
fn pod(object: &Value, old: &Value, problems: &mut Problems) {
    let count = |pod: &Value, field: &str| pod["spec"][field].as_array().map_or(0, Vec::len);
    for field in ["containers", "initContainers"] {
        if count(object, field) != count(old, field) {
            return problems
                .forbidden(format!("spec.{field}"), "pod updates may not add or remove containers");
        }
    }
    let (new_deadline, old_deadline) =
        (&object["spec"]["activeDeadlineSeconds"], &old["spec"]["activeDeadlineSeconds"]);
    if let Some(before) = old_deadline.as_i64() {
        match new_deadline.as_i64() {
            None => problems.invalid(
                "spec.activeDeadlineSeconds",
                new_deadline,
                "must not update from a positive integer to nil value",
            ),
            Some(after) if after > before => {
                let why = "must be less than or equal to previous value";
                problems.invalid("spec.activeDeadlineSeconds", new_deadline, why);
            }
            Some(_) => {}
        }
    }
    tolerations(object, old, problems);
    let mut allowed = object["spec"].clone();
    allowed["activeDeadlineSeconds"] = old_deadline.clone();
    allowed["tolerations"] = old["spec"]["tolerations"].clone();
    for field in ["containers", "initContainers"] {
        let before = old["spec"][field].as_array().into_iter().flatten();
        for (container, before) in allowed[field].as_array_mut().into_iter().flatten().zip(before) {
            container["image"] = before["image"].clone();
        }
    }
    drop_nulls(&mut allowed);
    if allowed != old["spec"] {
        let why = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
        problems.forbidden("spec", why);
    }
}

fn tolerations(object: &Value, old: &Value, problems: &mut Problems) {
    let list = |pod: &Value| pod["spec"]["tolerations"].as_array().cloned().unwrap_or_default();
    let new = list(object);
    if !list(old).iter().all(|toleration| new.contains(toleration)) {
        let why = "existing toleration can not be modified except its tolerationSeconds";
        problems.forbidden("spec.tolerations", why);
    }
}

/// What was set to compare and is not there in either.
fn drop_nulls(spec: &mut Value) {
    if let Some(fields) = spec.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
}
