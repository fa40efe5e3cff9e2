//! A server that is down, a line that is cut, and clocks that are wrong.

use std::time::Duration;

use runtime_core::group::{GroupOptions, Loss};
use testkit::proxy::{Action, Direction, Down, FaultProxy, Rule};
use tokio::time::sleep;

use super::{Bench, cx, executors, lively, of_both, open, short};
use crate::support::until;

of_both!(
    an_outage_that_is_short_does_nobody_harm,
    an_outage_for_all_is_nobodys_death,
    a_member_that_is_cut_off_knows_before_another_acts,
    a_member_without_answers_knows_before_another_acts,
    the_clock_of_the_server_says_nothing,
);

async fn an_outage_that_is_short_does_nobody_harm(bench: Bench) {
    let member = bench.join("a", lively()).await;
    bench.stop().await;
    // Some renewals fail; how many does not matter.
    sleep(4 * lively().renew_every).await;
    bench.start_again().unwrap();
    bench.renewed("a", 2).await;
    assert!(member.is_valid());
}

async fn an_outage_for_all_is_nobodys_death(bench: Bench) {
    let mut a = bench.join("a", short()).await;
    let b = bench.join("b", short()).await;
    let witness = bench.group(short()).await;
    assert_eq!(executors(&witness).await, ["a", "b"]);
    bench.stop().await;
    assert_eq!((a.lost().await, b.lost().await), (Loss::Expired, Loss::Expired));
    bench.start_again().unwrap();
    assert_eq!(executors(&witness).await, ["a", "b"]);
    let before = a.epoch().clone();
    a.rejoin(&cx()).await.unwrap();
    assert!(a.epoch().same_tenure(&before));
    assert_eq!(a.epoch().turn, 2);
    // Whoever doesn't come back goes, and only that one.
    until("the end of b", async || bench.lease("b").is_none()).await;
    assert_eq!(executors(&witness).await, ["a"]);
    assert!(a.is_valid());
}

async fn a_member_that_is_cut_off_knows_before_another_acts(bench: Bench) {
    let cut = async |line: &FaultProxy| {
        line.stop_listening(Down::Gone).await.unwrap();
        line.drop_all();
    };
    cut_off(bench, cut).await;
}

async fn a_member_without_answers_knows_before_another_acts(bench: Bench) {
    let hang = async |line: &FaultProxy| {
        line.add(Rule::all(Direction::ToClient, Action::HangAfter(0)));
    };
    cut_off(bench, hang).await;
}

async fn cut_off(bench: Bench, cut: impl AsyncFn(&FaultProxy)) {
    let line = bench.line().await;
    let behind = open(&bench.driver_behind(&line).await, short()).await;
    let mut a = behind.join(&cx(), "a").await.unwrap();
    let b = bench.join("b", short()).await;
    bench.renewed("a", 1).await;
    cut(&line).await;
    until("the end of a", async || {
        // In this order: what is asked later may only be more certain.
        let is_dead = executors(b.group()).await == ["b"];
        let is_valid = a.is_valid();
        assert!(!(is_dead && is_valid), "both act");
        bench.lease("a").is_none()
    })
    .await;
    assert_eq!(a.loss(), Some(Loss::Expired));
    line.heal();
    line.listen().await.unwrap();
    let before = a.epoch().clone();
    a.rejoin(&cx()).await.unwrap();
    assert!(!a.epoch().same_tenure(&before), "what it made is lost, and it can tell");
    assert_eq!(executors(b.group()).await, ["a", "b"]);
    assert!(b.is_valid());
}

async fn the_clock_of_the_server_says_nothing(bench: Bench) {
    bench.clock().set_offset_seconds(300);
    let a = bench.join("a", short()).await;
    let b = bench.join("b", short()).await;
    bench.clock().set_offset_seconds(-300);
    // Longer than a lease lasts.
    let renewals = renewals_of_a_lease(short()) + 2;
    bench.renewed("a", renewals).await;
    bench.renewed("b", 1).await;
    assert_eq!(executors(a.group()).await, ["a", "b"]);
    let started = tokio::time::Instant::now();
    drop(b);
    until("the end of b", async || bench.lease("b").is_none()).await;
    assert!(started.elapsed() > short().stale_after - short().renew_every, "{:?}", started.elapsed());
    bench.clock().set_offset_seconds(300);
    bench.renewed("a", 1).await;
    assert!(a.is_valid());
}

fn renewals_of_a_lease(options: GroupOptions) -> u32 {
    let whole = options.stale_after.div_duration_f64(options.renew_every.max(Duration::from_millis(1)));
    whole.ceil() as u32
}
