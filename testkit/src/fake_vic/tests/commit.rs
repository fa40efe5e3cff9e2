//! Commits: what they bring about, and who wins.

use super::*;
use crate::fake_vic::fault;

#[tokio::test]
async fn a_life() {
    let bench = Bench::new().await;
    let id = bench.made("exit 3").await;
    assert_eq!(bench.state(&id).await, "Created");
    bench.start(&id).await;
    let info = bench.stopped(&id).await;
    let process = &info["processConfig"];
    assert_eq!((&process["exitCode"], &process["status"]), (&json!(3), &json!("true")));
    let seconds = jiff::Timestamp::now().as_second();
    for time in ["startTime", "stopTime"] {
        assert!((0..60).contains(&(seconds - process[time].as_i64().unwrap())), "{time} in seconds");
    }
    assert_eq!(info["endpoints"][0]["address"], "", "the server has taken the address back");
    // Again: what is left of the first time is gone.
    bench.start(&id).await;
    assert_eq!(bench.stopped(&id).await["processConfig"]["exitCode"], 3);
    bench.finish().await;
}

#[tokio::test]
async fn the_first_wins() {
    let bench = Bench::new().await;
    let id = bench.made("true").await;
    let [first, second] = [bench.open(&id).await, bench.open(&id).await];
    for handle in [&first, &second] {
        bench.call("PATCH", &format!("/containers/{handle}/name?name=n{handle}")).await.ok();
    }
    bench.commit(&second).await.ok();
    let (status, words) = bench.commit(&first).await.refusal();
    assert_eq!(status, 409);
    assert!(words.contains("concurrent modification"), "{words}");
    // It is there after the failure, and no better.
    assert_eq!(bench.commit(&first).await.status, 409);
    assert_eq!(bench.info(&id).await["containerConfig"]["names"], json!([format!("n{second}")]));
    bench.finish().await;
}

#[tokio::test]
async fn what_the_guest_writes_counts_as_a_change() {
    let bench = Bench::new().await;
    let id = bench.running("exec sleep 60").await;
    let handle = bench.open(&id).await;
    bench.call("POST", &format!("/containers/{id}/signal?signal=9")).await.ok();
    bench.stopped(&id).await;
    bench.ask_for(&handle, "STOPPED").await;
    // It has ended by itself since the handle was opened.
    assert_eq!(bench.commit(&handle).await.status, 409);
    bench.stop(&id).await;
    bench.finish().await;
}

#[tokio::test]
async fn nothing_changed_is_no_conflict() {
    let bench = Bench::new().await;
    let id = bench.made("true").await;
    let handle = bench.open(&id).await;
    bench.start(&id).await;
    bench.commit(&handle).await.ok();
    bench.finish().await;
}

#[tokio::test]
async fn create_and_start_in_one() {
    let bench = Bench::new().await;
    let draft = bench.draft("c").await;
    bench.add(&draft, &draft.id, "exec sleep 60", json!({})).await;
    bench.ask_for(&draft.handle, "RUNNING").await;
    bench.commit(&draft.handle).await.ok();
    assert_eq!(bench.state(&draft.id).await, "Running");
    bench.finish().await;
}

#[tokio::test]
async fn started_again_while_it_runs_is_fine() {
    let bench = Bench::new().await;
    let id = bench.running("exec sleep 60").await;
    let before = bench.until(&id, |info| info["endpoints"][0]["address"] != "").await;
    bench.change(&id, async |handle| bench.ask_for(handle, "RUNNING").await).await;
    assert_eq!(bench.info(&id).await["processConfig"]["startTime"], before["processConfig"]["startTime"]);
    bench.finish().await;
}

#[tokio::test]
async fn what_can_not_be_launched_is_told_in_the_guests_words() {
    let bench = Bench::new().await;
    let id = bench.made_with("", json!({"path": "/no/such/program"})).await;
    let answer = bench.try_start(&id).await;
    assert_eq!(answer.refusal(), (503, "no such file or directory".into()));
    let info = bench.stopped(&id).await;
    assert_eq!(info["processConfig"]["status"], "no such file or directory");
    let id = bench.made_with("", json!({"path": "/etc/passwd"})).await;
    assert_eq!(bench.try_start(&id).await.refusal(), (503, "permission denied".into()));
    bench.finish().await;
}

#[tokio::test]
async fn disks_of_one_name_are_found_out_late() {
    let bench = Bench::new().await;
    let draft = bench.draft("c").await;
    bench.add(&draft, &draft.id, "true", json!({})).await;
    bench.join_image(&draft, &draft.id).await;
    let (status, words) = bench.commit(&draft.handle).await.refusal();
    assert!(status == 503 && words.contains(".vmdk already exists"), "{words}");
    assert_eq!(bench.fake.containers(), Vec::<String>::new());
    assert_eq!(bench.commit(&draft.handle).await.status, 503, "the handle is still there");
    bench.finish().await;
}

#[tokio::test]
async fn it_waits_for_the_first_task_only() {
    let bench = Bench::new().await;
    let draft = bench.draft("c").await;
    bench.add(&draft, &draft.id, "exec sleep 60", json!({})).await;
    bench.add(&draft, "second", "", json!({"path": "/no/such/program"})).await;
    bench.commit(&draft.handle).await.ok();
    bench.try_start_alone(&draft.id).await.ok();
    assert_eq!(bench.info(&draft.id).await["processConfig"]["status"], "true");
    // The state that a new handle finds out wants all of them.
    bench.open(&draft.id).await;
    assert_eq!(bench.state(&draft.id).await, "Starting");
    bench.finish().await;
}

#[tokio::test]
async fn a_launch_that_takes_too_long() {
    let bench = Bench::with(FakeVicOptions { launch_wait: Duration::from_millis(50), ..quick() }).await;
    let id = bench.made("exec sleep 60").await;
    let hang = bench.fake.faults().inject(fault::launch_hangs());
    assert_eq!(bench.try_start(&id).await.status, 503);
    assert_eq!(bench.state(&id).await, "Starting");
    hang.release();
    bench.until(&id, |info| info["containerConfig"]["state"] == "Running").await;
    bench.finish().await;
}

#[tokio::test]
async fn power_that_is_not_to_be_had() {
    let bench = Bench::new().await;
    let id = bench.made("exec sleep 60").await;
    bench.fake.faults().inject(fault::power_on_fails("insufficient resources"));
    assert_eq!(bench.try_start(&id).await.refusal(), (503, "insufficient resources".into()));
    assert_eq!(bench.state(&id).await, "Stopped");
    bench.start(&id).await;
    bench.finish().await;
}

#[tokio::test]
async fn what_is_not_bound_is_not_launched() {
    let bench = Bench::with(FakeVicOptions { launch_wait: Duration::from_millis(50), ..quick() }).await;
    let draft = bench.draft("c").await;
    bench.add(&draft, &draft.id, "exec sleep 60", json!({})).await;
    let task = json!({"handle": draft.handle, "id": draft.id});
    bench.ask("DELETE", "/tasks/binding", task).await.ok();
    bench.commit(&draft.handle).await.ok();
    assert_eq!(bench.try_start_alone(&draft.id).await.status, 503);
    assert_eq!(bench.info(&draft.id).await["processConfig"].get("status"), None);
    bench.finish().await;
}

impl Bench {
    /// Starts what is in no scope.
    async fn try_start_alone(&self, id: &str) -> Answered {
        let handle = self.open(id).await;
        self.ask_for(&handle, "RUNNING").await;
        self.commit(&handle).await
    }
}
