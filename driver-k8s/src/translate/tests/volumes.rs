//! What pods wait for whose volumes can't be had.

use std::collections::BTreeSet;

use runtime_core::ErrorKind;
use serde_json::{Value, json};

use super::failures::container;
use crate::{
    strict,
    translate::failure::volumes::{Kind, awaited},
};

fn pod(volume: Value, node: &str, status: Value) -> k8s_openapi::api::core::v1::Pod {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "ns", "uid": "u1"},
        "spec": {"nodeName": node, "volumes": [volume], "containers": [{"name": "main", "image": "i"}]},
        "status": status,
    });
    strict::read(pod).unwrap()
}

fn waiting() -> Value {
    let waiting = json!({"waiting": {"reason": "ContainerCreating"}});
    json!({"phase": "Pending", "containerStatuses": [container("main", waiting)]})
}

fn config_map() -> Value {
    json!({"name": "v", "configMap": {"name": "none"}})
}

fn names(volume: Value) -> Vec<(Kind, String)> {
    let pod = pod(volume, "n", waiting());
    awaited(&pod).into_iter().map(|source| (source.kind, source.name.to_owned())).collect()
}

#[test]
fn a_pod_on_a_node_waits_for_what_must_be_there() {
    let map = vec![(Kind::ConfigMap, "none".to_owned())];
    let secret = vec![(Kind::Secret, "none".to_owned())];
    assert_eq!(names(config_map()), map);
    assert_eq!(names(json!({"name": "v", "secret": {"secretName": "none"}})), secret);
    let sources = json!([{"configMap": {"name": "none"}}, {"secret": {"name": "none"}},
        {"configMap": {"name": "none"}}, {"downwardAPI": {}}]);
    let all = [map, secret].concat();
    assert_eq!(names(json!({"name": "v", "projected": {"sources": sources}})), all);
    assert!(names(json!({"name": "v", "configMap": {"name": "none", "optional": true}})).is_empty());
    assert!(names(json!({"name": "v", "emptyDir": {}})).is_empty());
    assert!(awaited(&pod(config_map(), "", waiting())).is_empty(), "without a node");
}

#[test]
fn a_pod_that_has_got_on_has_its_volumes() {
    let mut ready = waiting();
    ready["conditions"] = json!([{"type": "PodReadyToStartContainers", "status": "True"}]);
    assert!(awaited(&pod(config_map(), "n", ready)).is_empty());
    let running = json!({"running": {"startedAt": "2026-11-20T20:46:33Z"}});
    let status = json!({"phase": "Running", "containerStatuses": [container("main", running)]});
    assert!(awaited(&pod(config_map(), "n", status)).is_empty());
}

#[test]
fn what_is_missing_is_told() {
    let items = json!([{"key": "a", "path": "p"}, {"key": "b", "path": "q"}]);
    let pod = pod(json!({"name": "v", "configMap": {"name": "none", "items": items}}), "n", waiting());
    let source = awaited(&pod).pop_first().unwrap();
    let keys = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect::<BTreeSet<_>>();
    assert!(source.missing(&pod, Some(&keys(&["a", "b", "c"]))).is_none());
    for (there, told) in [
        (None, "config map \"none\" not found"),
        (Some(keys(&["a"])), "config map \"none\" has no key \"b\""),
    ] {
        let error = source.missing(&pod, there.as_ref()).unwrap();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Failed, Some("FailedMount")));
        assert!(error.message().contains(told) && !error.is_transient(), "{error:?}");
    }
}
