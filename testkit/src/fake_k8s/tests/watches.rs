use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::client::{Ask, ask, fake, open};
use super::replay::recordings;
use crate::fake_k8s::store::Resource;
use crate::fake_k8s::{FakeK8s, FakeK8sOptions, WatchFault};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

async fn watch(fake: &FakeK8s, query: &str) -> Response<Incoming> {
    let path = format!("{MAPS}?watch=1&{query}");
    let asked = Ask { method: "GET", path: &path, content_type: "", body: None, token: Some(fake.token()) };
    open(fake, asked).await.unwrap()
}

async fn piece(response: &mut Response<Incoming>) -> Option<Result<Bytes, hyper::Error>> {
    response.frame().await.map(|frame| frame.map(|frame| frame.into_data().unwrap()))
}

async fn event(response: &mut Response<Incoming>) -> Value {
    serde_json::from_slice(&piece(response).await.unwrap().unwrap()).unwrap()
}

async fn make(fake: &FakeK8s, name: &str) -> Value {
    ask(fake, "POST", MAPS, Some(json!({"metadata": {"name": name}}))).await.json()
}

fn now(fake: &FakeK8s) -> String {
    format!("resourceVersion={}", fake.store().version())
}

#[tokio::test]
async fn a_watch_tells_events_until_its_time_is_over() {
    let fake = fake();
    let mut watch = watch(&fake, &format!("{}&timeoutSeconds=1&allowWatchBookmarks=true", now(&fake))).await;
    let made = make(&fake, "a").await;
    let mut told = event(&mut watch).await;
    while told["type"] == "BOOKMARK" {
        told = event(&mut watch).await;
    }
    assert_eq!(told, json!({"type": "ADDED", "object": made}));
    let mut bookmarks = 0;
    while let Some(piece) = piece(&mut watch).await {
        let bookmark: Value = serde_json::from_slice(&piece.unwrap()).unwrap();
        assert_eq!(bookmark["type"], "BOOKMARK");
        assert_eq!(bookmark["object"]["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
        bookmarks += 1;
    }
    assert!(bookmarks <= 2, "{bookmarks}");
}

#[tokio::test]
async fn a_watch_can_begin_with_the_list() {
    let options = FakeK8sOptions { streams_lists: true, ..FakeK8sOptions::default() };
    let fake = FakeK8s::without_nodes(&options).unwrap();
    make(&fake, "a").await;
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = watch(&fake, query).await;
    let mut names = Vec::new();
    loop {
        let event = event(&mut watch).await;
        if event["type"] == "BOOKMARK" {
            let end = &event["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"];
            assert_eq!(end, "true");
            break;
        }
        names.push(event["object"]["metadata"]["name"].clone());
    }
    assert_eq!(names, ["a", "kube-root-ca.crt"]);
    make(&fake, "b").await;
    assert_eq!(event(&mut watch).await["object"]["metadata"]["name"], "b");
}

#[tokio::test]
async fn a_list_in_a_watch_is_refused_as_recorded() {
    let fake = fake();
    let mut watch = watch(&fake, "sendInitialEvents=true&resourceVersionMatch=NotOlderThan").await;
    let told = event(&mut watch).await;
    assert_eq!((&told["type"], &told["object"]["code"]), (&json!("ERROR"), &json!(500)));
    if let Some(recordings) = recordings() {
        let recorded = std::fs::read(recordings.join("watch-list-streamed.json")).unwrap();
        let recorded: Value = serde_json::from_slice(&recorded).unwrap();
        assert_eq!(told, recorded[0]["event"]);
    }
    assert!(piece(&mut watch).await.is_none());
}

#[tokio::test]
async fn open_watches_go_wrong() {
    let fake = fake();
    let from = now(&fake);
    let hit = async |fault| {
        let watch = watch(&fake, &from).await;
        fake.break_watches(Resource::Pods, fault);
        fake.break_watches(Resource::ConfigMaps, fault);
        watch
    };
    assert!(piece(&mut hit(WatchFault::Close).await).await.is_none());
    assert!(piece(&mut hit(WatchFault::Break).await).await.unwrap().is_err());
    let mut expired = hit(WatchFault::Expire).await;
    assert_eq!(event(&mut expired).await["object"]["code"], 410);
    assert!(piece(&mut expired).await.is_none());
    let mut garbled = hit(WatchFault::Garble).await;
    let line = piece(&mut garbled).await.unwrap().unwrap();
    assert!(serde_json::from_slice::<Value>(&line).is_err());
    make(&fake, "a").await;
    assert_eq!(event(&mut garbled).await["type"], "ADDED");
}

#[tokio::test]
async fn a_silent_watch_tells_nothing_and_does_not_end() {
    let fake = fake();
    let mut watch = watch(&fake, &format!("{}&timeoutSeconds=1", now(&fake))).await;
    fake.break_watches(Resource::ConfigMaps, WatchFault::Silence);
    make(&fake, "a").await;
    let waited = tokio::time::timeout(std::time::Duration::from_millis(1500), piece(&mut watch)).await;
    assert!(waited.is_err(), "{waited:?}");
}
