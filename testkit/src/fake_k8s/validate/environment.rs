//! The environment of containers.

use serde_json::Value;

use super::{items, names, text};
use crate::fake_k8s::problems::Problems;

pub(super) fn check(path: &str, container: &Value, problems: &mut Problems) {
    for (path, variable) in items(container, path, "env") {
        let name = text(variable, "name");
        if name.is_empty() {
            problems.required(format!("{path}.name"), "");
        } else if let Some(why) = names::env(name) {
            problems.invalid_text(format!("{path}.name"), name, why);
        }
        check_source(&path, variable, problems);
    }
    for (path, source) in items(container, path, "envFrom") {
        let sources =
            ["configMapRef", "secretRef"].into_iter().filter(|kind| source[*kind].is_object()).count();
        if sources != 1 {
            let why = "must specify one of: `configMapRef` or `secretRef`";
            problems.invalid_text(path, "", why);
        }
    }
}

fn check_source(path: &str, variable: &Value, problems: &mut Problems) {
    let Some(source) = variable["valueFrom"].as_object() else { return };
    let path = format!("{path}.valueFrom");
    if source.is_empty() {
        let why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";
        problems.invalid_text(&path, "", why);
    }
    if source.len() > 1 {
        problems.invalid_text(&path, "", "may not have more than one field specified at a time");
    }
    if !text(variable, "value").is_empty() {
        problems.invalid_text(&path, "", "may not be specified when `value` is not empty");
    }
    for kind in ["configMapKeyRef", "secretKeyRef"] {
        let Some(reference) = source.get(kind) else { continue };
        for field in ["name", "key"] {
            if text(reference, field).is_empty() {
                problems.required(format!("{path}.{kind}.{field}"), "");
            }
        }
    }
}
