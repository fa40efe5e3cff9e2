//! What a stop does with pods of a fake cluster, and what is left of them.

use futures::{StreamExt, future::join};
use runtime_core::{
    ContainerId, ContainerPhase, Driver, ExitCause, LogOptions, Pod as _, PodFilter, PodPhase,
};
use testkit::engine::{Action, Fault};

use super::*;
use crate::testing::cluster::{Cluster, IGNORES, LISTENS, hit, until};

/// A pod that a node runs, with a grace period of its own.
fn running(own: i64) -> Value {
    json!({
        "metadata": {"name": "a", "uid": "u"},
        "spec": {"nodeName": "n", "terminationGracePeriodSeconds": own, "containers": []},
        "status": {"phase": "Running", "startTime": "2026-01-01T00:00:00Z"},
    })
}

fn step(pod: &Value, grace: f64, elapsed: f64) -> Step {
    let pod: Pod = serde_json::from_value(pod.clone()).unwrap();
    next_step(&pod, Duration::from_secs_f64(grace), Duration::from_secs_f64(elapsed))
}

fn with(mut pod: Value, change: &Value) -> Value {
    json_merge(&mut pod, change);
    pod
}

fn json_merge(object: &mut Value, patch: &Value) {
    match patch {
        Value::Object(fields) if object.is_object() => {
            for (key, value) in fields {
                json_merge(&mut object[key], value);
            }
        }
        _ => *object = patch.clone(),
    }
}

#[test]
fn the_next_step_follows_from_the_pod() {
    let plain = running(30);
    let expiring = with(plain.clone(), &expire("u"));
    let held = with(plain.clone(), &ending::hold("u"));
    let going = |pod: &Value, seconds: i64| {
        let metadata =
            json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": seconds});
        with(pod.clone(), &json!({"metadata": metadata}))
    };
    let unbound =
        json!({"metadata": {"uid": "u"}, "spec": {"containers": []}, "status": {"phase": "Pending"}});
    let not_begun = with(running(30), &json!({"status": {"startTime": null, "phase": "Pending"}}));
    let ended = with(plain.clone(), &json!({"status": {"phase": "Failed"}}));
    let own_deadline = with(held.clone(), &json!({"spec": {"activeDeadlineSeconds": 600}}));
    for (pod, grace, elapsed, expected) in [
        // As much as the pod's own, or less.
        (&plain, 30.0, 0.0, Step::Expire),
        (&plain, 0.2, 0.0, Step::Expire),
        (&expiring, 30.0, 0.0, Step::Trust),
        (&expiring, 30.0, 99.0, Step::Trust),
        (&expiring, 10.0, 9.9, Step::Wait),
        (&expiring, 10.0, 10.0, Step::Hold),
        (&with(held.clone(), &expire("u")), 10.0, 10.0, Step::Delete(1)),
        (&going(&held, 1), 10.0, 10.0, Step::Trust),
        // At once.
        (&plain, 0.0, 0.0, Step::Hold),
        (&expiring, 0.0, 0.0, Step::Hold),
        (&held, 0.0, 0.0, Step::Delete(1)),
        (&going(&held, 1), 0.0, 0.0, Step::Trust),
        (&going(&held, 60), 0.0, 0.0, Step::Delete(1)),
        // More.
        (&plain, 30.5, 0.0, Step::Hold),
        (&held, 30.5, 0.0, Step::Delete(31)),
        (&held, 90.0, 30.0, Step::Delete(60)),
        (&going(&held, 60), 60.0, 0.0, Step::Trust),
        // Somebody else's.
        (&going(&plain, 30), 60.0, 0.0, Step::Trust),
        (&going(&plain, 30), 10.0, 0.0, Step::Wait),
        (&going(&plain, 30), 10.0, 10.0, Step::Delete(1)),
        (&own_deadline, 5.0, 0.0, Step::Expire),
        // What runs nowhere.
        (&unbound, 10.0, 0.0, Step::Hold),
        (&with(unbound.clone(), &ending::hold("u")), 10.0, 0.0, Step::Delete(10)),
        (&going(&unbound, 0), 10.0, 0.0, Step::Done),
        (&not_begun, 10.0, 0.0, Step::Hold),
        (&ended, 10.0, 0.0, Step::Done),
        (&going(&ended, 0), 10.0, 0.0, Step::Done),
    ] {
        assert_eq!(step(pod, grace, elapsed), expected, "{grace} s after {elapsed} s: {pod}");
    }
}

#[test]
fn grace_periods_are_whole_seconds_and_never_too_short() {
    for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (30_500, 31), (u64::MAX, u32::MAX)] {
        assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds, "{millis}");
    }
}

/// What others see of a pod that was stopped, and that it can be removed.
async fn is_stopped_and_removable(cluster: &Cluster, id: &PodId, cause: ExitCause) {
    let (other, cx) = (cluster.another().await, &cluster.cx);
    let status = other.status(cx, id).await.unwrap();
    assert_eq!(status.summary.phase, PodPhase::Stopped, "{status:?}");
    let listed = other.list(cx, &PodFilter::default()).await.unwrap();
    assert_eq!(listed.iter().map(|pod| (&pod.id, pod.phase)).collect::<Vec<_>>(), [(id, PodPhase::Stopped)]);
    let container = ContainerId::new(format!("{id}/main"));
    let containers = other.containers().unwrap();
    assert_eq!(containers.wait(cx, &container).await.unwrap().cause, cause);
    assert_eq!(containers.status(cx, &container).await.unwrap().summary.phase, ContainerPhase::Exited);
    other.stop(cx, id, &StopOptions::now()).await.unwrap();
    other.remove(cx, id).await.unwrap();
    assert!(cluster.pod("a").is_none());
}

/// Stops a pod: what was asked of the server for that, and how long it took.
async fn stop(cluster: &Cluster, id: &PodId, grace: Duration) -> (Vec<String>, Duration) {
    let (before, began) = (cluster.fake.requests().total(), Instant::now());
    cluster.driver.stop(&cluster.cx, id, &StopOptions::after(grace)).await.unwrap();
    (cluster.writes(before), began.elapsed())
}

#[tokio::test]
async fn who_listens_keeps_its_log() {
    let cluster = Cluster::start().await;
    let id = cluster.run("a", LISTENS, 30).await;
    let (writes, took) = stop(&cluster, &id, Duration::from_secs(10)).await;
    assert_eq!(writes, ["PATCH pods"]);
    assert!(took < Duration::from_secs(8), "{took:?}");
    let container = ContainerId::new(format!("{id}/main"));
    let log = cluster
        .driver
        .containers()
        .unwrap()
        .logs(&cluster.cx, &container, &LogOptions::default())
        .await
        .unwrap();
    let lines: Vec<_> = log.map(|line| line.unwrap().text()).collect().await;
    assert_eq!(lines, ["ready", "bye"]);
    is_stopped_and_removable(&cluster, &id, ExitCause::Exited(6)).await;
    cluster.finish().await;
}

#[tokio::test]
async fn less_time_than_the_pods_own() {
    let cluster = Cluster::start().await;
    let id = cluster.run("a", IGNORES, 600).await;
    let (writes, took) = stop(&cluster, &id, Duration::from_secs(2)).await;
    assert_eq!(writes, ["PATCH pods", "PATCH pods", "DELETE pods"]);
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(9), "{took:?}");
    is_stopped_and_removable(&cluster, &id, ExitCause::Exited(137)).await;
    cluster.finish().await;
}

#[tokio::test]
async fn more_time_than_the_pods_own() {
    let cluster = Cluster::start().await;
    let script = "trap 'sleep 2.5; exit 6' TERM; echo ready; while :; do sleep 0.1; done";
    let id = cluster.run("a", script, 1).await;
    let (writes, took) = stop(&cluster, &id, Duration::from_secs(20)).await;
    assert_eq!(writes, ["PATCH pods", "DELETE pods"]);
    assert!(took >= Duration::from_millis(2500) && took < Duration::from_secs(12), "{took:?}");
    is_stopped_and_removable(&cluster, &id, ExitCause::Exited(6)).await;
    cluster.finish().await;
}

#[tokio::test]
async fn no_time_at_all() {
    let cluster = Cluster::start().await;
    let id = cluster.run("a", IGNORES, 600).await;
    let (writes, took) = stop(&cluster, &id, Duration::ZERO).await;
    assert_eq!(writes, ["PATCH pods", "DELETE pods"]);
    assert!(took < Duration::from_secs(6), "{took:?}");
    // The log goes once the node has cleared up, and that is said.
    let container = ContainerId::new(format!("{id}/main"));
    let has_no_log = async || {
        let containers = cluster.driver.containers().unwrap();
        let mut log = containers.logs(&cluster.cx, &container, &LogOptions::default()).await.unwrap();
        match log.next().await {
            Some(Err(error)) if error.kind() == ErrorKind::NotFound => true,
            Some(Err(error)) => panic!("{error}"),
            Some(Ok(_)) | None => false,
        }
    };
    until("its log is gone", has_no_log).await;
    is_stopped_and_removable(&cluster, &id, ExitCause::Exited(137)).await;
    cluster.finish().await;
}

#[tokio::test]
async fn a_hurry_overtakes_patience() {
    for (own, patient) in [(600, 80), (1, 80)] {
        let cluster = Cluster::start().await;
        let id = cluster.run("a", IGNORES, own).await;
        let (other, began) = (cluster.another().await, Instant::now());
        let (first, ()) = join(stop(&cluster, &id, Duration::from_secs(patient)), async {
            cluster.fake.requests().wait_for(|request| request.operation == "PATCH pods").await;
            other.stop(&cluster.cx, &id, &StopOptions::after(Duration::from_secs(1))).await.unwrap();
        })
        .await;
        assert!(began.elapsed() < Duration::from_secs(10), "{own} {:?} {first:?}", began.elapsed());
        is_stopped_and_removable(&cluster, &id, ExitCause::Exited(137)).await;
        cluster.finish().await;
    }
}

#[tokio::test]
async fn what_no_node_has_never_runs() {
    let cluster = Cluster::start().await;
    let nowhere = json!({"nodeSelector": {"kubernetes.io/arch": "arm64"}});
    let id = cluster.make("a", LISTENS, 30, nowhere).await;
    let (writes, took) = stop(&cluster, &id, Duration::from_secs(10)).await;
    assert_eq!(writes, ["PATCH pods", "DELETE pods"]);
    assert!(took < Duration::from_secs(2), "{took:?}");
    is_stopped_and_removable(&cluster, &id, ExitCause::Removed).await;
    cluster.finish().await;
}

#[tokio::test]
async fn what_others_delete_meanwhile() {
    let cluster = Cluster::start().await;
    let id = cluster.run("a", IGNORES, 600).await;
    let hold = cluster.fake.faults().inject(Fault::new("PATCH pods", Action::Hang));
    let deleted = async {
        cluster.fake.requests().wait_for(|request| request.operation == "PATCH pods").await;
        let key = PodKey::parse(&id).unwrap();
        cluster.another().await.delete_life(&cluster.cx, &key, 300).await.unwrap();
        hold.release();
    };
    let (stopped, ()) = join(cluster.driver.stop(&cluster.cx, &id, &StopOptions::now()), deleted).await;
    stopped.unwrap();
    // Nothing holds it.
    cluster.driver.remove(&cluster.cx, &id).await.unwrap();
    assert!(cluster.pod("a").is_none());
    cluster.finish().await;
}

#[tokio::test]
async fn a_stop_that_is_cut_anywhere_is_finished_by_another() {
    for (own, grace) in [(600, Duration::from_secs(1)), (600, Duration::ZERO), (1, Duration::from_secs(3))] {
        for operation in ["PATCH pods", "DELETE pods"] {
            for (which, late) in [(0, false), (0, true), (1, false), (1, true)] {
                let cluster = Cluster::start().await;
                let id = cluster.run("a", IGNORES, own).await;
                let fault = Fault::new(operation, Action::Hang).after(which);
                let fault = cluster.fake.faults().inject(if late { fault.late() } else { fault });
                let options = StopOptions::after(grace);
                let stopping = cluster.driver.stop(&cluster.cx, &id, &options);
                tokio::select! {
                    // There are no so many requests.
                    stopped = stopping => stopped.unwrap(),
                    () = hit(&fault) => {}
                }
                cluster.fake.faults().clear();
                let other = cluster.another().await;
                other.stop(&cluster.cx, &id, &StopOptions::now()).await.unwrap();
                is_stopped_and_removable(&cluster, &id, ExitCause::Exited(137)).await;
                cluster.finish().await;
            }
        }
    }
}

#[tokio::test]
async fn what_runs_on_a_lost_node() {
    let cluster = Cluster::start().await;
    let id = cluster.run("a", IGNORES, 600).await;
    let node = cluster.pod("a").unwrap()["spec"]["nodeName"].as_str().unwrap().to_owned();
    cluster.fake.kubelets().unwrap().lose_node(&node, false).unwrap();
    let began = Instant::now();
    let error = cluster.driver.stop(&cluster.cx, &id, &StopOptions::now()).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.to_string().contains(&node), "{error}");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(cluster.driver.status(&cluster.cx, &id).await.unwrap().summary.phase, PodPhase::Running);
    cluster.driver.remove(&cluster.cx, &id).await.unwrap();
    assert!(cluster.pod("a").is_none());
    cluster.finish().await;
}
