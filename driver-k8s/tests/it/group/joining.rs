//! Coming and going.

use std::collections::BTreeSet;

use futures::future::join_all;
use runtime_core::ErrorKind;
use testkit::fake_k8s::store::Resource;

use super::{Bench, NAMESPACE, cx, executors, lively, of_both, open, short};

of_both!(
    many_who_open_a_group_at_once_make_one_id,
    members_join_and_renew_and_leave,
    two_executors_can_not_have_one_id,
    of_many_who_come_at_once_with_one_id_one_gets_it,
    an_executor_that_crashed_goes_on_in_its_tenure,
);

async fn many_who_open_a_group_at_once_make_one_id(bench: Bench) {
    let drivers = join_all((0..4).map(|_| bench.driver())).await;
    let groups = join_all((0..20).map(|number| open(&drivers[number % 4], lively()))).await;
    let ids: BTreeSet<_> = groups.iter().map(|group| group.id().to_owned()).collect();
    let map = bench.store().get(Resource::ConfigMaps, NAMESPACE, "wharf-group-builders").unwrap();
    assert_eq!(ids, BTreeSet::from([map["data"]["id"].as_str().unwrap().to_owned()]));
    assert!(bench.requests().count("POST configmaps") > 1, "they did not come at once");
}

async fn members_join_and_renew_and_leave(bench: Bench) {
    let odd = "Builder_1.x";
    let a = bench.join(odd, lively()).await;
    let b = bench.join("b", lively()).await;
    assert_eq!(executors(a.group()).await, [odd, "b"]);
    assert_eq!(a.group().id(), b.group().id());
    bench.renewed(odd, 3).await;
    bench.renewed("b", 3).await;
    let seen = b.group().executors(&cx()).await.unwrap();
    let own = seen.iter().find(|record| record.executor == odd).unwrap();
    assert_eq!((&own.epoch, own.duration), (a.epoch(), lively().stale_after));
    assert!(own.acquired < own.renewed);
    let before = b.epoch().clone();
    b.leave(&cx()).await.unwrap();
    assert!(bench.lease("b").is_none());
    assert_eq!(executors(a.group()).await, [odd]);
    let b = bench.join("b", lively()).await;
    assert!(!b.epoch().same_tenure(&before));
    assert!(a.is_valid() && b.is_valid());
}

async fn two_executors_can_not_have_one_id(bench: Bench) {
    let first = bench.join("a", lively()).await;
    let error = bench.group(lively()).await.join(&cx(), "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    bench.renewed("a", 2).await;
    assert!(first.is_valid());
}

async fn of_many_who_come_at_once_with_one_id_one_gets_it(bench: Bench) {
    let groups = join_all((0..8).map(|_| bench.group(lively()))).await;
    let cx = cx();
    let joined = join_all(groups.iter().map(|group| group.join(&cx, "a"))).await;
    let (members, refused): (Vec<_>, Vec<_>) = joined.into_iter().partition(Result::is_ok);
    assert_eq!(members.len(), 1);
    for error in refused.into_iter().map(Result::unwrap_err) {
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    }
    bench.renewed("a", 2).await;
    assert!(members.into_iter().all(|member| member.unwrap().is_valid()));
}

async fn an_executor_that_crashed_goes_on_in_its_tenure(bench: Bench) {
    let first = bench.join("a", short()).await;
    let before = first.epoch().clone();
    drop(first);
    let second = bench.join("a", short()).await;
    assert!(second.epoch().same_tenure(&before));
    assert_eq!(second.epoch().turn, 2);
    bench.renewed("a", 1).await;
    assert!(second.is_valid());
}
