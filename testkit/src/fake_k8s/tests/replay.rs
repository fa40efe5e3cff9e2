//! Every recorded REST request, replayed in order: status, reason and shape have to be those of the real cluster.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::client::{Ask, fake, send};
use crate::fake_k8s::FakeK8s;
use crate::fake_k8s::store::{Resource, Selection};

/// What differs from run to run. Only types are compared.
const VOLATILE: [&str; 5] =
    ["creationTimestamp", "resourceVersion", "remainingItemCount", "serverAddress", "uid"];

/// Where the recordings are, if they are.
pub(super) fn recordings() -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/recordings/kubernetes");
    let is_there = found.is_dir();
    if !is_there {
        println!("no recordings at {}: nothing was compared", found.display());
    }
    is_there.then_some(found)
}

/// What the recorded cluster called otherwise than this one: uids, versions, tokens.
#[derive(Default)]
struct Names(BTreeMap<String, String>);

impl Names {
    fn learn(&mut self, recorded: &Value, found: &Value) {
        match (recorded, found) {
            (Value::Object(recorded), Value::Object(found)) => {
                for (key, value) in recorded {
                    let Some(now) = found.get(key) else { continue };
                    match (value, now) {
                        (Value::String(was), Value::String(is))
                            if matches!(key.as_str(), "uid" | "resourceVersion" | "continue") =>
                        {
                            self.0.insert(was.clone(), is.clone());
                        }
                        _ => self.learn(value, now),
                    }
                }
            }
            (Value::Array(recorded), Value::Array(found)) => {
                recorded.iter().zip(found).for_each(|(recorded, found)| self.learn(recorded, found));
            }
            _ => {}
        }
    }

    /// A value as this cluster would say it.
    fn translate(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => match self.0.get(text) {
                Some(now) => now.as_str().into(),
                None => self.translate_text(text).into(),
            },
            Value::Array(items) => items.iter().map(|item| self.translate(item)).collect(),
            Value::Object(map) => {
                Value::Object(map.iter().map(|(key, value)| (key.clone(), self.translate(value))).collect())
            }
            other => other.clone(),
        }
    }

    /// A text in which names can stand. Numbers are too short to be looked for.
    fn translate_text(&self, text: &str) -> String {
        let long = self.0.iter().filter(|(was, _)| was.len() > 8);
        long.fold(text.to_owned(), |text, (was, now)| text.replace(was, now))
    }
}

/// Where two values differ.
pub(super) fn differences(recorded: &Value, found: &Value, path: &str, told: &mut Vec<String>) {
    match (recorded, found) {
        (Value::Object(recorded), Value::Object(found)) => {
            for key in recorded.keys().chain(found.keys().filter(|key| !recorded.contains_key(*key))) {
                let path = format!("{path}.{key}");
                match (recorded.get(key), found.get(key)) {
                    (Some(was), Some(is)) if VOLATILE.contains(&key.as_str()) => {
                        if std::mem::discriminant(was) != std::mem::discriminant(is) {
                            told.push(format!("{path}: {was} recorded, {is} found"));
                        }
                    }
                    (Some(was), Some(is)) => differences(was, is, &path, told),
                    (Some(was), None) => told.push(format!("{path}: {was} recorded, nothing found")),
                    (None, is) => told.push(format!("{path}: nothing recorded, {is:?} found")),
                }
            }
        }
        (Value::Array(recorded), Value::Array(found)) if recorded.len() == found.len() => {
            for (index, (recorded, found)) in recorded.iter().zip(found).enumerate() {
                differences(recorded, found, &format!("{path}[{index}]"), told);
            }
        }
        (recorded, found) if recorded == found => {}
        (recorded, found) => told.push(format!("{path}: {recorded} recorded, {found} found")),
    }
}

/// Makes what was there, and does what the cluster's own parts did between requests.
fn prepare(fake: &FakeK8s, name: &str, recorded: &[Value]) {
    let store = fake.store();
    match name {
        "list, limit 1" => {
            let data = json!({"service-ca.crt": ""});
            let annotations = json!({"service.beta.openshift.io/inject-cabundle": "true"});
            let object = json!({"metadata": {"name": "openshift-service-ca.crt", "annotations": annotations}, "data": data});
            store.create(Resource::ConfigMaps, "default", object).unwrap();
        }
        "list by label" => {
            let listed = recorded.iter().find(|it| it["name"] == name).unwrap();
            let pod = listed["response"]["body"]["items"][0].clone();
            store
                .edit(Resource::Pods, "default", "rec2", |object| {
                    object["spec"]["nodeName"] = pod["spec"]["nodeName"].clone();
                    object["status"] = pod["status"].clone();
                    Ok(())
                })
                .unwrap();
        }
        _ => {}
    }
    assert!(store.list(Resource::Pods, &Selection::default(), &Default::default()).is_ok());
}

/// What a node answers, not the API server: see `replay_nodes`.
fn is_the_nodes(name: &str) -> bool {
    name == "node" || (name.starts_with("log: ") && name != "log: no such pod")
}

async fn replay(file: &str) {
    let Some(directory) = recordings() else { return };
    let text = std::fs::read_to_string(directory.join(file)).unwrap();
    let recorded: Vec<Value> = serde_json::from_str(&text).unwrap();
    let fake = fake();
    let mut names = Names::default();
    let mut wrong = Vec::new();
    for exchange in recorded.iter().filter(|it| !is_the_nodes(it["name"].as_str().unwrap())) {
        let name = exchange["name"].as_str().unwrap();
        prepare(&fake, name, &recorded);
        let (request, response) = (&exchange["request"], &exchange["response"]);
        let body = Some(names.translate(&request["body"])).filter(|body| !body.is_null());
        let path = names.translate_text(request["path"].as_str().unwrap());
        let answered = send(
            &fake,
            Ask {
                method: request["method"].as_str().unwrap(),
                path: &path,
                content_type: request["headers"]["Content-Type"].as_str().unwrap_or("application/json"),
                body,
                token: (name != "unauthenticated").then(|| fake.token()),
            },
        )
        .await
        .unwrap();
        let expected = &response["body"];
        let found = match expected {
            Value::String(_) => answered.text.clone().into(),
            _ => answered.json(),
        };
        names.learn(expected, &found);
        let mut told = Vec::new();
        differences(&response["status"], &answered.status.into(), "status", &mut told);
        differences(&response["content_type"], &answered.content_type.as_str().into(), "type", &mut told);
        differences(&names.translate(expected), &found, "body", &mut told);
        wrong.extend(told.into_iter().map(|difference| format!("{name}: {difference}")));
    }
    assert!(wrong.is_empty(), "{file}:\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn first_recording() {
    replay("rest.json").await;
}

#[tokio::test]
async fn second_recording() {
    replay("rest-more.json").await;
}
