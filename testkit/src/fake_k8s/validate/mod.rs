//! What the real server validates: new objects, and updates of old ones.

mod containers;
mod environment;
mod metadata;
mod names;
mod pod;
mod secret;
mod security;
mod update;
mod volumes;

use serde_json::Value;

use super::Refusal;
use super::problems::Problems;
use super::store::Resource;

/// The most that data of a secret or config map may have, in bytes.
const MAX_DATA_BYTES: usize = 1024 * 1024;

/// Validates a new object, which has its defaults.
///
/// # Errors
/// 422 with all that is wrong.
pub(super) fn new(resource: Resource, object: &Value) -> Result<(), Refusal> {
    let mut problems = Problems::default();
    metadata::check(resource, object, &mut problems);
    content(resource, object, &mut problems);
    refuse(resource, object, problems)
}

/// Validates an update of an object.
///
/// # Errors
/// 422 with all that is wrong.
pub(super) fn updated(resource: Resource, object: &Value, old: &Value) -> Result<(), Refusal> {
    let mut problems = Problems::default();
    metadata::check(resource, object, &mut problems);
    content(resource, object, &mut problems);
    update::check(resource, object, old, &mut problems);
    refuse(resource, object, problems)
}

fn content(resource: Resource, object: &Value, problems: &mut Problems) {
    match resource {
        Resource::Pods => pod::check(object, problems),
        Resource::Secrets => secret::check(object, problems),
        Resource::ConfigMaps => config_map(object, problems),
        Resource::Leases => lease(object, problems),
        Resource::Events | Resource::Namespaces | Resource::Nodes | Resource::ServiceAccounts => {}
    }
}

fn refuse(resource: Resource, object: &Value, problems: Problems) -> Result<(), Refusal> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    problems.refuse(resource.kind(), resource.group(), name)
}

fn config_map(object: &Value, problems: &mut Problems) {
    let mut total = 0;
    for field in ["data", "binaryData"] {
        for (key, value) in object[field].as_object().into_iter().flatten() {
            if let Some(why) = names::config_key(key) {
                problems.invalid_text(format!("{field}[{key}]"), key, why);
            }
            total += value.as_str().map_or(0, str::len);
        }
    }
    if total > MAX_DATA_BYTES {
        problems.too_long("", MAX_DATA_BYTES);
    }
}

fn lease(object: &Value, problems: &mut Problems) {
    let spec = &object["spec"];
    for (field, least) in [("leaseDurationSeconds", 1), ("leaseTransitions", 0)] {
        if spec[field].as_i64().is_some_and(|value| value < least) {
            let why = if least == 1 { "must be greater than 0" } else { NOT_NEGATIVE };
            problems.invalid(format!("spec.{field}"), &spec[field], why);
        }
    }
    if spec["holderIdentity"].as_str() == Some("") {
        problems.invalid_text("spec.holderIdentity", "", "must not be empty");
    }
}

const NOT_NEGATIVE: &str = "must be greater than or equal to 0";

/// The items of a list, with their paths.
fn items<'a>(object: &'a Value, path: &str, field: &str) -> impl Iterator<Item = (String, &'a Value)> {
    let path = if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
    let items = object[field].as_array().into_iter().flatten().enumerate();
    items.map(move |(index, item)| (format!("{path}[{index}]"), item))
}

/// A text; empty if it is missing.
fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}
