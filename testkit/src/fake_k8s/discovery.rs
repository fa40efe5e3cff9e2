//! What is served, for clients that look.

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::route::{AUTHORIZATION, COORDINATION, Discovery, METRICS};
use super::store::Resource;

/// The version of the cluster that the fake is like.
pub(super) fn version() -> Value {
    json!({
        "major": "1",
        "minor": "36",
        "emulationMajor": "1",
        "emulationMinor": "36",
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35",
        "gitVersion": "v0.0.0-master+$Format:%H$",
        "gitCommit": "$Format:%H$",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "go1.26.6",
        "compiler": "gc",
        "platform": "linux/amd64",
    })
}

/// The answer to a question about what there is.
pub(super) fn describe(cluster: &Cluster, what: &Discovery) -> Value {
    match what {
        Discovery::CoreVersions => json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": cluster.address}],
        }),
        Discovery::Groups => {
            let groups: Vec<_> =
                cluster.served.groups().map(|(name, version)| group(name, version)).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        }
        Discovery::Group(name) => {
            let version = cluster.served.groups().find(|(group, _)| group == name).map_or("v1", |(_, it)| it);
            let mut described = group(name, version);
            described["kind"] = "APIGroup".into();
            described["apiVersion"] = "v1".into();
            described
        }
        Discovery::Resources(name) => json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": match name.as_str() {
                "" => "v1".to_owned(),
                METRICS => format!("{METRICS}/v1beta1"),
                name => format!("{name}/v1"),
            },
            "resources": resources(name),
        }),
    }
}

fn group(name: &str, version: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/{version}"), "version": version});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

fn resources(group: &str) -> Vec<Value> {
    match group {
        AUTHORIZATION => [
            ("selfsubjectaccessreviews", "SelfSubjectAccessReview"),
            ("selfsubjectrulesreviews", "SelfSubjectRulesReview"),
        ]
        .into_iter()
        .map(|(name, kind)| {
            let singular = kind.to_lowercase();
            json!({"name": name, "singularName": singular, "namespaced": false, "kind": kind, "verbs": ["create"]})
        })
        .collect(),
        METRICS => vec![json!({
            "name": "pods", "singularName": "", "namespaced": true, "kind": "PodMetrics", "verbs": ["get", "list"],
        })],
        group => {
            let kept = Resource::ALL.into_iter().filter(|resource| resource.group() == group);
            kept.flat_map(|resource| std::iter::once(whole(resource)).chain(parts(resource))).collect()
        }
    }
}

fn whole(resource: Resource) -> Value {
    let mut described = json!({
        "name": resource.plural(),
        "singularName": resource.singular(),
        "namespaced": resource.is_namespaced(),
        "kind": resource.kind(),
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    });
    if !resource.short_names().is_empty() {
        described["shortNames"] = json!(resource.short_names());
    }
    if resource.group() == COORDINATION {
        described["storageVersionHash"] = "gqkMMb/YqFM=".into();
    }
    described
}

fn parts(resource: Resource) -> Vec<Value> {
    let part = |name: &str, kind: &str, verbs: &[&str]| {
        json!({
            "name": format!("{}/{name}", resource.plural()),
            "singularName": "",
            "namespaced": resource.is_namespaced(),
            "kind": kind,
            "verbs": verbs,
        })
    };
    let mut parts = Vec::new();
    if resource == Resource::Pods {
        parts.push(part("attach", "PodAttachOptions", &["create", "get"]));
        parts.push(part("exec", "PodExecOptions", &["create", "get"]));
        parts.push(part("log", "Pod", &["get"]));
        parts.push(part("portforward", "PodPortForwardOptions", &["create", "get"]));
    }
    if resource.has_status() {
        parts.push(part("status", resource.kind(), &["get", "patch", "update"]));
    }
    parts
}
