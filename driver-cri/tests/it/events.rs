//! Events, with and without those of the runtime.

use std::time::Duration;

use futures::StreamExt;
use runtime_core::{ContainerPhase, Context, Event, EventStream, PodPhase, StopOptions};
use testkit::fake_cri::FakeCriOptions;

use crate::bench::Bench;

async fn next(events: &mut EventStream) -> Event {
    let event = tokio::time::timeout(Duration::from_secs(20), events.next()).await;
    event.expect("an event").unwrap().unwrap()
}

async fn synced(bench: &Bench) -> EventStream {
    let mut events = bench.pods().events(&Context::background()).await.unwrap();
    assert_eq!(next(&mut events).await, Event::Init);
    while next(&mut events).await != Event::Synced {}
    events
}

/// The events up to the one that fits, which is the last.
async fn until(events: &mut EventStream, fits: impl Fn(&Event) -> bool) -> Vec<Event> {
    let mut told = Vec::new();
    while told.last().is_none_or(|last| !fits(last)) {
        told.push(next(events).await);
    }
    told
}

#[tokio::test]
async fn a_life_is_told_with_and_without_events_of_the_runtime() {
    for newer_calls in [false, true] {
        let bench = Bench::with(FakeCriOptions { newer_calls, ..Default::default() }).await;
        let mut events = synced(&bench).await;
        let (pod, container) = bench.run_one("sleep 1000").await;
        until(&mut events, |event| {
            matches!(event, Event::ContainerApplied(told) if told.id == container && told.phase == ContainerPhase::Running)
        })
        .await;
        bench.pods().stop(&bench.cx, &pod, &StopOptions::now()).await.unwrap();
        until(
            &mut events,
            |event| matches!(event, Event::PodApplied(told) if told.phase == PodPhase::Stopped),
        )
        .await;
        bench.pods().remove(&bench.cx, &pod).await.unwrap();
        until(&mut events, |event| *event == Event::PodDeleted(pod.clone())).await;
        drop(events);
        bench.finish().await;
    }
}

#[tokio::test]
async fn that_there_are_none_is_learnt_once() {
    let bench = Bench::new().await;
    for _ in 0..3 {
        drop(synced(&bench).await);
    }
    let mut events = synced(&bench).await;
    bench.run_one("sleep 1000").await;
    until(&mut events, |event| matches!(event, Event::ContainerApplied(_))).await;
    let asked = bench.fake.calls().names().iter().filter(|name| **name == "GetContainerEvents").count();
    // The first stream may have been dropped before it was answered.
    assert!((1..=4).contains(&asked), "{asked}");
    bench.fake.calls().clear();
    drop(synced(&bench).await);
    let asked = bench.fake.calls().names().iter().filter(|name| **name == "GetContainerEvents").count();
    assert_eq!(asked, 0);
    drop(events);
    bench.finish().await;
}

#[tokio::test]
async fn a_runtime_that_was_started_anew_is_a_resync() {
    for newer_calls in [false, true] {
        let bench = Bench::with(FakeCriOptions { newer_calls, ..Default::default() }).await;
        let (pod, _) = bench.run_one("sleep 1000").await;
        let mut events = synced(&bench).await;
        bench.fake.restart().await.unwrap();
        let told = until(&mut events, |event| *event == Event::Synced).await;
        assert!(told.iter().any(|event| matches!(event, Event::Resync { .. })), "{told:?}");
        assert!(told.iter().any(|event| matches!(event, Event::PodApplied(told) if told.id == pod)));
        drop(events);
        bench.finish().await;
    }
}
