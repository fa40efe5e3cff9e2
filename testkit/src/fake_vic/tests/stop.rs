//! How VMs are stopped, and how they end by themselves.

use std::time::Instant;

use super::*;
use crate::fake_vic::fault;

const DEAF: &str = "trap '' TERM; while :; do sleep 0.01; done";

#[tokio::test]
async fn the_task_is_asked_first() {
    let bench = Bench::with(FakeVicOptions { stop_wait: LONG, ..quick() }).await;
    let id = bench.made("trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done").await;
    bench.start(&id).await;
    bench.wrote(&id, "ready\n").await;
    bench.stop(&id).await;
    let info = bench.info(&id).await;
    assert_eq!(info["containerConfig"]["state"], "Stopped");
    assert_eq!(info["processConfig"]["exitCode"], 5);
    // Stopped again, it stays so.
    bench.stop(&id).await;
    bench.finish().await;
}

#[tokio::test]
async fn by_its_own_signal() {
    let bench = Bench::with(FakeVicOptions { stop_wait: LONG, ..quick() }).await;
    let script = "trap 'exit 6' USR1; echo ready; while :; do sleep 0.01; done";
    let id = bench.made_with(script, json!({"stopSignal": "USR1"})).await;
    bench.start(&id).await;
    bench.wrote(&id, "ready\n").await;
    bench.stop(&id).await;
    assert_eq!(bench.info(&id).await["processConfig"]["exitCode"], 6);
    bench.finish().await;
}

#[tokio::test]
async fn then_it_is_killed() {
    let bench = Bench::with(FakeVicOptions { stop_wait: LONG, ..quick() }).await;
    let id = bench.running(DEAF).await;
    let handle = bench.open(&id).await;
    bench.ask_for(&handle, "STOPPED").await;
    let began = Instant::now();
    let answer = bench.call("PUT", &format!("/containers/{handle}?wait_time=1")).await;
    answer.ok();
    let took = began.elapsed();
    assert!(took < LONG, "{took:?}: the request says how long");
    assert_eq!(bench.info(&id).await["processConfig"]["exitCode"], -1);
    bench.finish().await;
}

#[tokio::test]
async fn at_last_the_power_is_cut() {
    let bench = Bench::new().await;
    let id = bench.running(DEAF).await;
    bench.fake.faults().inject(fault::signal_is_lost().times(2));
    let began = Instant::now();
    bench.stop(&id).await;
    assert!(began.elapsed() >= quick().stop_wait * 2, "each signal has its time");
    let process = bench.info(&id).await["processConfig"].clone();
    assert_eq!((&process["status"], &process["exitCode"]), (&json!("true"), &json!(-1)));
    assert!(process["stopTime"].is_i64());
    bench.finish().await;
}

#[tokio::test]
async fn only_the_first_task_is_asked() {
    let bench = Bench::new().await;
    let draft = bench.draft("c").await;
    bench.add(&draft, &draft.id, "exec sleep 60", json!({})).await;
    bench.add(&draft, "second", "exec sleep 60", json!({})).await;
    bench.equip(&draft).await;
    bench.commit(&draft.handle).await.ok();
    bench.start(&draft.id).await;
    let began = Instant::now();
    bench.stop(&draft.id).await;
    assert!(began.elapsed() >= quick().stop_wait, "the other one is not asked at all");
    assert_eq!(bench.state(&draft.id).await, "Stopped");
    bench.finish().await;
}

#[tokio::test]
async fn power_that_can_not_be_cut() {
    let bench = Bench::new().await;
    let id = bench.running(DEAF).await;
    bench.fake.faults().inject(fault::signal_is_lost().times(2));
    bench.fake.faults().inject(fault::power_off_fails("host disconnected"));
    let handle = bench.open(&id).await;
    bench.ask_for(&handle, "STOPPED").await;
    assert_eq!(bench.commit(&handle).await.refusal(), (503, "host disconnected".into()));
    assert_eq!(bench.state(&id).await, "Running", "as before");
    bench.stop(&id).await;
    bench.finish().await;
}

#[tokio::test]
async fn what_never_ran_is_told_as_created_and_looks_stopped() {
    let bench = Bench::new().await;
    let id = bench.made("true").await;
    let handle = bench.open(&id).await;
    bench.ask_for(&handle, "STOPPED").await;
    bench.commit(&handle).await.ok();
    assert_eq!(bench.state(&id).await, "Created");
    let handle = bench.open(&id).await;
    assert_eq!(bench.get(&format!("/containers/{handle}/state")).await.ok()["state"], "Stopped");
    bench.finish().await;
}

#[tokio::test]
async fn the_power_goes_with_the_last_task() {
    let bench = Bench::new().await;
    let draft = bench.draft("c").await;
    bench.add(&draft, &draft.id, "exit 4", json!({})).await;
    bench.add(&draft, "second", "exec sleep 60", json!({})).await;
    bench.equip(&draft).await;
    bench.commit(&draft.handle).await.ok();
    bench.start(&draft.id).await;
    let info = bench.until(&draft.id, |info| info["processConfig"]["stopTime"].is_i64()).await;
    assert_eq!(info["containerConfig"]["state"], "Running", "the other one goes on");
    bench.stop(&draft.id).await;
    assert_eq!(bench.info(&draft.id).await["processConfig"]["exitCode"], 4);
    bench.finish().await;
}

impl Bench {
    /// Waits until its log begins with this.
    pub(super) async fn wrote(&self, id: &str, text: &str) {
        let mut pause = Duration::from_millis(1);
        loop {
            let log = self.get(&format!("/containers/{id}/logs?since=0")).await;
            if log.text.starts_with(text) {
                return;
            }
            assert!(pause < Duration::from_secs(5), "{log:?}");
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
}
