//! What nodes tell of volumes that can't be had.

use k8s_openapi::api::core::v1::Event;
use runtime_core::ErrorKind;
use serde_json::{Value, json};

use super::failures::container;
use crate::{
    strict,
    translate::failure::volumes::{may_wait_for_volumes, missing},
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

fn told(uid: &str, reason: &str, message: &str) -> Event {
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "ns"},
        "involvedObject": {"kind": "Pod", "uid": uid}, "reason": reason, "message": message,
    });
    strict::read(event).unwrap()
}

#[test]
fn a_pod_on_a_node_may_wait_for_what_may_be_missing() {
    for volume in [
        config_map(),
        json!({"name": "v", "secret": {"secretName": "none"}}),
        json!({"name": "v", "projected": {"sources": []}}),
        json!({"name": "v", "hostPath": {"path": "/v", "type": "File"}}),
    ] {
        assert!(may_wait_for_volumes(&pod(volume, "n", waiting())));
    }
    assert!(!may_wait_for_volumes(&pod(json!({"name": "v", "emptyDir": {}}), "n", waiting())));
    assert!(!may_wait_for_volumes(&pod(config_map(), "", waiting())), "without a node");
}

#[test]
fn a_pod_that_has_got_on_has_its_volumes() {
    let mut ready = waiting();
    ready["conditions"] = json!([{"type": "PodReadyToStartContainers", "status": "True"}]);
    assert!(!may_wait_for_volumes(&pod(config_map(), "n", ready)));
    let running = json!({"running": {"startedAt": "2026-11-20T20:46:33Z"}});
    let status = json!({"phase": "Running", "containerStatuses": [container("main", running)]});
    assert!(!may_wait_for_volumes(&pod(config_map(), "n", status)));
}

#[test]
fn what_is_missing_for_good_is_told_with_the_nodes_words() {
    let pod = pod(config_map(), "n", waiting());
    for why in [
        "configmap \"none\" not found",
        "secret \"none\" not found",
        "[configmap \"none\" not found, secret \"other\" not found]",
        "references non-existent config key: k",
        "references non-existent secret key: k",
        "hostPath type check failed: /v is not a file",
    ] {
        let message = format!("MountVolume.SetUp failed for volume \"v\" : {why}");
        let error = missing(&pod, &[told("u1", "FailedMount", &message)]).unwrap();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Failed, Some("FailedMount")));
        assert!(error.message().contains(why) && !error.is_transient(), "{error:?}");
    }
}

#[test]
fn what_passes_is_waited_for() {
    let pod = pod(config_map(), "n", waiting());
    let missing_map = "MountVolume.SetUp failed for volume \"v\" : configmap \"none\" not found";
    for event in [
        told(
            "u1",
            "FailedMount",
            "MountVolume.SetUp failed for volume \"v\" : failed to sync configmap cache: timed out waiting for the condition",
        ),
        told(
            "u1",
            "FailedMount",
            "MountVolume.SetUp failed for volume \"v\" : object \"ns\"/\"none\" not registered",
        ),
        told(
            "u1",
            "FailedMount",
            "MountVolume.MountDevice failed for volume \"v\" : driver name d not found in the list of registered CSI drivers",
        ),
        told("u2", "FailedMount", missing_map),
        told("u1", "Pulling", missing_map),
    ] {
        assert!(missing(&pod, &[event]).is_none());
    }
}
