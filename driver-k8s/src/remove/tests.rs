//! What a removal does with pods of a fake cluster.

use runtime_core::{Pod as _, StopOptions};
use serde_json::{Value, json};
use testkit::{
    engine::{Action, Fault},
    fake_k8s::store::{Part, Resource},
};

use super::*;
use crate::testing::cluster::{Cluster, IGNORES, hit};

#[test]
fn the_next_step_follows_from_the_pod() {
    let pod = |grace: Option<i64>, finalizers: Value| -> Pod {
        let mut pod = json!({"metadata": {"finalizers": finalizers}});
        if let Some(seconds) = grace {
            pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            pod["metadata"]["deletionGracePeriodSeconds"] = json!(seconds);
        }
        serde_json::from_value(pod).unwrap()
    };
    let (held, others) = (json!(["x.dev/a", "wharf.dev/stopped"]), json!(["x.dev/a"]));
    for (grace, finalizers, is_unconfirmed, expected) in [
        (None, &held, false, Step::Delete(1)),
        (Some(30), &held, false, Step::Delete(1)),
        (Some(1), &held, false, Step::Release),
        (Some(0), &held, false, Step::Release),
        (Some(1), &held, true, Step::Release),
        (Some(1), &others, false, Step::Wait),
        (Some(1), &others, true, Step::Delete(0)),
        (Some(0), &others, true, Step::Wait),
    ] {
        let step = next_step(&pod(grace, finalizers.clone()), is_unconfirmed);
        assert_eq!(step, expected, "{grace:?} {finalizers} {is_unconfirmed}");
    }
}

#[tokio::test]
async fn the_node_confirms_it() {
    let cluster = Cluster::start().await;
    let id = cluster.run("a", IGNORES, 600).await;
    let before = cluster.fake.requests().total();
    let began = Instant::now();
    cluster.driver.remove(&cluster.cx, &id).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1), "its object went first: {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(cluster.writes(before), ["DELETE pods"]);
    cluster.driver.remove(&cluster.cx, &id).await.unwrap();
    cluster.finish().await;
}

#[tokio::test]
async fn finalizers_of_others_stay() {
    let cluster = Cluster::start().await;
    let id = cluster.run("a", IGNORES, 600).await;
    let change = |change: fn(&mut Value)| {
        let changed = cluster.fake.store().patch(Part::Object, Resource::Pods, "default", "a", |pod| {
            change(pod);
            Ok(())
        });
        changed.unwrap();
    };
    change(|pod| pod["metadata"]["finalizers"] = json!(["x.dev/a"]));
    cluster.driver.stop(&cluster.cx, &id, &StopOptions::now()).await.unwrap();
    assert_eq!(cluster.pod("a").unwrap()["metadata"]["finalizers"], json!(["x.dev/a", "wharf.dev/stopped"]));
    let short = Context::background().with_timeout(Duration::from_secs(1));
    let error = cluster.driver.remove(&short, &id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    assert_eq!(cluster.pod("a").unwrap()["metadata"]["finalizers"], json!(["x.dev/a"]));
    change(|pod| pod["metadata"]["finalizers"] = json!([]));
    cluster.driver.remove(&cluster.cx, &id).await.unwrap();
    cluster.finish().await;
}

#[tokio::test]
async fn a_removal_that_is_cut_anywhere_is_finished_by_another() {
    for is_stopped in [false, true] {
        for operation in ["DELETE pods", "PATCH pods", "DELETE secrets"] {
            for late in [false, true] {
                let cluster = Cluster::start().await;
                let id = cluster.run("a", IGNORES, 600).await;
                if is_stopped {
                    cluster.driver.stop(&cluster.cx, &id, &StopOptions::now()).await.unwrap();
                }
                let fault = Fault::new(operation, Action::Hang);
                let fault = cluster.fake.faults().inject(if late { fault.late() } else { fault });
                tokio::select! {
                    // There is no such request.
                    removed = cluster.driver.remove(&cluster.cx, &id) => removed.unwrap(),
                    () = hit(&fault) => {}
                }
                cluster.fake.faults().clear();
                let other = cluster.another().await;
                other.remove(&cluster.cx, &id).await.unwrap();
                assert!(cluster.pod("a").is_none());
                cluster.finish().await;
            }
        }
    }
}

#[tokio::test]
async fn a_node_that_is_lost_is_not_waited_for() {
    let cluster = Cluster::start().await;
    let id = cluster.run("a", IGNORES, 600).await;
    let node = cluster.pod("a").unwrap()["spec"]["nodeName"].as_str().unwrap().to_owned();
    cluster.fake.kubelets().unwrap().lose_node(&node, false).unwrap();
    let (before, began) = (cluster.fake.requests().total(), Instant::now());
    cluster.driver.remove(&cluster.cx, &id).await.unwrap();
    assert_eq!(cluster.writes(before), ["DELETE pods", "DELETE pods"]);
    assert!(
        began.elapsed() >= NODE_LAG && began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
    cluster.finish().await;
}
