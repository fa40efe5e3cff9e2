//! Pods as a whole. Their parts have files of their own.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{NOT_NEGATIVE, containers, items, names, security, text, volumes};
use crate::fake_k8s::problems::Problems;

pub(super) fn check(pod: &Value, problems: &mut Problems) {
    let spec = &pod["spec"];
    let volumes = volumes::check(spec, problems);
    containers::check(spec, &volumes, problems);
    security::check_pod(spec, problems);
    check_policies(spec, problems);
    check_times(spec, problems);
    check_dns(spec, problems);
    check_selector(spec, problems);
    check_tolerations(spec, problems);
    if !spec["ephemeralContainers"].is_null() {
        problems.forbidden("spec.ephemeralContainers", "cannot be set on create");
    }
    for (path, secret) in items(spec, "spec", "imagePullSecrets") {
        if text(secret, "name").is_empty() {
            problems.required(format!("{path}.name"), "");
        }
    }
    for (field, check) in [
        ("serviceAccountName", names::subdomain as fn(&str) -> Option<String>),
        ("nodeName", names::subdomain),
        ("hostname", names::label),
        ("subdomain", names::label),
    ] {
        let value = text(spec, field);
        if let Some(why) = Some(value).filter(|value| !value.is_empty()).and_then(check) {
            problems.invalid_text(format!("spec.{field}"), value, why);
        }
    }
    let mut gates = BTreeSet::new();
    for (path, gate) in items(spec, "spec", "schedulingGates") {
        if !gates.insert(text(gate, "name")) {
            problems.duplicate(format!("{path}.name"), &gate["name"]);
        }
    }
}

fn check_policies(spec: &Value, problems: &mut Problems) {
    let choices: [(&str, &[&str]); 3] = [
        ("dnsPolicy", &["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]),
        ("restartPolicy", &["Always", "Never", "OnFailure"]),
        ("preemptionPolicy", &["Never", "PreemptLowerPriority"]),
    ];
    for (field, supported) in choices {
        let value = text(spec, field);
        if !value.is_empty() && !supported.contains(&value) {
            problems.unsupported(format!("spec.{field}"), value, supported);
        }
    }
}

fn check_times(spec: &Value, problems: &mut Problems) {
    let grace = &spec["terminationGracePeriodSeconds"];
    if grace.as_i64().is_some_and(|seconds| seconds < 0) {
        problems.invalid("spec.terminationGracePeriodSeconds", grace, NOT_NEGATIVE);
    }
    let deadline = &spec["activeDeadlineSeconds"];
    if deadline.as_i64().is_some_and(|seconds| !(1..=i64::from(i32::MAX)).contains(&seconds)) {
        let why = "must be between 1 and 2147483647, inclusive";
        problems.invalid("spec.activeDeadlineSeconds", deadline, why);
    }
}

fn check_dns(spec: &Value, problems: &mut Problems) {
    let servers = spec["dnsConfig"]["nameservers"].as_array().map_or(0, Vec::len);
    if text(spec, "dnsPolicy") == "None" && servers == 0 {
        let why = "must provide at least one DNS nameserver when `dnsPolicy` is None";
        match spec["dnsConfig"] {
            Value::Null => problems.required("spec.dnsConfig", why),
            _ => problems.required("spec.dnsConfig.nameservers", why),
        }
    }
    if servers > 3 {
        let value = &spec["dnsConfig"]["nameservers"];
        problems.invalid("spec.dnsConfig.nameservers", value, "must not have more than 3 nameservers");
    }
    for (path, server) in items(&spec["dnsConfig"], "spec.dnsConfig", "nameservers") {
        let address = server.as_str().unwrap_or_default();
        if address.parse::<std::net::IpAddr>().is_err() {
            problems.invalid_text(
                path,
                address,
                "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
            );
        }
    }
}

fn check_selector(spec: &Value, problems: &mut Problems) {
    for (key, value) in spec["nodeSelector"].as_object().into_iter().flatten() {
        if let Some(why) = names::qualified(key) {
            problems.invalid_text("spec.nodeSelector", key, why);
        }
        let value = value.as_str().unwrap_or_default();
        if let Some(why) = names::label_value(value) {
            problems.invalid_text("spec.nodeSelector", value, why);
        }
    }
}

fn check_tolerations(spec: &Value, problems: &mut Problems) {
    for (path, toleration) in items(spec, "spec", "tolerations") {
        let (key, operator) = (text(toleration, "key"), text(toleration, "operator"));
        if !key.is_empty()
            && let Some(why) = names::qualified(key)
        {
            problems.invalid_text(format!("{path}.key"), key, why);
        }
        if key.is_empty() && operator != "Exists" {
            let why =
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            problems.invalid_text(format!("{path}.operator"), operator, why);
        }
        if !matches!(operator, "" | "Equal" | "Exists") {
            problems.unsupported(format!("{path}.operator"), operator, &["Equal", "Exists"]);
        }
        let effect = text(toleration, "effect");
        if !matches!(effect, "" | "NoSchedule" | "PreferNoSchedule" | "NoExecute") {
            let effects = ["NoExecute", "NoSchedule", "PreferNoSchedule"];
            problems.unsupported(format!("{path}.effect"), effect, &effects);
        }
    }
}
