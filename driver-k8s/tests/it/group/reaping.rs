//! Pods of the dead.

use std::time::Duration;

use futures::future::{Either, select};
use runtime_core::{Client, group::Membership, spec::PodSpec};
use serde_json::json;
use testkit::fake_k8s::{
    refuse,
    store::{ListOptions, Resource, Selection},
};

use super::{Bench, NAMESPACE, cx, of_both, open, short};
use crate::support::until;

of_both!(the_pods_of_the_dead_go_and_those_of_the_living_stay, who_has_lost_its_lease_reaps_nothing);

/// Puts a pod into the cluster that carries what such a spec does, as it would be on a node.
fn put(bench: &Bench, spec: &PodSpec) {
    let pod = json!({
        "metadata": {"name": spec.name, "labels": spec.labels},
        "spec": {"nodeName": "n1", "containers": [{"name": "main", "image": "busybox"}]},
    });
    bench.store().create(Resource::Pods, NAMESPACE, pod).unwrap();
}

fn add(bench: &Bench, membership: &Membership, name: &str) {
    put(bench, &membership.stamp(PodSpec::new(name)).unwrap());
}

fn pods(bench: &Bench) -> Vec<String> {
    let selection = Selection::namespace(NAMESPACE);
    let list = bench.store().list(Resource::Pods, &selection, &ListOptions::default()).unwrap();
    list.items.iter().map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

async fn the_pods_of_the_dead_go_and_those_of_the_living_stay(bench: Bench) {
    bench.clock().set_offset_seconds(-300);
    let driver = bench.driver().await;
    let a = open(&driver, short()).await.join(&cx(), "a").await.unwrap();
    let b = bench.join("b", short()).await;
    let c = bench.join("c", short()).await;
    for (membership, names) in [(&a, ["a1", "a2"]), (&b, ["b1", "b2"]), (&c, ["c1", "c2"])] {
        for name in names {
            add(&bench, membership, name);
        }
    }
    put(&bench, &PodSpec::new("nobodys"));
    put(&bench, &PodSpec::new("by-hand").with_label("wharf.dev/group", a.group().id()));
    let of_another = PodSpec::new("of-another").with_label("wharf.dev/group", "other");
    put(&bench, &of_another.with_label("wharf.dev/executor", "b").with_label("wharf.dev/tenure", "t"));
    let living = ["a1", "a2", "by-hand", "c1", "c2", "nobodys", "of-another"];

    // A removal that is refused is tried again.
    let refused = bench.faults().inject(refuse("DELETE pods", 403, None));
    let reaper = a.reaper(Client::new(driver));
    let reaping = reaper.run(Duration::from_millis(100), |report| drop(report.unwrap()));
    let watching = async {
        bench.renewed("b", 2).await;
        assert_eq!(pods(&bench).len(), living.len() + 2);
        drop(b);
        until("the end of b's pods", async || {
            let left = pods(&bench);
            assert!(living.iter().all(|name| left.iter().any(|left| left == name)), "{left:?}");
            left.len() == living.len()
        })
        .await;
        assert!(bench.lease("b").is_none(), "the pods go after the lease");
        bench.renewed("c", 2).await;
    };
    match select(Box::pin(reaping), Box::pin(watching)).await {
        Either::Left((loss, _)) => panic!("the reaper has ended: {loss}"),
        Either::Right(((), _)) => {}
    }
    assert_eq!(pods(&bench), living);
    assert_eq!(refused.hits(), 1);
    assert!(a.is_valid() && c.is_valid());
}

async fn who_has_lost_its_lease_reaps_nothing(bench: Bench) {
    let driver = bench.driver().await;
    let a = open(&driver, short()).await.join(&cx(), "a").await.unwrap();
    let b = bench.join("b", short()).await;
    add(&bench, &b, "b1");
    b.leave(&cx()).await.unwrap();
    let reaper = a.reaper(Client::new(driver));
    reaper.pass().await.unwrap();
    bench.stop().await;
    a.lost().await;
    bench.start_again().unwrap();
    let deletions = bench.requests().count("DELETE pods");
    reaper.pass().await.unwrap_err();
    assert_eq!((pods(&bench), bench.requests().count("DELETE pods")), (vec!["b1".to_owned()], deletions));
}
