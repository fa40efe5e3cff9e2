//! What a pod that is waited for reports, as a cluster of version 1.36 did, and what becomes of the wait.

use std::time::Duration;

use k8s_openapi::api::core::v1 as k8s;
use runtime_core::{ErrorKind, WaitFor};
use serde_json::{Value, json};

use crate::{
    strict,
    translate::failure::{Progress, deleted, has_lost_a_container, progress},
};

const LIMIT: Duration = Duration::from_secs(60);
const STARTED: &str = "2026-11-20T20:46:33Z";
const NEVER: &str = "1970-01-01T00:00:00Z";

/// A pod with an init container and a container, which report this.
pub(super) fn pod(status: Value) -> k8s::Pod {
    pod_that(json!({"restartPolicy": "Never"}), status)
}

fn pod_that(more: Value, status: Value) -> k8s::Pod {
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "ns", "uid": "u1"},
        "spec": {
            "initContainers": [{"name": "init", "image": "i"}],
            "containers": [{"name": "main", "image": "i"}],
        },
        "status": status,
    });
    for (key, value) in more.as_object().unwrap() {
        pod["spec"][key] = value.clone();
    }
    strict::read(pod).unwrap()
}

pub(super) fn container(name: &str, state: Value) -> Value {
    let is_running = state.get("running").is_some();
    json!({"name": name, "state": state, "lastState": {}, "ready": is_running, "restartCount": 0,
           "image": "i", "imageID": "", "started": is_running})
}

/// The init container is done; the other one is so.
pub(super) fn main_is(phase: &str, state: Value) -> Value {
    let done = json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": STARTED, "finishedAt": STARTED}});
    json!({
        "phase": phase,
        "initContainerStatuses": [container("init", done)],
        "containerStatuses": [container("main", state)],
    })
}

fn waiting(reason: &str, message: &str) -> Value {
    main_is("Pending", json!({"waiting": {"reason": reason, "message": message}}))
}

pub(super) fn ended(code: i32, reason: &str, started: &str) -> Value {
    let end = json!({"exitCode": code, "reason": reason, "startedAt": started, "finishedAt": STARTED});
    main_is("Running", json!({"terminated": end}))
}

fn towards(goal: WaitFor, pod: &k8s::Pod) -> Progress {
    progress(pod, goal, Duration::ZERO, LIMIT)
}

fn reached(goal: WaitFor, status: Value) {
    let progress = towards(goal, &pod(status));
    assert!(matches!(progress, Progress::Reached), "{progress:?}");
}

fn waits(goal: WaitFor, status: Value) {
    let progress = towards(goal, &pod(status));
    assert!(matches!(progress, Progress::Wait(None)), "{progress:?}");
}

fn fails(pod: &k8s::Pod, kind: ErrorKind, transient: bool, reason: &str, words: &str) {
    for goal in [WaitFor::Running, WaitFor::Ready] {
        let Progress::Failed(error) = towards(goal, pod) else { panic!("{goal:?} {reason}: no failure") };
        assert_eq!(
            (error.kind(), error.is_transient(), error.reason()),
            (kind, transient, Some(reason)),
            "{error}"
        );
        assert!(error.message().contains(words), "{error}");
        // A pull is about the image.
        let about = if reason.contains("Pull") && reason != "ErrImageNeverPull" { "i" } else { "ns/web/u1" };
        assert!(error.object().is_some_and(|object| object.id.starts_with(about)), "{error}");
    }
}

#[test]
fn what_goes_its_way_is_waited_for() {
    for status in [
        json!({"phase": "Pending"}),
        json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]}),
        waiting("ContainerCreating", ""),
        waiting("PodInitializing", ""),
        waiting("SomethingNew", ""),
        waiting("ErrImagePull", "pull QPS exceeded"),
        json!({"phase": "Pending", "initContainerStatuses": [container("init", json!({"running": {"startedAt": STARTED}}))],
               "containerStatuses": [container("main", json!({"waiting": {"reason": "PodInitializing"}}))]}),
    ] {
        waits(WaitFor::Running, status.clone());
        waits(WaitFor::Ready, status.clone());
        reached(WaitFor::Created, status);
    }
}

#[test]
fn running_and_ready_are_two_things() {
    let mut status = main_is("Running", json!({"running": {"startedAt": STARTED}}));
    reached(WaitFor::Running, status.clone());
    waits(WaitFor::Ready, status.clone());
    status["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    reached(WaitFor::Ready, status);
}

#[test]
fn what_ran_has_started_however_it_ended() {
    for (code, reason) in [(0, "Completed"), (3, "Error"), (137, "OOMKilled")] {
        reached(WaitFor::Running, ended(code, reason, STARTED));
    }
    for (code, reason, kind) in [
        (0, "Completed", ErrorKind::Failed),
        (3, "Error", ErrorKind::Failed),
        (137, "OOMKilled", ErrorKind::ResourceExhausted),
    ] {
        let Progress::Failed(error) = towards(WaitFor::Ready, &pod(ended(code, reason, STARTED))) else {
            panic!("{reason}")
        };
        assert_eq!((error.kind(), error.reason()), (kind, Some(reason)), "{error}");
    }
}

#[test]
fn a_second_container_is_waited_for_by_name() {
    let running = json!({"running": {"startedAt": STARTED}});
    let containers = json!({"containers": [{"name": "main", "image": "i"}, {"name": "side", "image": "i"}]});
    let both = |main: Value, side: Value| {
        let status = json!({"phase": "Running", "containerStatuses": [container("side", side), container("main", main)]});
        towards(WaitFor::Running, &pod_that(containers.clone(), status))
    };
    let creating = json!({"waiting": {"reason": "ContainerCreating"}});
    assert!(matches!(both(running.clone(), creating.clone()), Progress::Wait(_)));
    assert!(matches!(both(creating, running.clone()), Progress::Wait(_)));
    assert!(matches!(both(running.clone(), running), Progress::Reached));
}

#[test]
fn containers_that_wait_for_ever_fail_at_once() {
    use ErrorKind as K;
    const NOT_FOUND: &str = "rpc error: code = NotFound desc = failed to pull and unpack image \"localhost:5000/none:1\": \
                             failed to resolve reference \"localhost:5000/none:1\": localhost:5000/none:1: not found";
    let unknown =
        |words: &str| format!("rpc error: code = Unknown desc = failed to pull and unpack image: {words}");
    let unauthorized =
        unknown("unexpected status from HEAD request to http://r/v2/a/manifests/1: 401 Unauthorized");
    let forbidden = unknown("pulling from host r failed with status code [manifests 1]: 403 Forbidden");
    let away = unknown("dial tcp 127.0.0.1:1: connect: connection refused");
    let back_off = format!("Back-off pulling image \"localhost:5000/none:1\": ErrImagePull: {NOT_FOUND}");
    for (reason, message, kind, transient) in [
        ("ErrImagePull", NOT_FOUND, K::NotFound, false),
        ("ImagePullBackOff", back_off.as_str(), K::NotFound, false),
        ("ErrImagePull", &unauthorized, K::Unauthenticated, false),
        ("ErrImagePull", &forbidden, K::PermissionDenied, false),
        ("ErrImagePull", &away, K::Unavailable, true),
        ("ErrImagePull", "something else", K::Failed, false),
        ("InvalidImageName", "couldn't parse image reference", K::InvalidArgument, false),
        (
            "ErrImageNeverPull",
            "Container image \"i\" is not present with pull policy of Never",
            K::NotFound,
            false,
        ),
        ("CreateContainerConfigError", "configmap \"none\" not found", K::Failed, false),
        ("CreateContainerError", "no command specified", K::Failed, false),
        (
            "RunContainerError",
            "exec: \"/no/such\": stat /no/such: no such file or directory",
            K::Failed,
            false,
        ),
        ("CrashLoopBackOff", "back-off 10s restarting failed container", K::Failed, false),
    ] {
        fails(&pod(waiting(reason, message)), kind, transient, reason, message);
    }
}

#[test]
fn what_never_ran_or_had_to_end_well_fails() {
    use ErrorKind as K;
    fails(&pod(ended(128, "StartError", NEVER)), K::Failed, false, "StartError", "main");
    fails(&pod(ended(127, "ContainerCannotRun", NEVER)), K::Failed, false, "ContainerCannotRun", "main");
    fails(
        &pod(ended(137, "ContainerStatusUnknown", NEVER)),
        K::Unavailable,
        true,
        "ContainerStatusUnknown",
        "node",
    );
    let init = |code: i32, reason: &str| {
        let end = json!({"terminated": {"exitCode": code, "reason": reason, "startedAt": STARTED}});
        json!({"phase": "Pending", "initContainerStatuses": [container("init", end)],
               "containerStatuses": [container("main", json!({"waiting": {"reason": "PodInitializing"}}))]})
    };
    fails(&pod(init(1, "Error")), K::Failed, false, "Error", "code 1");
    fails(&pod(init(137, "OOMKilled")), K::ResourceExhausted, false, "OOMKilled", "memory");
    waits(WaitFor::Running, init(0, "Completed"));
    // The system tries again.
    let again = pod_that(json!({"restartPolicy": "OnFailure"}), init(1, "Error"));
    assert!(matches!(towards(WaitFor::Running, &again), Progress::Wait(_)));
}

#[test]
fn one_that_ran_and_waits_to_be_started_again_has_started() {
    let mut status = waiting("CrashLoopBackOff", "back-off 10s restarting failed container");
    let end = json!({"exitCode": 3, "reason": "Error", "startedAt": STARTED, "finishedAt": STARTED});
    status["containerStatuses"][0]["lastState"] = json!({"terminated": end});
    reached(WaitFor::Running, status.clone());
    let Progress::Failed(error) = towards(WaitFor::Ready, &pod(status)) else { panic!("it is not ready") };
    assert_eq!(error.reason(), Some("CrashLoopBackOff"));
}

#[test]
fn whole_pods_fail_for_reasons_of_their_own() {
    use ErrorKind as K;
    for (phase, reason, kind, transient) in [
        ("Failed", "Evicted", K::ResourceExhausted, true),
        ("Failed", "DeadlineExceeded", K::DeadlineExceeded, false),
        ("Failed", "Preempting", K::Unavailable, true),
        ("Failed", "OutOfcpu", K::ResourceExhausted, true),
        ("Failed", "NodeShutdown", K::Unavailable, true),
        ("Running", "NodeLost", K::Unavailable, true),
        ("Failed", "SysctlForbidden", K::PermissionDenied, false),
    ] {
        let status = json!({"phase": phase, "reason": reason, "message": "in its own words"});
        fails(&pod(status), kind, transient, reason, "in its own words");
    }
    fails(&pod(json!({"phase": "Unknown"})), K::Unavailable, true, "NodeLost", "report");
    fails(&pod(json!({"phase": "Failed"})), K::Failed, false, "Failed", "failed");
    fails(
        &pod(json!({"phase": "Failed", "reason": "New", "message": "why"})),
        K::Failed,
        false,
        "Failed",
        "why",
    );
}

#[test]
fn no_node_is_waited_for_as_long_as_the_caller_says() {
    let message = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.";
    let condition =
        json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message});
    let pod = pod(json!({"phase": "Pending", "conditions": [condition]}));
    let after = |age: u64, limit: u64| {
        progress(&pod, WaitFor::Running, Duration::from_secs(age), Duration::from_secs(limit))
    };
    assert!(matches!(after(20, 60), Progress::Wait(Some(left)) if left == Duration::from_secs(40)));
    for progress in [after(60, 60), after(0, 0)] {
        let Progress::Failed(error) = progress else { panic!("{progress:?}") };
        assert_eq!((error.kind(), error.reason()), (ErrorKind::ResourceExhausted, Some("Unschedulable")));
        assert!(error.is_transient() && error.message().contains(message), "{error}");
    }
}

#[test]
fn a_pod_that_is_taken_away_fails_with_who_did_it() {
    let mut pod = pod(json!({"phase": "Pending"}));
    let gone = deleted(&pod);
    assert_eq!((gone.kind(), gone.reason()), (ErrorKind::NotFound, Some("Deleted")));
    pod.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(STARTED.parse().unwrap()));
    fails(&pod, ErrorKind::NotFound, false, "Deleted", "deleted");
    let condition =
        json!([{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]);
    pod.status.as_mut().unwrap().conditions = Some(serde_json::from_value(condition).unwrap());
    fails(&pod, ErrorKind::Unavailable, true, "PreemptionByScheduler", "place");
    // A node that was removed: its pods are said to have failed before they are deleted.
    pod.metadata.deletion_timestamp = None;
    pod.status.as_mut().unwrap().phase = Some("Failed".to_owned());
    fails(&pod, ErrorKind::Unavailable, true, "PreemptionByScheduler", "place");
}

#[test]
fn a_container_is_lost_that_is_not_started_again() {
    let running = main_is("Running", json!({"running": {"startedAt": STARTED}}));
    // The init container has ended in all of these.
    assert!(!has_lost_a_container(&pod(running)));
    for (policy, code, lost) in [
        ("Never", 0, true),
        ("Never", 3, true),
        ("OnFailure", 0, true),
        ("OnFailure", 3, false),
        ("Always", 3, false),
    ] {
        let status = ended(code, "Error", STARTED);
        let pod = pod_that(json!({"restartPolicy": policy}), status);
        assert_eq!(has_lost_a_container(&pod), lost, "{policy} {code}");
    }
}
