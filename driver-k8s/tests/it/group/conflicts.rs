//! Every write meets somebody who was faster, a server that refuses, and an answer that is lost.

use testkit::{
    engine::Fault,
    fake_k8s::{
        cut, refuse,
        store::{Part, Resource},
    },
};

use super::{Bench, NAMESPACE, cx, executors, lively, of_both};
use crate::support::until;

of_both!(
    writes_that_conflict_are_made_anew,
    writes_whose_answers_are_lost_count,
    a_renewal_may_fail_in_any_way,
    a_group_whose_id_was_taken_away_gets_another,
);

async fn writes_that_conflict_are_made_anew(bench: Bench) {
    a_life_among(bench, |operation| refuse(operation, 409, None).times(2)).await;
}

async fn writes_whose_answers_are_lost_count(bench: Bench) {
    a_life_among(bench, |operation| cut(operation).late()).await;
}

/// Lets each write of an executor's life meet a fault, in turn.
async fn a_life_among(bench: Bench, fault: fn(&str) -> Fault) {
    let meets = |operation: &str| bench.faults().inject(fault(operation));
    let opening = meets("POST configmaps");
    let group = bench.group(lively()).await;
    assert_eq!(opening.hits(), fault("").times);
    let joining = meets(&bench.operation("POST"));
    let member = group.join(&cx(), "a").await.unwrap();
    assert_eq!(joining.hits(), fault("").times);
    let renewing = meets(&bench.operation("PUT"));
    until("the fault", async || renewing.hits() == fault("").times).await;
    bench.renewed("a", 2).await;
    assert!(member.is_valid());
    assert_eq!((member.epoch().turn, executors(&group).await), (1, vec!["a".to_owned()]));
    let leaving = meets(&bench.operation("DELETE"));
    member.leave(&cx()).await.unwrap();
    assert_eq!(leaving.hits(), fault("").times);
    assert!(bench.lease("a").is_none());
    let again = bench.join("a", lively()).await;
    assert_eq!(again.epoch().turn, 1);
}

async fn a_renewal_may_fail_in_any_way(bench: Bench) {
    let member = bench.join("a", lively()).await;
    let (put, get) = (bench.operation("PUT"), bench.operation("GET"));
    for faults in [
        vec![refuse(&put, 401, None)],
        vec![refuse(&put, 403, None)],
        vec![refuse(&put, 429, Some(0))],
        vec![refuse(&put, 500, None)],
        vec![refuse(&put, 503, None)],
        vec![refuse(&put, 503, None).late()],
        vec![cut(&put)],
        // After a conflict it looks who was faster.
        vec![refuse(&put, 409, None), cut(&get)],
        vec![refuse(&put, 409, None), refuse(&get, 500, None)],
        vec![cut(&put).late(), cut(&put)],
    ] {
        let hits: Vec<_> = faults.into_iter().map(|fault| bench.faults().inject(fault)).collect();
        until("the faults", async || hits.iter().all(|fault| fault.hits() == 1)).await;
        bench.renewed("a", 2).await;
        assert_eq!(member.loss(), None);
    }
}

async fn a_group_whose_id_was_taken_away_gets_another(bench: Bench) {
    let before = bench.group(lively()).await.id().to_owned();
    let emptied = |map: &mut serde_json::Value| {
        map.as_object_mut().unwrap().remove("data");
        Ok(())
    };
    let map = "wharf-group-builders";
    bench.store().patch(Part::Object, Resource::ConfigMaps, NAMESPACE, map, emptied).unwrap();
    let conflicts = bench.faults().inject(refuse("PUT configmaps", 409, None).times(2));
    let lost = bench.faults().inject(cut("PUT configmaps").late());
    let group = bench.group(lively()).await;
    assert_eq!((conflicts.hits(), lost.hits()), (2, 1));
    assert_ne!(group.id(), before);
    assert_eq!(bench.group(lively()).await.id(), group.id());
}
