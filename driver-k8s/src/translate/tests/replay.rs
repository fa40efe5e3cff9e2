//! Recordings of a cluster of version 1.36, event by event: where each wait ends, and how.

use std::{path::Path, time::Duration};

use k8s_openapi::api::core::v1 as k8s;
use runtime_core::{ErrorKind, ExitCause, WaitFor};
use serde_json::Value;

use crate::translate::{
    failure::{Progress, deleted, progress},
    pod_spec,
    status::{exit, pod_status},
};

/// The pods of a recording's events in their order, each with the kind of event. `None` where there are no recordings.
fn events(name: &str) -> Option<Vec<(String, k8s::Pod)>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/recordings/kubernetes").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("not replayed: {} is not there", path.display());
        return None;
    };
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    let events = all.into_iter().filter_map(|entry| entry.get("event").cloned());
    let pods = events.filter(|event| event["type"] != "BOOKMARK");
    Some(
        pods.map(|event| {
            let kind = event["type"].as_str().unwrap().to_owned();
            (kind, serde_json::from_value(event["object"].clone()).unwrap())
        })
        .collect(),
    )
}

/// Which event ends the wait, counted from 0, and how.
fn end_of_wait(events: &[(String, k8s::Pod)], goal: WaitFor, limit: Duration) -> (usize, Progress) {
    for (index, (kind, pod)) in events.iter().enumerate() {
        if kind == "DELETED" {
            return (index, Progress::Failed(deleted(pod)));
        }
        match progress(pod, goal, Duration::from_secs(index as u64), limit) {
            Progress::Wait(_) => {}
            end => return (index, end),
        }
    }
    panic!("the wait never ends")
}

#[test]
fn each_wait_ends_at_its_event() {
    use ErrorKind as K;
    let failed = |index, kind, reason| (index, Some((kind, reason)));
    for (name, expected) in [
        ("watch-init-then-run-then-delete.json", (6, None)),
        ("watch-graceful-delete-ignores-term.json", (4, None)),
        ("watch-exit-3-at-once.json", (4, None)),
        ("watch-oom-killed.json", (4, None)),
        ("watch-command-not-found.json", failed(4, K::Failed, "StartError")),
        ("watch-image-not-found.json", failed(4, K::NotFound, "ErrImagePull")),
        ("watch-missing-config-map.json", failed(4, K::Failed, "CreateContainerConfigError")),
        ("watch-unschedulable-arch.json", failed(1, K::ResourceExhausted, "Unschedulable")),
    ] {
        let Some(events) = events(name) else { return };
        for goal in [WaitFor::Running, WaitFor::Ready] {
            let (index, end) = end_of_wait(&events, goal, Duration::ZERO);
            let told = match &end {
                Progress::Failed(error) => Some((error.kind(), error.reason().unwrap_or_default())),
                _ => None,
            };
            assert_eq!((index, told), expected, "{name}: {end:?}");
        }
    }
}

#[test]
fn who_looks_late_learns_the_same() {
    let late = |name, index: usize| events(name).map(|events| events[index].1.clone());
    let (Some(crashed), Some(oom)) = (late("watch-exit-3-at-once.json", 6), late("watch-oom-killed.json", 6))
    else {
        return;
    };
    assert_eq!(exit(&crashed, "maincontainer").unwrap().cause, ExitCause::Exited(3));
    assert_eq!(exit(&oom, "maincontainer").unwrap().cause, ExitCause::OomKilled);
    for (pod, kind) in [(crashed, ErrorKind::Failed), (oom, ErrorKind::ResourceExhausted)] {
        let towards = |goal| progress(&pod, goal, Duration::ZERO, Duration::ZERO);
        assert!(matches!(towards(WaitFor::Running), Progress::Reached));
        let Progress::Failed(error) = towards(WaitFor::Ready) else { panic!("it is ready") };
        assert_eq!(error.kind(), kind, "{error}");
    }
    let deleted_while_pending = late("watch-unschedulable-arch.json", 2).unwrap();
    let long = Duration::from_secs(60);
    let Progress::Failed(error) = progress(&deleted_while_pending, WaitFor::Running, Duration::ZERO, long)
    else {
        panic!("it is waited for")
    };
    assert_eq!((error.kind(), error.reason()), (ErrorKind::NotFound, Some("Deleted")));
}

#[test]
fn every_recorded_pod_can_be_read() {
    for name in [
        "watch-init-then-run-then-delete.json",
        "watch-graceful-delete-ignores-term.json",
        "watch-missing-config-map.json",
        "watch-oom-killed.json",
        "watch-unschedulable-arch.json",
    ] {
        let Some(events) = events(name) else { return };
        for (_, pod) in events {
            let status = pod_status(&pod);
            assert!(status.summary.created_at.is_some(), "{name}");
            let spec = pod_spec(pod, None).unwrap();
            assert_eq!(spec.containers[0].name, "maincontainer");
        }
    }
}
