use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::testing::scripted::{Answer, Asked, Scripted};

fn pod(name: &str, uid: &str, version: u64, phase: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "ns", "uid": uid, "resourceVersion": version.to_string()},
        "spec": {"containers": [{"name": "main"}]},
        "status": {"phase": phase},
    })
}

fn list(version: u64, next: &str, pods: &[Value]) -> Answer {
    let metadata = json!({"resourceVersion": version.to_string(), "continue": next});
    Answer::json(200, json!({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": pods}))
}

fn event(kind: &str, object: &Value) -> String {
    format!("{}\n", json!({"type": kind, "object": object}))
}

/// Watches that the test writes to: each one as it is opened.
struct Watches {
    opened: mpsc::UnboundedReceiver<(String, mpsc::UnboundedSender<String>)>,
}

impl Watches {
    /// The next one, and from which version it goes on.
    async fn next(&mut self) -> (String, mpsc::UnboundedSender<String>) {
        let opened = tokio::time::timeout(Duration::from_secs(20), self.opened.recv());
        let (line, events) = opened.await.expect("no watch").unwrap();
        let version = line.split("resourceVersion=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        (version, events)
    }
}

/// A server whose lists are said by `lists`, by their number, and whose watches are held by the test.
async fn server(lists: impl Fn(usize, &Asked) -> Answer + Send + Sync + 'static) -> (Scripted, Watches) {
    let (tell, opened) = mpsc::unbounded_channel();
    let count = std::sync::atomic::AtomicUsize::new(0);
    let server = Scripted::start(move |_, asked| {
        if asked.line.contains("watch=true") {
            let (events, streamed) = mpsc::unbounded_channel();
            drop(tell.send((asked.line.clone(), events)));
            return Answer::Streamed(streamed);
        }
        lists(count.fetch_add(1, std::sync::atomic::Ordering::Relaxed), asked)
    });
    (server.await, Watches { opened })
}

fn soon() -> Context {
    Context::background().with_timeout(Duration::from_secs(20))
}

fn known(cache: &Cache) -> Vec<String> {
    let mut known: Vec<_> =
        cache.pods(|_| true).iter().map(|pod| format!("{} {}", pod.id, pod.phase)).collect();
    known.sort();
    known
}

async fn changed(changes: &mut broadcast::Receiver<Change>) -> String {
    match tokio::time::timeout(Duration::from_secs(20), changes.recv()).await.expect("no change").unwrap() {
        Change::Pod(id) => id.to_string(),
        Change::Missed(reason) => format!("missed: {reason}"),
    }
}

#[tokio::test]
async fn a_list_in_pages_then_changes() {
    let (server, mut watches) = server(|number, asked| match number {
        0 => {
            assert!(asked.line.contains("limit=500") && !asked.line.contains("continue"), "{}", asked.line);
            list(5, "more", &[pod("a", "1", 3, "Running")])
        }
        _ => {
            assert!(asked.line.contains("continue=more"), "{}", asked.line);
            list(5, "", &[pod("b", "2", 4, "Pending")])
        }
    })
    .await;
    let caches = Caches::default();
    let cache = caches.of(&server.client().await, "ns");
    cache.known(&soon()).await.unwrap();
    assert_eq!(known(&cache), ["ns/a/1 running", "ns/b/2 pending"]);
    let mut changes = cache.changes();
    let (version, events) = watches.next().await;
    assert_eq!(version, "5");
    events.send(event("MODIFIED", &pod("b", "2", 6, "Running"))).unwrap();
    assert_eq!(changed(&mut changes).await, "ns/b/2");
    events.send(event("DELETED", &pod("a", "1", 7, "Running"))).unwrap();
    assert_eq!(changed(&mut changes).await, "ns/a/1");
    // Another life of the name, whose end was not told.
    events.send(event("ADDED", &pod("b", "3", 8, "Pending"))).unwrap();
    assert_eq!(changed(&mut changes).await, "ns/b/2");
    assert_eq!(changed(&mut changes).await, "ns/b/3");
    assert_eq!(known(&cache), ["ns/b/3 pending"]);
    assert_eq!(server.lines().len(), 3);
    let again = caches.of(&server.client().await, "ns");
    assert!(Arc::ptr_eq(&again.shared, &cache.shared), "there is one of each namespace");
}

#[tokio::test]
async fn a_watch_that_ends_goes_on_where_it_was() {
    let (server, mut watches) = server(|_, _| list(5, "", &[])).await;
    let cache = Caches::default().of(&server.client().await, "ns");
    let mut changes = cache.changes();
    let (_, events) = watches.next().await;
    events.send(event("ADDED", &pod("a", "1", 6, "Pending"))).unwrap();
    events
        .send(event("BOOKMARK", &json!({"metadata": {"resourceVersion": "9"}, "spec": {"containers": null}})))
        .unwrap();
    drop(events);
    let (version, events) = watches.next().await;
    assert_eq!(version, "9");
    // Cut in the middle of an event: that one is not told until it is whole.
    events.send(event("MODIFIED", &pod("a", "1", 10, "Running"))).unwrap();
    events.send(r#"{"type":"DELETED","object":{"metada"#.to_owned()).unwrap();
    drop(events);
    let (version, events) = watches.next().await;
    assert_eq!(version, "10");
    events.send(event("DELETED", &pod("a", "1", 11, "Running"))).unwrap();
    for _ in 0..3 {
        assert_eq!(changed(&mut changes).await, "ns/a/1");
    }
    assert_eq!(server.lines().iter().filter(|line| !line.contains("watch=")).count(), 1, "listed once");
}

#[tokio::test]
async fn what_is_too_old_begins_anew_and_says_so() {
    let (server, mut watches) = server(|number, _| match number {
        0 => list(5, "", &[pod("a", "1", 3, "Running"), pod("b", "2", 4, "Running")]),
        _ => list(50, "", &[pod("b", "2", 40, "Failed")]),
    })
    .await;
    let cache = Caches::default().of(&server.client().await, "ns");
    let mut following = cache.follow("a");
    let mut changes = cache.changes();
    let (_, events) = watches.next().await;
    cache.known(&soon()).await.unwrap();
    let expired = json!({"kind": "Status", "message": "too old resource version: 1 (450)", "reason": "Expired", "code": 410});
    events.send(event("ERROR", &expired)).unwrap();
    let (version, _events) = watches.next().await;
    assert_eq!(version, "50");
    assert_eq!(known(&cache), ["ns/b/2 failed"]);
    let mut told = Vec::new();
    while told.last().is_none_or(|last: &String| !last.starts_with("missed")) {
        told.push(changed(&mut changes).await);
    }
    assert!(told.contains(&"ns/a/1".to_owned()), "{told:?}");
    assert!(told.last().unwrap().contains("too old resource version"), "{told:?}");
    assert!(matches!(following.next(&soon(), "1").await.unwrap(), Seen::Gone(None)));
}

#[tokio::test]
async fn nonsense_is_asked_for_again_and_then_listed() {
    let (server, mut watches) = server(|number, _| list(5 + number as u64, "", &[])).await;
    let _cache = Caches::default().of(&server.client().await, "ns");
    for expected in ["5", "5", "6"] {
        let (version, events) = watches.next().await;
        assert_eq!(version, expected);
        events.send("nonsense\n".to_owned()).unwrap();
    }
}

#[tokio::test]
async fn a_silent_watch_is_given_up() {
    let (server, mut watches) = server(|_, _| list(5, "", &[])).await;
    let config = server.config().with_watch(Duration::from_secs(60), Duration::from_millis(200));
    let client = Client::new(config, crate::kubeconfig::Surroundings::default()).await.unwrap();
    let _cache = Caches::default().of(&client, "ns");
    let (_, _silent) = watches.next().await;
    let (version, _) = watches.next().await;
    assert_eq!(version, "5");
}

#[tokio::test]
async fn a_pod_is_followed_from_its_creation_to_its_end() {
    let (server, mut watches) = server(|_, _| list(5, "", &[])).await;
    let cache = Caches::default().of(&server.client().await, "ns");
    let (_, events) = watches.next().await;
    let mut following = cache.follow("a");
    let created: Pod = serde_json::from_value(pod("a", "new", 10, "Pending")).unwrap();
    following.since(&created);
    // The watch is behind: it tells of the life before.
    events.send(event("DELETED", &pod("a", "old", 8, "Running"))).unwrap();
    events.send(event("ADDED", &pod("a", "new", 10, "Pending"))).unwrap();
    assert!(matches!(following.next(&soon(), "new").await.unwrap(), Seen::There(_)));
    events.send(event("MODIFIED", &pod("a", "new", 11, "Running"))).unwrap();
    let Seen::There(running) = following.next(&soon(), "new").await.unwrap() else { panic!("it is gone") };
    assert_eq!(running.status.as_ref().unwrap().phase.as_deref(), Some("Running"));
    events.send(event("DELETED", &pod("a", "new", 12, "Failed"))).unwrap();
    let Seen::Gone(Some(last)) = following.next(&soon(), "new").await.unwrap() else { panic!("it is there") };
    assert_eq!(last.status.as_ref().unwrap().phase.as_deref(), Some("Failed"));
    let hasty = Context::background().with_timeout(Duration::from_millis(50));
    let error = following.next(&hasty, "new").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
}

#[tokio::test]
async fn who_may_not_watch_is_told() {
    let forbidden =
        |_, _: &Asked| Answer::json(403, json!({"reason": "Forbidden", "code": 403, "message": "no"}));
    let (server, _watches) = server(forbidden).await;
    let cache = Caches::default().of(&server.client().await, "ns");
    assert_eq!(cache.known(&soon()).await.unwrap_err().kind(), ErrorKind::PermissionDenied);
    let mut following = cache.follow("a");
    assert_eq!(following.next(&soon(), "1").await.unwrap_err().kind(), ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for() {
    let (server, mut watches) = server(|number, _| match number {
        0..=2 => Answer::Cut,
        _ => list(5, "", &[pod("a", "1", 3, "Running")]),
    })
    .await;
    let cache = Caches::default().of(&server.client().await, "ns");
    let mut following = cache.follow("a");
    assert!(matches!(following.next(&soon(), "1").await.unwrap(), Seen::There(_)));
    watches.next().await;
    cache.known(&soon()).await.unwrap();
}

#[tokio::test]
async fn who_wants_to_know_is_told_what_is_so_now() {
    const AWAY: usize = 6;
    let (server, mut watches) = server(|number, _| match number {
        0..AWAY => Answer::json(403, json!({"reason": "Forbidden", "code": 403, "message": "no"})),
        _ => list(5, "", &[]),
    })
    .await;
    let cache = Caches::default().of(&server.client().await, "ns");
    let mut refusals = 0;
    while cache.known(&soon()).await.is_err() {
        refusals += 1;
    }
    // Each answer is one of the server's, of a list that was begun after the question.
    assert!(refusals <= AWAY, "{refusals}");
    watches.next().await;
}

#[tokio::test]
async fn a_pod_that_is_gone_stays_so_whatever_the_watch_still_tells() {
    let (server, mut watches) = server(|_, _| list(5, "", &[pod("a", "1", 3, "Running")])).await;
    let caches = Caches::default();
    let cache = caches.of(&server.client().await, "ns");
    cache.known(&soon()).await.unwrap();
    let mut changes = cache.changes();
    let (_, events) = watches.next().await;
    let life = |uid: &str| PodKey { namespace: "ns".to_owned(), name: "a".to_owned(), uid: uid.to_owned() };
    caches.forget(&life("2"));
    assert_eq!(known(&cache), ["ns/a/1 running"]);
    caches.forget(&life("1"));
    assert_eq!(changed(&mut changes).await, "ns/a/1");
    assert!(known(&cache).is_empty());
    events.send(event("MODIFIED", &pod("a", "1", 6, "Failed"))).unwrap();
    events.send(event("DELETED", &pod("a", "1", 7, "Failed"))).unwrap();
    events.send(event("ADDED", &pod("a", "2", 8, "Pending"))).unwrap();
    assert_eq!(changed(&mut changes).await, "ns/a/2");
    assert_eq!(known(&cache), ["ns/a/2 pending"]);
}

#[tokio::test]
async fn the_work_ends_with_the_caches() {
    let (server, mut watches) = server(|_, _| list(5, "", &[])).await;
    let caches = Caches::default();
    drop(caches.of(&server.client().await, "ns"));
    let (_, events) = watches.next().await;
    drop(caches);
    tokio::time::timeout(Duration::from_secs(20), events.closed()).await.expect("it goes on");
}

#[test]
fn a_pod_is_kept_in_4_kib() {
    let mut raw = pod("worker-0123456789abcdef", "8f14e45f-ceea-467f-a9ff-0123456789ab", 123_456, "Running");
    raw["metadata"]["labels"] =
        json!({"app": "worker", "wharf.dev/create": "1-2-3", "team": "ci", "job": "1234567"});
    raw["metadata"]["annotations"] = json!({"note": "a line of words that say something about it"});
    let status = |name: &str| json!({"name": name, "state": {"running": {}}, "image": "registry.example/team/image:1.2.3"});
    raw["status"]["containerStatuses"] = json!([status("main"), status("service1")]);
    let parsed: Pod = serde_json::from_value(raw).unwrap();
    let entry = store::Entry::of(&parsed).unwrap();
    assert!(entry.size() <= 4096, "{} bytes", entry.size());
}
