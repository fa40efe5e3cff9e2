//! What pods and containers report.

use runtime_core::{ContainerPhase, ExitCause, PodPhase, spec::ContainerSpec};
use serde_json::json;

use super::{
    as_server,
    failures::{container, ended, main_is, pod},
    made, plain,
};
use crate::translate::status::{
    container_status, container_summaries, exit, is_ready, pod_status, pod_summary,
};

const STARTED: &str = "2026-11-20T20:46:33Z";

#[test]
fn an_end_has_its_cause() {
    for (code, reason, cause) in [
        (0, "Completed", ExitCause::Exited(0)),
        (3, "Error", ExitCause::Exited(3)),
        (137, "Error", ExitCause::Exited(137)),
        (137, "OOMKilled", ExitCause::OomKilled),
        (128, "StartError", ExitCause::Exited(128)),
        (137, "ContainerStatusUnknown", ExitCause::Unknown),
    ] {
        let exit = exit(&pod(ended(code, reason, STARTED)), "main").unwrap();
        assert_eq!(exit.cause, cause, "{reason}");
        assert_eq!(exit.finished_at, Some(STARTED.parse().unwrap()));
    }
    let signal = json!({"terminated": {"exitCode": 137, "signal": 9}});
    assert_eq!(exit(&pod(main_is("Failed", signal)), "main").unwrap().cause, ExitCause::Signaled(9));
}

#[test]
fn the_end_of_a_pod_is_that_of_its_containers() {
    let with = |reason: &str, state| {
        let mut status = main_is("Failed", state);
        status["reason"] = json!(reason);
        exit(&pod(status), "main").unwrap().cause
    };
    let killed = json!({"terminated": {"exitCode": 137, "reason": "Error"}});
    let never = json!({"waiting": {"reason": "ContainerCreating"}});
    assert_eq!(with("DeadlineExceeded", killed.clone()), ExitCause::DeadlineExceeded);
    assert_eq!(with("DeadlineExceeded", never.clone()), ExitCause::DeadlineExceeded);
    assert_eq!(with("Evicted", killed), ExitCause::Exited(137));
    assert_eq!(with("Evicted", never), ExitCause::Removed);
}

#[test]
fn who_waits_to_be_started_again_has_ended() {
    let mut status =
        main_is("Running", json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}));
    status["containerStatuses"][0]["lastState"] =
        json!({"terminated": {"exitCode": 4, "startedAt": STARTED}});
    status["containerStatuses"][0]["restartCount"] = json!(2);
    let status = container_status(&pod(status), "main").unwrap();
    assert_eq!(status.summary.phase, ContainerPhase::Exited);
    assert_eq!(status.exit.unwrap().cause, ExitCause::Exited(4));
    assert_eq!((status.restart_count, status.reason.as_deref()), (Some(2), Some("CrashLoopBackOff")));
    assert_eq!(status.system_state, "Waiting");
}

#[test]
fn what_is_not_reported_is_none() {
    let pod = pod(json!({"phase": "Pending"}));
    let status = container_status(&pod, "main").unwrap();
    assert_eq!(status.summary.phase, ContainerPhase::Created);
    assert_eq!(status.summary.image_id, None);
    assert_eq!((status.started_at, &status.exit, status.restart_count), (None, &None, None));
    assert_eq!((status.ready, &status.resources, &status.log_path), (None, &None, &None));
    assert_eq!(status.summary.attempt, None, "wharf didn't make it");
    assert_eq!(is_ready(&pod, "main"), None);
    assert!(container_status(&pod, "nobody").is_none());
    assert_eq!(pod_summary(&pod).created_at, None);
}

#[test]
fn what_was_asked_for_is_told() {
    let mut spec = plain().with_label("app", "web").with_annotation("note", "any text");
    spec.containers[0] = spec.containers[0].clone().with_label("part", "front");
    spec.containers.push(ContainerSpec::new("side", "image:2"));
    (spec.uid, spec.attempt, spec.namespace) = (Some("1234-abcd".into()), 2, Some("ns".into()));
    let mut pod = made(&spec).pod;
    as_server(&mut pod);
    let status = json!({
        "phase": "Running",
        "podIP": "10.88.0.131",
        "podIPs": [{"ip": "10.88.0.131"}, {"ip": "fd00::1"}],
        // In an order of its own.
        "containerStatuses": [
            container("side", json!({"waiting": {"reason": "ContainerCreating"}})),
            container("main", json!({"running": {"startedAt": STARTED}})),
        ],
    });
    pod.status = Some(serde_json::from_value(status).unwrap());
    let status = pod_status(&pod);
    let summary = &status.summary;
    assert_eq!(summary.id.as_str(), "ns/web/753f9b6e");
    assert_eq!((summary.uid.as_deref(), summary.attempt), (Some("1234-abcd"), Some(2)));
    assert_eq!((&summary.labels, &summary.annotations), (&spec.labels, &spec.annotations));
    assert_eq!((summary.phase, status.system_state.as_str()), (PodPhase::Running, "Running"));
    assert_eq!(status.addresses.len(), 2);
    let all = container_summaries(&pod);
    assert_eq!(all.iter().map(|container| container.name.as_str()).collect::<Vec<_>>(), ["main", "side"]);
    let main = container_status(&pod, "main").unwrap();
    assert_eq!(main.summary.id.as_str(), "ns/web/753f9b6e/main");
    assert_eq!(main.summary.labels, spec.containers[0].labels);
    assert_eq!((main.summary.phase, main.ready), (ContainerPhase::Running, Some(true)));
    assert_eq!(main.started_at, Some(STARTED.parse().unwrap()));
    assert_eq!(container_status(&pod, "side").unwrap().summary.phase, ContainerPhase::Created);
    pod.spec.as_mut().unwrap().host_network = Some(true);
    assert!(pod_status(&pod).addresses.is_empty());
}
