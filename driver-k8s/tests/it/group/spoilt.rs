//! Objects that somebody has spoilt.

use runtime_core::group::Loss;
use serde_json::{Value, json};
use testkit::fake_k8s::store::DeleteOptions;

use super::{Bench, NAMESPACE, executors, lively, of_both, short};
use crate::support::until;

of_both!(
    a_member_whose_lease_says_nothing_any_more_has_lost_it,
    a_lease_whose_labels_are_gone_gets_them_back,
    a_lease_that_was_removed_is_lost,
    a_dead_lease_that_says_nothing_goes_too,
    a_spoilt_lease_is_no_obstacle_for_ever,
    what_only_looks_like_a_lease_is_left_alone,
);

/// What can become of what a lease says.
const SPOILT: [fn(&mut Value); 3] = [
    |object| {
        object["metadata"].as_object_mut().unwrap().remove("annotations");
    },
    |object| {
        for value in object["metadata"]["annotations"].as_object_mut().unwrap().values_mut() {
            *value = "{\u{1f980}".into();
        }
    },
    |object| {
        object["metadata"]["annotations"] = json!({"wharf.dev/lease": "[]"});
        object.as_object_mut().unwrap().remove("spec");
    },
];

async fn a_member_whose_lease_says_nothing_any_more_has_lost_it(bench: Bench) {
    for (number, spoil) in SPOILT.into_iter().enumerate() {
        let executor = format!("e{number}");
        let member = bench.join(&executor, lively()).await;
        bench.spoil(&executor, spoil);
        assert_eq!(member.lost().await, Loss::TakenOver);
    }
}

async fn a_lease_whose_labels_are_gone_gets_them_back(bench: Bench) {
    let member = bench.join("a", lively()).await;
    bench.spoil("a", |object| {
        object["metadata"].as_object_mut().unwrap().remove("labels");
    });
    until("the labels", async || bench.lease("a").is_some()).await;
    assert_eq!(executors(member.group()).await, ["a"]);
    assert!(member.is_valid());
}

async fn a_lease_that_was_removed_is_lost(bench: Bench) {
    let member = bench.join("a", lively()).await;
    let lease = bench.lease("a").unwrap();
    let name = lease["metadata"]["name"].as_str().unwrap();
    bench.store().delete(bench.leases, NAMESPACE, name, &DeleteOptions::default()).unwrap();
    assert_eq!(member.lost().await, Loss::Removed);
    assert!(bench.lease("a").is_none(), "it does not come back");
}

async fn a_dead_lease_that_says_nothing_goes_too(bench: Bench) {
    let a = bench.join("a", short()).await;
    for (number, spoil) in SPOILT.into_iter().enumerate() {
        let executor = format!("e{number}");
        drop(bench.join(&executor, short()).await);
        bench.spoil(&executor, spoil);
    }
    assert_eq!(executors(a.group()).await, ["a", "e0", "e1", "e2"]);
    until("their end", async || executors(a.group()).await == ["a"]).await;
    until("their leases' end", async || (0..3).all(|number| bench.lease(&format!("e{number}")).is_none()))
        .await;
    assert!(a.is_valid());
}

async fn a_spoilt_lease_is_no_obstacle_for_ever(bench: Bench) {
    let first = bench.join("a", short()).await;
    let before = first.epoch().clone();
    drop(first);
    bench.spoil("a", SPOILT[0]);
    let second = bench.join("a", short()).await;
    assert!(!second.epoch().same_tenure(&before), "nobody knows what went on");
    assert!(!second.epoch().tenure.is_empty());
    bench.renewed("a", 1).await;
    assert!(second.is_valid());
}

async fn what_only_looks_like_a_lease_is_left_alone(bench: Bench) {
    let a = bench.join("a", short()).await;
    let like = |name: &str, labels: Value| json!({"metadata": {"name": name, "labels": labels}});
    let group = a.group().id();
    for object in [
        like("by-hand", json!({"wharf.dev/group": group, "wharf.dev/executor": "x"})),
        like("without-executor", json!({"wharf.dev/group": group})),
        like("of-another", json!({"wharf.dev/group": "other", "wharf.dev/executor": "a"})),
    ] {
        bench.store().create(bench.leases, NAMESPACE, object).unwrap();
    }
    // One that is removed for being stale shows that the others could have been.
    drop(bench.join("b", short()).await);
    assert_eq!(executors(a.group()).await, ["a", "b"]);
    until("the end of b", async || bench.lease("b").is_none()).await;
    for name in ["by-hand", "without-executor", "of-another"] {
        bench.store().get(bench.leases, NAMESPACE, name).unwrap();
    }
}
