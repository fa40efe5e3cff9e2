//! Tasks: joined, bound, removed, looked at.

use super::*;

async fn drafted(bench: &Bench) -> (Draft, Value) {
    let draft = bench.draft("c").await;
    bench.add(&draft, &draft.id, "exec sleep 60", json!({})).await;
    let task = json!({"handle": draft.handle, "id": draft.id});
    (draft, task)
}

#[tokio::test]
async fn ids_are_given_and_can_not_be_had_twice() {
    let bench = Bench::new().await;
    let (draft, _) = drafted(&bench).await;
    let join = json!({"handle": draft.handle, "path": "/bin/true", "attach": false});
    let joined = bench.ask("POST", "/tasks", join).await.ok();
    assert_eq!((&joined["handle"], joined["id"].as_str().unwrap().len()), (&json!(draft.handle), 64));
    let again = json!({"handle": draft.handle, "path": "/bin/true", "id": draft.id});
    let answer = bench.ask("POST", "/tasks", again).await;
    assert_eq!(answer.refusal(), (500, format!("task ID collides: {}", draft.id)));
    bench.finish().await;
}

#[tokio::test]
async fn tasks_that_are_not_there() {
    let bench = Bench::new().await;
    let (draft, _) = drafted(&bench).await;
    let nobody = |handle: &str| json!({"handle": handle, "id": "nobody"});
    let answer = bench.ask("POST", "/tasks/binding", nobody(&draft.handle)).await;
    assert_eq!(answer.refusal(), (500, "running tasks not supported for this container".into()));
    bench.commit(&draft.handle).await.ok();
    let handle = bench.open(&draft.id).await;
    for method in ["POST", "DELETE"] {
        let answer = bench.ask(method, "/tasks/binding", nobody(&handle)).await;
        assert_eq!(answer.refusal(), (404, "Cannot find task nobody".into()));
    }
    assert_eq!(bench.ask("GET", "/tasks", nobody(&handle)).await.status, 404);
    let answer = bench.ask("DELETE", "/tasks", nobody(&handle)).await;
    assert_eq!(answer.refusal(), (500, "unknown task ID: nobody".into()));
    bench.finish().await;
}

#[tokio::test]
async fn a_task_can_be_taken_away_again() {
    let bench = Bench::new().await;
    let (draft, task) = drafted(&bench).await;
    let extra = json!({"handle": draft.handle, "path": "/bin/true", "id": "extra"});
    bench.ask("POST", "/tasks", extra.clone()).await.ok();
    bench.ask("DELETE", "/tasks", json!({"handle": draft.handle, "id": "extra"})).await.ok();
    bench.ask("POST", "/tasks", extra).await.ok();
    bench.ask("DELETE", "/tasks/binding", task.clone()).await.ok();
    bench.ask("POST", "/tasks/binding", task).await.ok();
    bench.finish().await;
}

#[tokio::test]
async fn what_the_vm_runs_can_not_be_inspected() {
    for (options, panics) in [(quick(), true), (without_bugs(), false)] {
        let bench = Bench::with(options).await;
        let id = bench.running("exec sleep 60").await;
        let task = json!({"handle": bench.open(&id).await, "id": id});
        if panics {
            bench.dropped("GET", "/tasks", Some(task)).await;
        } else {
            assert_eq!(bench.ask("GET", "/tasks", task).await.ok()["state"], "running");
        }
        bench.finish().await;
    }
}

#[tokio::test]
async fn waits_for_tasks_have_the_wrong_statuses() {
    for (options, [missing, not_running]) in [(quick(), [500, 500]), (without_bugs(), [404, 428])] {
        let bench = Bench::with(options).await;
        let id = bench.made("exec sleep 60").await;
        let handle = bench.open(&id).await;
        let wait = async |handle: &str, id: &str| {
            bench.ask("GET", "/tasks/wait", json!({"handle": handle, "id": id})).await
        };
        assert_eq!(wait(&handle, "nobody").await.status, missing);
        assert_eq!(wait(&handle, &id).await.status, not_running);
        bench.start(&id).await;
        let handle = bench.open(&id).await;
        let (ended, ()) = tokio::join!(wait(&handle, &id), bench.stop(&id));
        ended.ok();
        bench.finish().await;
    }
}
