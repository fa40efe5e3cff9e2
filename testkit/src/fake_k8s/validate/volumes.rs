//! Volumes of pods, and where containers mount them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{items, names, text};
use crate::fake_k8s::problems::Problems;

/// Checks the volumes; the names of those that there are.
pub(super) fn check<'a>(spec: &'a Value, problems: &mut Problems) -> BTreeSet<&'a str> {
    let mut known = BTreeSet::new();
    for (path, volume) in items(spec, "spec", "volumes") {
        let name = text(volume, "name");
        let field = format!("{path}.name");
        if name.is_empty() {
            problems.required(field, "");
        } else if let Some(why) = names::label(name) {
            problems.invalid_text(field, name, why);
        } else if !known.insert(name) {
            problems.duplicate(field, &volume["name"]);
        }
        check_source(&path, volume, problems);
    }
    known
}

fn check_source(path: &str, volume: &Value, problems: &mut Problems) {
    let sources: Vec<_> =
        volume.as_object().into_iter().flatten().filter(|(key, _)| *key != "name").collect();
    let Some((kind, source)) = sources.first() else {
        return problems.required(path, "must specify a volume type");
    };
    for (kind, _) in sources.iter().skip(1) {
        problems.forbidden(format!("{path}.{kind}"), "may not specify more than 1 volume type");
    }
    let required = match kind.as_str() {
        "hostPath" => "path",
        "secret" => "secretName",
        "configMap" => "name",
        "persistentVolumeClaim" => "claimName",
        _ => return,
    };
    if text(source, required).is_empty() {
        problems.required(format!("{path}.{kind}.{required}"), "");
    }
}

/// Checks where a container mounts volumes.
pub(super) fn check_mounts(path: &str, container: &Value, volumes: &BTreeSet<&str>, problems: &mut Problems) {
    let mut taken = BTreeSet::new();
    for (path, mount) in items(container, path, "volumeMounts") {
        let (name, target) = (text(mount, "name"), text(mount, "mountPath"));
        if name.is_empty() {
            problems.required(format!("{path}.name"), "");
        } else if !volumes.contains(name) {
            problems.not_found(format!("{path}.name"), name);
        }
        if target.is_empty() {
            problems.required(format!("{path}.mountPath"), "");
        } else if target.contains(':') {
            problems.invalid_text(format!("{path}.mountPath"), target, "must not contain ':'");
        } else if !taken.insert(target) {
            problems.invalid_text(format!("{path}.mountPath"), target, "must be unique");
        }
        let below = text(mount, "subPath");
        if below.starts_with('/') {
            problems.invalid_text(format!("{path}.subPath"), below, "must be a relative path");
        }
        if below.split('/').any(|part| part == "..") {
            problems.invalid_text(format!("{path}.subPath"), below, "must not contain '..'");
        }
        let propagation = text(mount, "mountPropagation");
        let supported = ["Bidirectional", "HostToContainer", "None"];
        if !propagation.is_empty() && !supported.contains(&propagation) {
            problems.unsupported(format!("{path}.mountPropagation"), propagation, &supported);
        }
        let is_privileged = container["securityContext"]["privileged"].as_bool().unwrap_or_default();
        if propagation == "Bidirectional" && !is_privileged {
            let why = "Bidirectional mount propagation is available only to privileged containers";
            problems.forbidden(format!("{path}.mountPropagation"), why);
        }
    }
}
