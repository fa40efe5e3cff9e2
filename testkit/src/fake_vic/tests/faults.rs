//! What goes wrong on demand.

use super::*;
use crate::engine::{Action, Phase};
use crate::fake_vic::{Operation, fault};

#[tokio::test]
async fn requests_are_refused() {
    let bench = Bench::new().await;
    let id = bench.made("true").await;
    let (faults, target) = (bench.fake.faults(), format!("/containers/{id}"));
    faults.inject(fault::refuse(Operation::Get, 404, "container not found"));
    faults.inject(fault::refuse_without_words(Operation::Get, 500));
    assert_eq!(bench.get(&target).await.refusal(), (404, "container not found".into()));
    assert_eq!(bench.get(&target).await.without_words(), 500);
    bench.get(&target).await.ok();
    faults.inject(fault::cut(Operation::Info));
    bench.dropped("GET", &format!("/containers/info/{id}"), None).await;
    bench.info(&id).await;
    bench.finish().await;
}

#[tokio::test]
async fn a_conflict_leaves_the_handle_as_it_was() {
    let bench = Bench::new().await;
    let id = bench.made("true").await;
    bench.fake.faults().inject(fault::conflict());
    let handle = bench.open(&id).await;
    assert_eq!(bench.commit(&handle).await.status, 409);
    bench.commit(&handle).await.ok();
    bench.finish().await;
}

#[tokio::test]
async fn an_answer_is_lost() {
    let bench = Bench::new().await;
    let draft = bench.draft("c").await;
    bench.add(&draft, &draft.id, "true", json!({})).await;
    let lost = bench.fake.faults().inject(fault::cut(Operation::Commit).late());
    bench.dropped("PUT", &format!("/containers/{}", draft.handle), None).await;
    assert_eq!(lost.hits(), 1);
    assert_eq!(bench.state(&draft.id).await, "Created", "it was done");
    assert_eq!(bench.commit(&draft.handle).await.status, 404);
    bench.finish().await;
}

#[tokio::test]
async fn lists_that_were_never_made() {
    let bench = Bench::new().await;
    bench.fake.faults().inject(fault::nulls(Operation::List));
    let answer = bench.get("/containers/list").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "null"));
    let id = bench.made_with("true", json!({"env": []})).await;
    bench.fake.faults().inject(fault::nulls(Operation::Info));
    assert_eq!(bench.info(&id).await["endpoints"][0]["ports"], Value::Null);
    bench.finish().await;
}

#[tokio::test]
async fn a_handler_goes_on_when_its_client_has_gone() {
    let bench = Bench::new().await;
    let draft = bench.draft("c").await;
    bench.add(&draft, &draft.id, "true", json!({})).await;
    let hang = bench.fake.faults().inject(fault::meet(Operation::Commit, Action::Hang));
    let target = format!("/containers/{}", draft.handle);
    tokio::select! {
        _ = bench.call("PUT", &target) => panic!("it hangs"),
        () = hung(&hang) => {}
    }
    hang.release();
    bench.until_there(&draft.id).await;
    bench.finish().await;
}

async fn hung(fault: &crate::engine::FaultHandle) {
    while fault.hits() == 0 {
        tokio::task::yield_now().await;
    }
}

impl Bench {
    async fn until_there(&self, id: &str) {
        let mut pause = Duration::from_millis(1);
        while self.get(&format!("/containers/{id}")).await.status != 200 {
            assert!(pause < Duration::from_secs(5));
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
}

#[tokio::test]
async fn every_operation_can_be_hit() {
    let bench = Bench::new().await;
    let faults = bench.fake.faults();
    for operation in Operation::ALL {
        let handle = faults.inject(fault::refuse(*operation, 418, "x"));
        assert!(faults.meet(operation.name(), Phase::Before).await.is_err(), "{operation:?}");
        assert_eq!(handle.hits(), 1);
    }
    bench.finish().await;
}
