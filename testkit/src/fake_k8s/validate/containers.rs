//! Containers of pods.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{environment, items, names, security, text, volumes};
use crate::fake_k8s::problems::Problems;
use crate::fake_k8s::quantity;

const PORT_RANGE: &str = "must be between 1 and 65535, inclusive";

pub(super) fn check(spec: &Value, volumes: &BTreeSet<&str>, problems: &mut Problems) {
    if spec["containers"].as_array().is_none_or(Vec::is_empty) {
        problems.required("spec.containers", "");
    }
    let mut taken = BTreeSet::new();
    let is_on_host = spec["hostNetwork"].as_bool().unwrap_or_default();
    let mut host_ports = BTreeSet::new();
    for field in ["containers", "initContainers"] {
        for (path, container) in items(spec, "spec", field) {
            check_name(&path, container, &mut taken, problems);
            check_image(&path, container, problems);
            check_ports(&path, container, is_on_host, &mut host_ports, problems);
            environment::check(&path, container, problems);
            volumes::check_mounts(&path, container, volumes, problems);
            check_resources(&path, &container["resources"], problems);
            security::check_container(&path, container, problems);
            check_restart(&path, container, field, problems);
        }
    }
}

fn check_name<'a>(path: &str, container: &'a Value, taken: &mut BTreeSet<&'a str>, problems: &mut Problems) {
    let (field, name) = (format!("{path}.name"), text(container, "name"));
    if name.is_empty() {
        problems.required(field, "");
    } else if let Some(why) = names::label(name) {
        problems.invalid_text(field, name, why);
    } else if !taken.insert(name) {
        problems.duplicate(field, &container["name"]);
    }
}

fn check_image(path: &str, container: &Value, problems: &mut Problems) {
    let (field, image) = (format!("{path}.image"), text(container, "image"));
    if image.is_empty() {
        problems.required(field, "");
    } else if image.trim() != image {
        problems.invalid_text(field, image, "must not have leading or trailing whitespace");
    }
    let choices: [(&str, &[&str]); 2] = [
        ("imagePullPolicy", &["Always", "IfNotPresent", "Never"]),
        ("terminationMessagePolicy", &["FallbackToLogsOnError", "File"]),
    ];
    for (field, supported) in choices {
        let value = text(container, field);
        if !value.is_empty() && !supported.contains(&value) {
            problems.unsupported(format!("{path}.{field}"), value, supported);
        }
    }
}

fn check_ports<'a>(
    path: &str,
    container: &'a Value,
    is_on_host: bool,
    host_ports: &mut BTreeSet<(&'a str, &'a str, i64)>,
    problems: &mut Problems,
) {
    let mut port_names = BTreeSet::new();
    for (path, port) in items(container, path, "ports") {
        let name = text(port, "name");
        if let Some(why) = Some(name).filter(|name| !name.is_empty()).and_then(names::port) {
            problems.invalid_text(format!("{path}.name"), name, why);
        } else if !name.is_empty() && !port_names.insert(name) {
            problems.duplicate(format!("{path}.name"), &port["name"]);
        }
        let (inside, outside) = (&port["containerPort"], &port["hostPort"]);
        match inside.as_i64() {
            None | Some(0) => problems.required(format!("{path}.containerPort"), ""),
            Some(number) if !is_port(number) => {
                problems.invalid(format!("{path}.containerPort"), inside, PORT_RANGE);
            }
            Some(_) => {}
        }
        let protocol = text(port, "protocol");
        if !matches!(protocol, "TCP" | "UDP" | "SCTP") {
            problems.unsupported(format!("{path}.protocol"), protocol, &["SCTP", "TCP", "UDP"]);
        }
        let Some(number) = outside.as_i64().filter(|number| *number != 0) else { continue };
        if !is_port(number) {
            problems.invalid(format!("{path}.hostPort"), outside, PORT_RANGE);
        } else if is_on_host && inside != outside {
            let why = "must match `containerPort` when `hostNetwork` is true";
            problems.invalid(format!("{path}.containerPort"), inside, why);
        } else if !host_ports.insert((protocol, text(port, "hostIP"), number)) {
            problems.duplicate(format!("{path}.hostPort"), outside);
        }
    }
}

fn is_port(number: i64) -> bool {
    (1..=65535).contains(&number)
}

fn check_resources(path: &str, resources: &Value, problems: &mut Problems) {
    for field in ["limits", "requests"] {
        for (name, amount) in resources[field].as_object().into_iter().flatten() {
            let path = format!("{path}.resources.{field}[{name}]");
            let is_known = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage")
                || name.starts_with("hugepages-");
            if !is_known && !name.contains('/') {
                problems.invalid_text(&path, name, "must be a standard resource for containers");
            }
            if number(amount) < 0.0 {
                problems.invalid(&path, amount, super::NOT_NEGATIVE);
            }
        }
    }
    for (name, limit) in resources["limits"].as_object().into_iter().flatten() {
        let request = &resources["requests"][name];
        if !request.is_null() && number(request) > number(limit) {
            let limit = limit.as_str().unwrap_or_default();
            let why = format!("must be less than or equal to {name} limit of {limit}");
            problems.invalid(format!("{path}.resources.requests"), request, why);
        }
    }
}

/// Quantities that can't be read were refused before.
fn number(quantity: &Value) -> f64 {
    quantity.as_str().and_then(quantity::parse).unwrap_or_default()
}

fn check_restart(path: &str, container: &Value, field: &str, problems: &mut Problems) {
    let policy = text(container, "restartPolicy");
    if field == "initContainers" && !matches!(policy, "" | "Always") {
        problems.unsupported(format!("{path}.restartPolicy"), policy, &["Always"]);
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if field == "initContainers" && policy != "Always" && !container[probe].is_null() {
            problems.forbidden(
                format!("{path}.{probe}"),
                "may not be set for init containers without restartPolicy=Always",
            );
        }
    }
}
