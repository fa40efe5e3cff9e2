use std::sync::Arc;

use futures::StreamExt;
use serde_json::{Value, json};

use super::*;

fn store() -> Store {
    let store = Store::new(Clock::default());
    store.create(Resource::Namespaces, "", json!({"metadata": {"name": "default"}})).unwrap();
    store
}

fn pod(name: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"nodeName": "node1", "terminationGracePeriodSeconds": 5},
        "status": {"phase": "Running"},
    })
}

fn create(store: &Store, name: &str) -> Arc<Value> {
    store.create(Resource::Pods, "default", pod(name)).unwrap()
}

fn secret(store: &Store, name: &str, owner: Option<&Value>) -> Arc<Value> {
    let mut object = json!({"metadata": {"name": name}});
    if let Some(owner) = owner {
        let (name, uid) = (&owner["metadata"]["name"], &owner["metadata"]["uid"]);
        object["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}]);
    }
    store.create(Resource::Secrets, "default", object).unwrap()
}

fn grace(seconds: i64) -> DeleteOptions {
    DeleteOptions { grace_seconds: Some(seconds), ..DeleteOptions::default() }
}

async fn told(watch: &mut Watch, count: usize) -> Vec<(&'static str, String)> {
    let mut events = Vec::new();
    for _ in 0..count {
        let event = watch.next().await.unwrap();
        events.push((event.kind.as_str(), metadata::text(&event.object, "name").to_owned()));
    }
    events
}

#[test]
fn a_new_object_is_stamped() {
    let store = store();
    let mut pod = pod("a");
    pod["metadata"]["uid"] = "mine".into();
    let made = store.create(Resource::Pods, "default", pod).unwrap();
    assert_eq!(made["kind"], "Pod");
    assert_eq!(made["apiVersion"], "v1");
    assert_eq!(made["metadata"]["namespace"], "default");
    assert_eq!(made["metadata"]["generation"], 1);
    assert_ne!(made["metadata"]["uid"], "mine");
    assert_eq!(made["metadata"]["resourceVersion"], store.version().to_string());
    assert_eq!(store.get(Resource::Pods, "default", "a").unwrap(), made);
}

#[test]
fn names_are_taken_and_generated() {
    let store = store();
    create(&store, "a");
    let again = store.create(Resource::Pods, "default", pod("a")).unwrap_err();
    assert_eq!(again.message, "pods \"a\" already exists");
    let made = store.create(Resource::Pods, "default", json!({"metadata": {"generateName": "b-"}})).unwrap();
    assert!(metadata::text(&made, "name").starts_with("b-"));
    let nowhere = store.create(Resource::Pods, "none", pod("a")).unwrap_err();
    assert_eq!(nowhere.message, "namespaces \"none\" not found");
}

#[test]
fn an_update_has_to_know_the_present() {
    let store = store();
    let first = create(&store, "a");
    let mut object = Value::clone(&first);
    object["spec"]["activeDeadlineSeconds"] = 1.into();
    object["status"]["phase"] = "Failed".into();
    let second = store.update(Resource::Pods, "default", "a", object.clone()).unwrap();
    assert_eq!(second["metadata"]["generation"], 2);
    assert_eq!(second["status"]["phase"], "Running", "the status is a subresource");
    let stale = store.update(Resource::Pods, "default", "a", object.clone()).unwrap_err();
    assert_eq!((stale.code, stale.reason), (409, "Conflict"));
    object["metadata"]["resourceVersion"] = Value::Null;
    object["metadata"]["uid"] = "other".into();
    assert_eq!(store.update(Resource::Pods, "default", "a", object).unwrap_err().code, 409);
}

#[test]
fn nothing_happens_if_nothing_changes() {
    let store = store();
    let made = create(&store, "a");
    let same = store.update(Resource::Pods, "default", "a", Value::clone(&made)).unwrap();
    assert_eq!(same, made);
}

#[test]
fn a_status_is_written_alone() {
    let store = store();
    let made = create(&store, "a");
    let mut object = Value::clone(&made);
    object["spec"]["nodeName"] = "other".into();
    object["status"]["phase"] = "Failed".into();
    let written = store.update_status(Resource::Pods, "default", "a", object).unwrap();
    assert_eq!(written["status"]["phase"], "Failed");
    assert_eq!(written["spec"], made["spec"]);
    assert_eq!(written["metadata"]["generation"], 1);
}

#[test]
fn an_edit_counts_no_generation() {
    let store = store();
    create(&store, "a");
    let bound = store
        .edit(Resource::Pods, "default", "a", |pod| {
            pod["spec"]["nodeName"] = "node2".into();
            Ok(())
        })
        .unwrap();
    assert_eq!(bound["metadata"]["generation"], 1);
    let refused = store.edit(Resource::Pods, "default", "a", |_| Err(Refusal::modified(Resource::Pods, "a")));
    assert!(refused.is_err());
}

#[tokio::test]
async fn a_pod_is_deleted_with_grace() {
    let store = store();
    create(&store, "a");
    let mut watch = store.watch(Resource::Pods, From::Version(store.version()));
    let going = store.delete(Resource::Pods, "default", "a", &DeleteOptions::default()).unwrap();
    assert!(!going.is_gone);
    let metadata = &going.object["metadata"];
    assert_eq!(metadata["deletionGracePeriodSeconds"], 5);
    assert_eq!(metadata["generation"], 2);
    assert_eq!(going.object["status"]["phase"], "Running");
    // More time can't be had, and the same changes nothing.
    for seconds in [5, 60] {
        let same = store.delete(Resource::Pods, "default", "a", &grace(seconds)).unwrap();
        assert_eq!(same.object, going.object);
    }
    let gone = store.delete(Resource::Pods, "default", "a", &grace(0)).unwrap();
    assert!(gone.is_gone);
    assert_eq!(gone.object["metadata"]["generation"], 2);
    assert_eq!(store.get(Resource::Pods, "default", "a").unwrap_err().code, 404);
    let kinds: Vec<_> = told(&mut watch, 3).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["MODIFIED", "MODIFIED", "DELETED"]);
}

#[test]
fn a_pod_without_node_or_at_its_end_needs_no_grace() {
    let store = store();
    let mut unbound = pod("a");
    unbound["spec"]["nodeName"] = Value::Null;
    let mut ended = pod("b");
    ended["status"]["phase"] = "Succeeded".into();
    for (name, pod) in [("a", unbound), ("b", ended)] {
        store.create(Resource::Pods, "default", pod).unwrap();
        assert!(store.delete(Resource::Pods, "default", name, &grace(30)).unwrap().is_gone);
    }
}

#[test]
fn preconditions_of_deletions() {
    let store = store();
    let made = create(&store, "rec2");
    let uid = metadata::text(&made, "uid");
    let other = DeleteOptions { uid: Some("nope".to_owned()), ..DeleteOptions::default() };
    let refused = store.delete(Resource::Pods, "default", "rec2", &other).unwrap_err();
    assert_eq!(
        refused.message,
        format!(
            "Operation cannot be fulfilled on Pod \"rec2\": the UID in the precondition (nope) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
        )
    );
    let stale = DeleteOptions { resource_version: Some("1".to_owned()), ..DeleteOptions::default() };
    assert_eq!(store.delete(Resource::Pods, "default", "rec2", &stale).unwrap_err().code, 409);
    let own = DeleteOptions { uid: Some(uid.to_owned()), ..grace(0) };
    assert!(store.delete(Resource::Pods, "default", "rec2", &own).unwrap().is_gone);
}

#[test]
fn what_a_pod_owns_goes_with_it() {
    let store = store();
    let pod = create(&store, "a");
    secret(&store, "owned", Some(&pod));
    secret(&store, "free", None);
    store.delete(Resource::Pods, "default", "a", &grace(3)).unwrap();
    assert!(store.get(Resource::Secrets, "default", "owned").is_ok(), "the pod is still going");
    store.delete(Resource::Pods, "default", "a", &grace(0)).unwrap();
    assert!(store.get(Resource::Secrets, "default", "owned").is_err());
    assert!(store.get(Resource::Secrets, "default", "free").is_ok());
    // An owner that is another life of that name is none.
    create(&store, "a");
    secret(&store, "late", Some(&pod));
    assert!(store.get(Resource::Secrets, "default", "late").is_err());
}

#[test]
fn orphans_stay() {
    let store = store();
    let pod = create(&store, "a");
    secret(&store, "owned", Some(&pod));
    let options = DeleteOptions { propagation: Propagation::Orphan, ..grace(0) };
    store.delete(Resource::Pods, "default", "a", &options).unwrap();
    let orphan = store.get(Resource::Secrets, "default", "owned").unwrap();
    assert_eq!(orphan["metadata"].get("ownerReferences"), None);
}

#[test]
fn a_namespace_goes_once_its_pods_are_gone() {
    let store = store();
    store.create(Resource::Namespaces, "", json!({"metadata": {"name": "n"}})).unwrap();
    assert!(store.get(Resource::ServiceAccounts, "n", "default").is_ok());
    store.create(Resource::Pods, "n", pod("a")).unwrap();
    store.create(Resource::Secrets, "n", json!({"metadata": {"name": "s"}})).unwrap();
    let going = store.delete(Resource::Namespaces, "", "n", &DeleteOptions::default()).unwrap();
    assert_eq!(going.object["status"]["phase"], "Terminating");
    assert_eq!(store.get(Resource::Secrets, "n", "s").unwrap_err().code, 404);
    let refused = store.create(Resource::Secrets, "n", json!({"metadata": {"name": "t"}})).unwrap_err();
    assert_eq!(
        refused.message,
        "secrets \"t\" is forbidden: unable to create new content in namespace n because it is being terminated"
    );
    assert!(store.get(Resource::Namespaces, "", "n").is_ok());
    store.delete(Resource::Pods, "n", "a", &grace(0)).unwrap();
    assert!(store.get(Resource::Namespaces, "", "n").is_err());
}

#[test]
fn lists_come_in_pages_of_one_moment() {
    let store = store();
    for name in ["a", "b", "c"] {
        create(&store, name);
    }
    let limit = ListOptions { limit: 2, ..ListOptions::default() };
    let first = store.list(Resource::Pods, &Selection::default(), &limit).unwrap();
    assert_eq!((first.items.len(), first.remaining, first.version), (2, Some(1), store.version()));
    let token = first.continue_token.clone();
    store.delete(Resource::Pods, "default", "c", &grace(0)).unwrap();
    create(&store, "d");
    let next = ListOptions { continue_token: token, ..limit.clone() };
    let second = store.list(Resource::Pods, &Selection::default(), &next).unwrap();
    let names: Vec<_> = second.items.iter().map(|pod| metadata::text(pod, "name")).collect();
    assert_eq!(names, ["c"], "as it was when the list began");
    assert_eq!((second.continue_token, second.version), (None, first.version));
    // Once that is forgotten, the list goes on as it is now.
    store.compact();
    let expired = store.list(Resource::Pods, &Selection::default(), &next).unwrap_err();
    assert_eq!((expired.code, expired.reason), (410, "Expired"));
    let next = ListOptions { continue_token: expired.continue_token, ..limit };
    let rest = store.list(Resource::Pods, &Selection::default(), &next).unwrap();
    assert_eq!(metadata::text(&rest.items[0], "name"), "d");
}

#[test]
fn tokens_are_those_of_the_real_server() {
    let store = store();
    create(&store, "a");
    create(&store, "b");
    let limit = ListOptions { limit: 1, ..ListOptions::default() };
    let list = store.list(Resource::Pods, &Selection::default(), &limit).unwrap();
    let expected =
        format!("{{\"v\":\"meta.k8s.io/v1\",\"rv\":{},\"start\":\"default/a\\u0000\"}}", list.version);
    use base64::Engine;
    let token = base64::engine::general_purpose::STANDARD_NO_PAD.decode(list.continue_token.unwrap());
    assert_eq!(String::from_utf8(token.unwrap()).unwrap(), expected);
    let nonsense = ListOptions { continue_token: Some("?".to_owned()), ..limit };
    assert_eq!(store.list(Resource::Pods, &Selection::default(), &nonsense).unwrap_err().code, 400);
}

#[test]
fn lists_are_selected() {
    let store = store();
    for name in ["a", "b"] {
        create(&store, name);
    }
    for (labels, fields, count) in
        [("app=a", "", 1), ("app", "", 2), ("", "metadata.name=b", 1), ("app=a", "metadata.name=b", 0)]
    {
        let selection = Selection::parse(Resource::Pods, Some("default"), labels, fields).unwrap();
        let list = store.list(Resource::Pods, &selection, &ListOptions::default()).unwrap();
        assert_eq!(list.items.len(), count, "{labels} {fields}");
    }
    let refused = Selection::parse(Resource::Pods, None, "", "spec.foo=1").unwrap_err();
    assert_eq!(
        refused.message,
        "Unable to find \"/v1, Resource=pods\" that match label selector \"\", field selector \"spec.foo=1\": field label not supported: spec.foo"
    );
}

#[tokio::test]
async fn a_watch_tells_what_is_there_and_what_comes() {
    let store = store();
    create(&store, "a");
    let mut watch = store.watch(Resource::Pods, From::Start);
    assert_eq!(told(&mut watch, 1).await, [("ADDED", "a".to_owned())]);
    let writer = store.clone();
    let task = tokio::spawn(async move { create(&writer, "b") });
    assert_eq!(told(&mut watch, 1).await, [("ADDED", "b".to_owned())]);
    task.await.unwrap();
    assert_eq!(watch.version(), Some(store.version()));
}

#[tokio::test]
async fn a_watch_sees_objects_enter_and_leave_its_selection() {
    let store = store();
    let selection = Selection::parse(Resource::Pods, None, "app=x", "").unwrap();
    let mut watch = store.watch_selected(Resource::Pods, selection, From::Version(store.version()));
    create(&store, "a");
    for label in ["x", "y"] {
        store
            .patch(Part::Object, Resource::Pods, "default", "a", |pod| {
                pod["metadata"]["labels"]["app"] = label.into();
                Ok(())
            })
            .unwrap();
    }
    assert_eq!(told(&mut watch, 2).await, [("ADDED", "a".to_owned()), ("DELETED", "a".to_owned())]);
}

#[tokio::test]
async fn a_watch_from_what_is_forgotten_is_told_so() {
    let store = store();
    let mut watch = store.watch(Resource::Pods, From::Version(1)).into_stream().boxed();
    let refusal = watch.next().await.unwrap().unwrap_err();
    assert_eq!(refusal.message, "too old resource version: 1 (450)");
    assert!(watch.next().await.is_none());
    // One that is at the newest version is not behind.
    let mut watch = store.watch(Resource::Pods, From::Version(store.version()));
    store.compact();
    create(&store, "a");
    assert_eq!(told(&mut watch, 1).await.len(), 1);
}

#[test]
fn history_is_bounded() {
    let mut history = History::new(2, 0);
    for version in 1..=3 {
        history.push(Change {
            version,
            key: Key::new(Resource::Pods, "default", "a"),
            before: None,
            object: Arc::new(Value::Null),
            is_deletion: false,
        });
    }
    assert_eq!(history.oldest(), 1);
    assert_eq!(history.after(1).count(), 2);
}

#[tokio::test]
async fn who_has_a_finalizer_stays_until_it_is_taken_off() {
    let store = store();
    let mut held = pod("a");
    held["metadata"]["finalizers"] = json!(["x.dev/a", "x.dev/b"]);
    store.create(Resource::Pods, "default", held).unwrap();
    let mut watch = store.watch(Resource::Pods, From::Version(store.version()));
    let keep = |finalizers: Value| {
        store.patch(Part::Object, Resource::Pods, "default", "a", |pod| {
            pod["metadata"]["finalizers"] = finalizers;
            Ok(())
        })
    };
    store.delete(Resource::Pods, "default", "a", &grace(5)).unwrap();
    let confirmed = store.delete(Resource::Pods, "default", "a", &grace(0)).unwrap();
    assert!(!confirmed.is_gone);
    assert_eq!(confirmed.object["metadata"]["deletionGracePeriodSeconds"], 0);
    assert_eq!(confirmed.object["status"]["phase"], "Running");
    let again = store.delete(Resource::Pods, "default", "a", &grace(0)).unwrap();
    assert!(!again.is_gone && again.object == confirmed.object);
    keep(json!(["x.dev/b"])).unwrap();
    assert!(store.get(Resource::Pods, "default", "a").is_ok());
    keep(json!([])).unwrap();
    assert_eq!(store.get(Resource::Pods, "default", "a").unwrap_err().code, 404);
    let kinds: Vec<_> = told(&mut watch, 4).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["MODIFIED", "MODIFIED", "MODIFIED", "DELETED"]);
}

#[test]
fn a_finalizer_that_goes_early_lets_the_node_confirm() {
    let store = store();
    let mut held = pod("a");
    held["metadata"]["finalizers"] = json!(["x.dev/a"]);
    store.create(Resource::Pods, "default", held).unwrap();
    store.delete(Resource::Pods, "default", "a", &grace(5)).unwrap();
    let without = |pod: &mut Value| {
        pod["metadata"]["finalizers"] = json!([]);
        Ok(())
    };
    store.patch(Part::Object, Resource::Pods, "default", "a", without).unwrap();
    assert!(store.get(Resource::Pods, "default", "a").is_ok());
    assert!(store.delete(Resource::Pods, "default", "a", &grace(0)).unwrap().is_gone);
}

#[test]
fn a_secret_with_a_finalizer_stays_too() {
    let store = store();
    secret(&store, "s", None);
    let with = |finalizers: Value| {
        store.patch(Part::Object, Resource::Secrets, "default", "s", |secret| {
            secret["metadata"]["finalizers"] = finalizers;
            Ok(())
        })
    };
    with(json!(["x.dev/a"])).unwrap();
    assert!(!store.delete(Resource::Secrets, "default", "s", &grace(0)).unwrap().is_gone);
    with(json!([])).unwrap();
    assert_eq!(store.get(Resource::Secrets, "default", "s").unwrap_err().code, 404);
}
