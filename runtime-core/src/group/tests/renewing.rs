//! Who stays a member, and who knows when it isn't one any more.

use jiff::SignedDuration;
use tokio::time::{Instant, sleep};

use super::*;

async fn record(store: &MemoryGroupStore, group: &Group, executor: &str) -> LeaseRecord {
    store.read(&cx(), group.id(), executor).await.unwrap().unwrap().record
}

#[tokio::test(start_paused = true)]
async fn a_member_renews_every_ten_seconds_with_one_request() {
    let store = MemoryGroupStore::default();
    let line = Line::to(&store);
    let membership = join(&line, "a").await.unwrap();
    let group = membership.group().clone();
    let mut last = record(&store, &group, "a").await;
    assert_eq!(last.duration, seconds(60));
    sleep(seconds(5)).await;
    let before = line.faults().requests;
    for _ in 0..100 {
        sleep(seconds(10)).await;
        let next = record(&store, &group, "a").await;
        assert!(next.renewed > last.renewed && next.acquired == last.acquired && next.epoch == last.epoch);
        last = next;
    }
    // A renewal and a look at the others.
    assert_eq!(line.faults().requests - before, 200);
    assert!(membership.is_valid());
}

#[tokio::test(start_paused = true)]
async fn who_is_cut_off_knows_before_the_others_act() {
    let store = MemoryGroupStore::default();
    let (line, start) = (Line::to(&store), Instant::now());
    let a = join(&line, "a").await.unwrap();
    let b = join(&Line::to(&store), "b").await.unwrap();
    sleep(seconds(100)).await;
    line.set(|faults| faults.down = true);
    let cut = Instant::now();
    assert_eq!(a.lost().await, Loss::Expired);
    let known = cut.elapsed();
    assert!(known <= seconds(OWN_LIMIT) && known >= seconds(OWN_LIMIT - 11), "{known:?}");
    assert!(!a.is_valid());
    a.stamp(crate::spec::PodSpec::new("late")).unwrap_err();
    while executors(b.group()).await.contains(&"a".to_owned()) {
        sleep(seconds(1)).await;
    }
    let acted = cut.elapsed();
    assert!(acted >= known + seconds(9) && acted <= known + seconds(30), "{known:?} {acted:?}");
    while store.list(&cx(), b.group().id()).await.unwrap().len() == 2 {
        sleep(seconds(1)).await;
    }
    assert!(b.is_valid());
    assert!(start.elapsed() < seconds(200));
}

#[tokio::test(start_paused = true)]
async fn who_hangs_knows_as_well() {
    let line = Line::to(&MemoryGroupStore::default());
    let membership = join(&line, "a").await.unwrap();
    let joined = Instant::now();
    line.set(|faults| faults.hangs = true);
    assert_eq!(membership.lost().await, Loss::Expired);
    assert_eq!(joined.elapsed(), seconds(OWN_LIMIT));
}

#[tokio::test(start_paused = true)]
async fn an_outage_for_all_costs_nobody_a_tenure() {
    let store = MemoryGroupStore::default();
    let lines: Vec<_> = (0..3).map(|_| Line::to(&store)).collect();
    let mut members = Vec::new();
    for (line, executor) in lines.iter().zip(["a", "b", "c"]) {
        members.push(join(line, executor).await.unwrap());
    }
    sleep(seconds(35)).await;
    // Everybody has seen everybody's last renewal.
    for member in &members {
        assert_eq!(executors(member.group()).await.len(), 3);
    }
    lines.iter().for_each(|line| line.set(|faults| faults.down = true));
    sleep(seconds(90)).await;
    for member in &members {
        assert_eq!(member.loss(), Some(Loss::Expired), "it knows without being told");
    }
    lines.iter().for_each(|line| line.set(|faults| faults.down = false));
    // One comes back at once, one after a while; the third is dead, and was the only one.
    let dead = members.pop();
    drop(dead);
    let before: Vec<_> = members.iter().map(|member| member.epoch().clone()).collect();
    members[0].rejoin(&cx()).await.unwrap();
    sleep(seconds(50)).await;
    members[1].rejoin(&cx()).await.unwrap();
    for (member, before) in members.iter().zip(before) {
        assert!(member.is_valid() && member.epoch().same_tenure(&before));
        assert_eq!(member.epoch().turn, 2);
    }
    sleep(seconds(40)).await;
    assert_eq!(executors(members[0].group()).await, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn short_outages_and_lost_answers_and_conflicts_do_no_harm() {
    let store = MemoryGroupStore::default();
    let line = Line::to(&store);
    let membership = join(&line, "a").await.unwrap();
    for round in 0..20 {
        line.set(|faults| match round % 4 {
            0 => faults.down = true,
            1 => faults.loses_answers = true,
            2 => faults.conflicts = 4,
            _ => faults.hangs = true,
        });
        sleep(seconds(20)).await;
        line.set(|faults| (faults.down, faults.hangs, faults.loses_answers) = (false, false, false));
        sleep(seconds(20)).await;
        assert!(membership.is_valid(), "round {round}");
    }
}

#[tokio::test(start_paused = true)]
async fn conflicts_on_every_write_end_a_membership_in_time() {
    let line = Line::to(&MemoryGroupStore::default());
    let membership = join(&line, "a").await.unwrap();
    let joined = Instant::now();
    line.set(|faults| faults.conflicts = u32::MAX);
    assert_eq!(membership.lost().await, Loss::Expired);
    assert_eq!(joined.elapsed(), seconds(OWN_LIMIT));
    assert!(line.faults().requests < 200, "{} requests", line.faults().requests);
}

#[tokio::test(start_paused = true)]
async fn clocks_that_are_minutes_apart_do_no_harm() {
    for minutes in [-5, 5] {
        let store = MemoryGroupStore::default();
        let (right, wrong) = (Line::to(&store), Line::to(&store));
        wrong.set(|faults| faults.clock = SignedDuration::from_mins(minutes));
        let (a, b) = (join(&right, "a").await.unwrap(), join(&wrong, "b").await.unwrap());
        sleep(seconds(600)).await;
        assert!(a.is_valid() && b.is_valid());
        assert_eq!(executors(a.group()).await, ["a", "b"]);
        // And whose clock is wrong is found dead in the same time as anybody else.
        drop(b);
        sleep(seconds(OTHERS_LIMIT - 11)).await;
        assert_eq!(executors(a.group()).await, ["a", "b"]);
        sleep(seconds(11 + 10)).await;
        assert_eq!(executors(a.group()).await, ["a"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_while_it_renews_does_no_harm() {
    let store = MemoryGroupStore::default();
    let line = Line::to(&store);
    let (a, b) = (join(&line, "a").await.unwrap(), join(&Line::to(&store), "b").await.unwrap());
    for minutes in [5, -5, 0, -10, 10] {
        line.set(|faults| faults.clock = SignedDuration::from_mins(minutes));
        sleep(seconds(30)).await;
    }
    assert!(a.is_valid());
    assert_eq!(executors(b.group()).await, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_member_whose_lease_is_removed_or_changed_learns_it_at_the_next_renewal() {
    let store = MemoryGroupStore::default();
    for expected in [Loss::Removed, Loss::TakenOver] {
        let mut membership = join(&Line::to(&store), "a").await.unwrap();
        let before = membership.epoch().clone();
        let group = membership.group().id().to_owned();
        let found = store.read(&cx(), &group, "a").await.unwrap().unwrap();
        match expected {
            Loss::Removed => assert!(store.delete(&cx(), &group, "a", &found.version).await.unwrap()),
            _ => {
                let spoilt = LeaseRecord::new("a");
                store.replace(&cx(), &group, &spoilt, &found.version).await.unwrap().unwrap();
            }
        }
        let start = Instant::now();
        assert_eq!(membership.lost().await, expected);
        assert!(start.elapsed() <= seconds(10));
        membership.rejoin(&cx()).await.unwrap();
        assert!(membership.is_valid() && !membership.epoch().same_tenure(&before));
        membership.leave(&cx()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_valid_member_that_rejoins_stays_what_it_is() {
    let line = Line::to(&MemoryGroupStore::default());
    let mut membership = join(&line, "a").await.unwrap();
    let (epoch, requests) = (membership.epoch().clone(), line.faults().requests);
    membership.rejoin(&cx()).await.unwrap();
    assert_eq!((membership.epoch(), line.faults().requests), (&epoch, requests));
}

#[tokio::test(start_paused = true)]
async fn a_rejoin_that_fails_can_be_tried_again() {
    let line = Line::to(&MemoryGroupStore::default());
    let mut membership = join(&line, "a").await.unwrap();
    let before = membership.epoch().clone();
    line.set(|faults| faults.down = true);
    membership.lost().await;
    membership.rejoin(&cx()).await.unwrap_err();
    assert_eq!(membership.loss(), Some(Loss::Expired));
    line.set(|faults| faults.down = false);
    membership.rejoin(&cx()).await.unwrap();
    assert!(membership.epoch().same_tenure(&before));
}

#[tokio::test(start_paused = true)]
async fn leaving_survives_conflicts_and_leaves_the_lease_of_another_alone() {
    let store = MemoryGroupStore::default();
    let line = Line::to(&store);
    let membership = join(&line, "a").await.unwrap();
    line.set(|faults| faults.conflicts = 3);
    let group = membership.group().clone();
    membership.leave(&cx()).await.unwrap();
    assert_eq!(store.list(&cx(), group.id()).await.unwrap(), []);
    let membership = join(&line, "a").await.unwrap();
    let found = store.read(&cx(), group.id(), "a").await.unwrap().unwrap();
    let another = LeaseRecord { instance: "another".to_owned(), ..found.record };
    store.replace(&cx(), group.id(), &another, &found.version).await.unwrap().unwrap();
    membership.leave(&cx()).await.unwrap();
    assert_eq!(store.list(&cx(), group.id()).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_any_more_once_a_membership_is_dropped() {
    let line = Line::to(&MemoryGroupStore::default());
    let membership = join(&line, "a").await.unwrap();
    sleep(seconds(35)).await;
    drop(membership);
    let before = line.faults().requests;
    sleep(seconds(600)).await;
    assert_eq!(line.faults().requests, before);
}
