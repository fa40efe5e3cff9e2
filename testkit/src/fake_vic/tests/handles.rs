//! Handles: whose they are, how long they live, what is said of those that are not there.

use super::*;
use crate::fake_vic::handles::MAX_HANDLES;

#[tokio::test]
async fn a_handle_is_as_it_is_described() {
    let bench = Bench::new().await;
    let draft = bench.draft("c").await;
    assert!(draft.handle.len() == 32 && draft.handle.bytes().all(|b| b.is_ascii_hexdigit()));
    assert_eq!(draft.id.len(), 64);
    // Nobody knows the container before it is committed.
    assert_eq!(bench.get(&format!("/containers/{}", draft.id)).await.status, 404);
    assert_eq!(bench.get(&format!("/containers/info/{}", draft.id)).await.status, 404);
    assert_eq!(bench.get("/containers/list").await.ok(), json!([]));
    bench.add(&draft, &draft.id, "true", json!({})).await;
    bench.commit(&draft.handle).await.ok();
    assert_eq!(
        bench.commit(&draft.handle).await.refusal(),
        (404, "container not found".into()),
        "it is closed"
    );
    let handle = bench.open(&draft.id).await;
    assert_ne!(handle, bench.open(&draft.id).await);
    bench.commit(&handle).await.ok();
    bench.finish().await;
}

#[tokio::test]
async fn handles_that_are_not_there() {
    let bench = Bench::new().await;
    let body = json!({"handle": "gone", "id": "t", "path": "/x", "deltaID": "d"});
    let image = format!("/storage/{}/info/{}", bench.fake.host_uuid(), bench.layer);
    for (method, target) in [
        ("POST", "/tasks"),
        ("GET", "/tasks"),
        ("DELETE", "/tasks"),
        ("GET", "/tasks/wait"),
        ("POST", "/tasks/binding"),
        ("DELETE", "/tasks/binding"),
        ("POST", "/logging"),
        ("POST", "/logging/binding"),
        ("DELETE", "/logging/binding"),
        ("POST", "/interaction"),
        ("POST", "/interaction/binding"),
        ("DELETE", "/interaction/binding"),
        ("POST", image.as_str()),
    ] {
        let fields: &[&str] = match target {
            "/tasks" if method == "POST" => &["handle", "path"],
            "/logging" | "/logging/binding" | "/interaction" => &["handle"],
            "/tasks" | "/tasks/wait" | "/tasks/binding" | "/interaction/binding" => &["handle", "id"],
            _ => &["handle", "deltaID"],
        };
        let body: Value = fields.iter().map(|field| ((*field).to_owned(), body[*field].clone())).collect();
        let answer = bench.ask(method, target, body).await;
        assert_eq!(answer.refusal(), (500, "Failed to get the Handle".into()), "{method} {target}");
    }
    for (method, target) in [
        ("GET", "/containers/gone/state"),
        ("PATCH", "/containers/gone/name?name=x"),
        ("DELETE", "/scopes/containers/gone/binding"),
    ] {
        assert_eq!(bench.call(method, target).await.without_words(), 404, "{method} {target}");
    }
    let answer = bench.ask("PUT", "/containers/gone/state", json!("RUNNING")).await;
    assert_eq!(answer.without_words(), 404);
    for (method, target) in [
        ("PUT", "/containers/gone"),
        ("POST", "/scopes/containers/gone/binding"),
        ("DELETE", "/scopes/bridge/containers/gone"),
    ] {
        let answer = bench.call(method, target).await;
        assert_eq!(answer.refusal(), (404, "container not found".into()), "{method} {target}");
    }
    let body = json!({"handle": "gone", "networkConfig": {"networkName": "default"}});
    let answer = bench.ask("POST", "/scopes/default/containers", body).await;
    assert_eq!(answer.refusal(), (404, "container not found".into()));
    bench.finish().await;
}

#[tokio::test]
async fn only_a_thousand_are_kept() {
    let options = FakeVicOptions { records_exchanges: false, ..quick() };
    let bench = Bench::with(options).await;
    let id = bench.made("true").await;
    let first = bench.open(&id).await;
    for _ in 0..MAX_HANDLES {
        bench.open(&id).await;
    }
    assert_eq!(bench.get(&format!("/containers/{first}/state")).await.without_words(), 404);
    assert_eq!(bench.fake.open_handles(), MAX_HANDLES);
    bench.finish().await;
}

#[tokio::test]
async fn a_restart_loses_them_and_nothing_else() {
    let bench = Bench::new().await;
    let id = bench.running("exec sleep 60").await;
    let handle = bench.open(&id).await;
    bench.fake.stop().await;
    bench.fake.start_again().unwrap();
    assert_eq!(bench.commit(&handle).await.status, 404);
    assert_eq!(bench.state(&id).await, "Running");
    bench.finish().await;
}

#[tokio::test]
async fn a_handle_is_a_copy() {
    let bench = Bench::new().await;
    let id = bench.made("exec sleep 60").await;
    let handle = bench.open(&id).await;
    let state = async || bench.get(&format!("/containers/{handle}/state")).await.ok();
    assert_eq!(state().await, json!({"handle": handle, "state": "Created"}));
    bench.start(&id).await;
    assert_eq!(state().await["state"], "Created", "nobody tells the handle");
    let new = bench.open(&id).await;
    assert_eq!(bench.get(&format!("/containers/{new}/state")).await.ok()["state"], "Running");
    bench.finish().await;
}

#[tokio::test]
async fn what_panics_with_new_handles() {
    for (options, panics) in [(quick(), true), (without_bugs(), false)] {
        let bench = Bench::with(options).await;
        let draft = bench.draft("c").await;
        bench.add(&draft, &draft.id, "true", json!({})).await;
        bench.equip(&draft).await;
        let state = format!("/containers/{}/state", draft.handle);
        let binding = json!({"handle": draft.handle, "id": draft.id});
        if panics {
            bench.dropped("GET", &state, None).await;
            bench.dropped("POST", "/interaction/binding", Some(binding)).await;
            bench.dropped("POST", "/logging/binding", Some(json!({"handle": draft.handle}))).await;
            // What is no string at all, too.
            bench.dropped("POST", "/logging", Some(json!({"handle": {}}))).await;
        } else {
            assert_eq!(bench.get(&state).await.ok()["state"], "Created");
            bench.ask("POST", "/interaction/binding", binding).await.ok();
        }
        bench.finish().await;
    }
}

#[tokio::test]
async fn containers_can_be_renamed() {
    let bench = Bench::new().await;
    let id = bench.made("true").await;
    let handle = bench.open(&id).await;
    let rename = format!("/containers/{handle}/name?name=");
    assert_eq!(bench.call("PATCH", &format!("{rename}c")).await.status, 500, "it has that name");
    assert_eq!(bench.call("PATCH", &format!("{rename}other")).await.ok(), json!(handle));
    bench.commit(&handle).await.ok();
    assert_eq!(bench.info(&id).await["containerConfig"]["names"], json!(["other"]));
    bench.finish().await;
}
