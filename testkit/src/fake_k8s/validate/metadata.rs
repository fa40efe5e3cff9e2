//! Names, labels, annotations, finalizers and owners.

use serde_json::Value;

use super::{items, names, text};
use crate::fake_k8s::problems::Problems;
use crate::fake_k8s::store::Resource;

/// The most that all annotations may have, in bytes.
const MAX_ANNOTATION_BYTES: usize = 256 * 1024;

pub(super) fn check(resource: Resource, object: &Value, problems: &mut Problems) {
    let metadata = &object["metadata"];
    check_name(resource, metadata, problems);
    check_labels(&metadata["labels"], problems);
    check_annotations(&metadata["annotations"], problems);
    for finalizer in metadata["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if let Some(why) = names::qualified(finalizer) {
            problems.invalid_text("metadata.finalizers", finalizer, why);
        }
    }
    for (path, owner) in items(metadata, "metadata", "ownerReferences") {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if text(owner, field).is_empty() {
                let why =
                    if field == "apiVersion" { "version must not be empty" } else { "must not be empty" };
                problems.invalid_text(format!("{path}.{field}"), "", why);
            }
        }
    }
}

fn check_name(resource: Resource, metadata: &Value, problems: &mut Problems) {
    let check = if resource == Resource::Namespaces { names::label } else { names::subdomain };
    let (name, prefix) = (text(metadata, "name"), text(metadata, "generateName"));
    if !prefix.is_empty()
        && let Some(why) = check(prefix.trim_end_matches('-'))
    {
        problems.invalid_text("metadata.generateName", prefix, why);
    }
    if name.is_empty() {
        problems.required("metadata.name", "name or generateName is required");
    } else if let Some(why) = check(name) {
        problems.invalid_text("metadata.name", name, why);
    }
}

fn check_labels(labels: &Value, problems: &mut Problems) {
    const FIELD: &str = "metadata.labels";
    for (key, value) in labels.as_object().into_iter().flatten() {
        if let Some(why) = names::qualified(key) {
            problems.invalid_text(FIELD, key, why);
        }
        let value = value.as_str().unwrap_or_default();
        if let Some(why) = names::label_value(value) {
            problems.invalid_text(FIELD, value, why);
        }
    }
}

fn check_annotations(annotations: &Value, problems: &mut Problems) {
    const FIELD: &str = "metadata.annotations";
    let mut total = 0;
    for (key, value) in annotations.as_object().into_iter().flatten() {
        // Capitals are let pass in prefixes.
        if let Some(why) = names::qualified(&key.to_lowercase()) {
            problems.invalid_text(FIELD, key, why);
        }
        total += key.len() + value.as_str().map_or(0, str::len);
    }
    if total > MAX_ANNOTATION_BYTES {
        problems.too_long(FIELD, MAX_ANNOTATION_BYTES);
    }
}
