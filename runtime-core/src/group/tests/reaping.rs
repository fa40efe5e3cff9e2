//! Whose pods are removed, by whom, and when.

use tokio::time::{Instant, sleep};

use super::{pods::Pods, *};
use crate::{ErrorKind, spec::PodSpec};

fn add(pods: &Pods, membership: &Membership, name: &str) {
    pods.add(&membership.stamp(PodSpec::new(name)).unwrap());
}

/// Waits until only these pods are left, and says how long that took.
async fn until(pods: &Pods, names: &[&str]) -> Duration {
    let start = Instant::now();
    while pods.names() != names {
        assert!(start.elapsed() < seconds(600), "{:?}", pods.names());
        sleep(seconds(1)).await;
    }
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn the_pods_of_the_dead_go_and_those_of_the_living_stay() {
    let (store, pods) = (MemoryGroupStore::default(), Pods::new(|_| {}));
    let a = join(&Line::to(&store), "a").await.unwrap();
    let b = join(&Line::to(&store), "b").await.unwrap();
    add(&pods, &a, "a1");
    add(&pods, &b, "b1");
    add(&pods, &b, "b2");
    pods.add(&PodSpec::new("nobody's"));
    pods.add(&PodSpec::new("by hand").with_label("wharf.dev/group", a.group().id()));
    let other = PodSpec::new("other group").with_label("wharf.dev/group", "g2");
    pods.add(&other.with_label("wharf.dev/executor", "x").with_label("wharf.dev/tenure", "t"));
    assert_eq!(pods.client().list_pods(&b.pod_filter()).await.unwrap().len(), 2);
    assert_eq!(pods.client().list_pods(&b.group().pod_filter()).await.unwrap().len(), 4);
    let reaper = a.reaper(pods.client());
    let _reaping = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
        reaper.run(seconds(1), |report| assert!(report.unwrap().failed.is_empty())).await
    }));
    sleep(seconds(300)).await;
    assert_eq!(pods.names().len(), 6);
    drop(b);
    let took = until(&pods, &["a1", "by hand", "nobody's", "other group"]).await;
    assert!(took >= seconds(OTHERS_LIMIT - 10) && took <= seconds(OTHERS_LIMIT + 15), "{took:?}");
    sleep(seconds(300)).await;
    assert_eq!(pods.names().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn who_has_just_come_watches_first() {
    let (store, pods) = (MemoryGroupStore::default(), Pods::new(|_| {}));
    let b = join(&Line::to(&store), "b").await.unwrap();
    add(&pods, &b, "b1");
    b.leave(&cx()).await.unwrap();
    let a = join(&Line::to(&store), "a").await.unwrap();
    let reaper = a.reaper(pods.client());
    let start = Instant::now();
    while reaper.pass().await.unwrap().removed.is_empty() {
        sleep(seconds(1)).await;
    }
    assert!(start.elapsed() >= seconds(OTHERS_LIMIT) && start.elapsed() < seconds(OTHERS_LIMIT + 5));
}

#[tokio::test(start_paused = true)]
async fn a_live_one_whose_lease_an_outsider_removed_knows_before_its_pods_go() {
    let (store, pods) = (MemoryGroupStore::default(), Pods::new(|_| {}));
    let a = join(&Line::to(&store), "a").await.unwrap();
    let line = Line::to(&store);
    let b = join(&line, "b").await.unwrap();
    add(&pods, &b, "b1");
    let reaper = a.reaper(pods.client());
    sleep(seconds(25)).await;
    assert!(reaper.pass().await.unwrap().removed.is_empty());
    let found = store.read(&cx(), a.group().id(), "b").await.unwrap().unwrap();
    store.delete(&cx(), a.group().id(), "b", &found.version).await.unwrap();
    line.set(|faults| faults.down = true);
    let both = async {
        while reaper.pass().await.unwrap().removed.is_empty() {
            assert_eq!(pods.names(), ["b1"]);
            sleep(seconds(1)).await;
        }
        b.is_valid()
    };
    assert!(!both.await);
}

#[tokio::test(start_paused = true)]
async fn an_executor_that_comes_back_as_another_tenure_has_lost_its_pods() {
    let (store, pods) = (MemoryGroupStore::default(), Pods::new(|_| {}));
    let a = join(&Line::to(&store), "a").await.unwrap();
    let line = Line::to(&store);
    let mut b = join(&line, "b").await.unwrap();
    add(&pods, &b, "before");
    line.set(|faults| faults.down = true);
    b.lost().await;
    while executors(a.group()).await.len() == 2 {
        sleep(seconds(5)).await;
    }
    sleep(seconds(10)).await;
    line.set(|faults| faults.down = false);
    let before = b.epoch().clone();
    b.rejoin(&cx()).await.unwrap();
    assert!(!b.epoch().same_tenure(&before));
    add(&pods, &b, "after");
    let a_reaper = a.reaper(pods.client());
    assert_eq!(a_reaper.pass().await.unwrap().removed.len(), 1, "the dead tenure's, by who buried it");
    assert_eq!(pods.names(), ["after"]);
}

#[tokio::test(start_paused = true)]
async fn an_executor_that_crashes_and_restarts_in_time_keeps_its_pods() {
    let (store, pods) = (MemoryGroupStore::default(), Pods::new(|_| {}));
    let line = Line::to(&store);
    let first = join(&line, "a").await.unwrap();
    add(&pods, &first, "a1");
    drop(first);
    let second = join(&line, "a").await.unwrap();
    let reaper = second.reaper(pods.client());
    for _ in 0..100 {
        assert!(reaper.pass().await.unwrap().removed.is_empty());
        sleep(seconds(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_no_member_reaps_nothing() {
    let (store, pods) = (MemoryGroupStore::default(), Pods::new(|_| {}));
    let line = Line::to(&store);
    let a = join(&line, "a").await.unwrap();
    let reaper = a.reaper(pods.client());
    line.set(|faults| faults.down = true);
    let loss = reaper.run(seconds(5), |_| {}).await;
    assert_eq!(loss, Loss::Expired);
    line.set(|faults| faults.down = false);
    assert_eq!(reaper.pass().await.unwrap_err().kind(), ErrorKind::InvalidState);
    drop(a);
    assert_eq!(reaper.pass().await.unwrap_err().kind(), ErrorKind::InvalidState);
}

#[tokio::test(start_paused = true)]
async fn many_go_at_a_time_but_not_all_and_what_does_not_go_is_told() {
    let (store, pods) = (MemoryGroupStore::default(), Pods::new(|_| {}));
    let b = join(&Line::to(&store), "b").await.unwrap();
    for number in 0..20 {
        add(&pods, &b, &format!("b{number}"));
    }
    add(&pods, &b, "stuck");
    let a = join(&Line::to(&store), "a").await.unwrap();
    drop(b);
    let reaper = a.reaper(pods.client()).with_concurrency(5);
    let report = loop {
        let report = reaper.pass().await.unwrap();
        if !report.removed.is_empty() {
            break report;
        }
        sleep(seconds(1)).await;
    };
    assert_eq!((report.removed.len(), report.failed.len()), (20, 1));
    assert_eq!(report.failed[0].1.kind(), ErrorKind::Unexpected);
    assert_eq!(pods.most_removing(), 5);
    assert_eq!(reaper.pass().await.unwrap().failed.len(), 1);
    assert_eq!(pods.names(), ["stuck"]);
}
