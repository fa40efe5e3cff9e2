//! A host for tests: it answers as a port layer and persona with nothing wrong would, but where a test says otherwise.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use runtime_core::{
    Context, PodId,
    spec::{ContainerSpec, PodSpec},
};
use serde_json::{Value, json};
use testkit::scripted::Scripted;
pub(crate) use testkit::scripted::{Answer, Asked};

use crate::{
    config::Config,
    driver::{VicDriver, connect},
};

/// A handle of the VM whose number it ends with.
const HANDLE: &str = "handle-";

/// What is there, as lists tell it.
pub(crate) type Vms = Arc<Mutex<BTreeMap<String, Value>>>;

pub(crate) struct Host {
    pub(crate) driver: VicDriver,
    pub(crate) cx: Context,
    pub(crate) vms: Vms,
    server: Scripted,
}

impl Host {
    /// A host that answers what `other` says; where it says nothing, as one with nothing wrong. It is told how many requests of
    /// the same kind came before: method and path with ids and handles as `*`.
    pub(crate) async fn start(
        other: impl Fn(usize, &str, &Asked, &Vms) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        Self::with(|config| config, other).await
    }

    pub(crate) async fn with(
        config: impl FnOnce(Config) -> Config,
        other: impl Fn(usize, &str, &Asked, &Vms) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let vms = Vms::default();
        let (shared, counts) = (Arc::clone(&vms), Mutex::new(BTreeMap::<String, usize>::new()));
        let server = Scripted::start(move |_, asked| {
            let kind = kind(&asked.line);
            let before = {
                let mut counts = counts.lock().unwrap();
                let count = counts.entry(kind.clone()).or_default();
                *count += 1;
                *count - 1
            };
            other(before, &kind, asked, &shared).unwrap_or_else(|| usual(&kind, asked, &shared))
        });
        let server = server.await.unwrap();
        let address = server.url.strip_prefix("http://").unwrap().to_owned();
        let driver = connect(config(Config::new(&address, "store").with_persona(&address))).await.unwrap();
        let cx = Context::background().with_timeout(Duration::from_secs(60));
        Self { driver, cx, vms, server }
    }

    /// The kinds of all requests since connecting.
    pub(crate) fn kinds(&self) -> Vec<String> {
        self.server.lines().iter().skip(1).map(|line| kind(line)).collect()
    }

    /// How many there were of a kind.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.kinds().iter().filter(|one| *one == kind).count()
    }

    /// The bodies of a kind, and the whole requests.
    pub(crate) fn asked(&self, wanted: &str) -> Vec<Asked> {
        self.server.asked().into_iter().filter(|asked| kind(&asked.line) == wanted).collect()
    }

    pub(crate) fn body(&self, wanted: &str) -> Value {
        serde_json::from_str(&self.asked(wanted)[0].body).unwrap()
    }
}

/// A pod of one container.
pub(crate) fn pod(name: &str) -> PodSpec {
    PodSpec::new(name).with_container(ContainerSpec::new("main", "busybox:1").with_args(["sleep", "60"]))
}

/// The id of the VM of this number.
pub(crate) fn id(number: usize) -> PodId {
    PodId::new(format!("{number:064x}"))
}

/// Sets the state of a VM.
pub(crate) fn set_state(vms: &Vms, id: &str, state: &str) {
    if let Some(vm) = vms.lock().unwrap().get_mut(id) {
        vm["containerConfig"]["state"] = json!(state);
        vm["processConfig"]["status"] = json!(if state == "Created" { "" } else { "true" });
    }
}

pub(crate) fn refusal(code: u16, message: &str) -> Answer {
    Answer::json(code, json!({ "message": message }))
}

/// The images that the persona knows: `busybox:1` to `busybox:9`.
pub(crate) fn images() -> Answer {
    let all: BTreeMap<_, _> = (1..10_usize)
        .map(|tag| {
            let (id, name) = (format!("{tag:064x}"), format!("busybox:{tag}"));
            let image =
                json!({"id": format!("{tag:x}").repeat(64), "image_id": id, "config": {"Cmd": ["sh"]}});
            (name, image)
        })
        .collect();
    let value = json!({"CacheByID": {}, "CacheByName": all, "IDIndex": {}}).to_string();
    Answer::json(200, json!({"Key": "docker.images", "Value": value}))
}

/// Method and path, with ids and handles as `*`.
fn kind(line: &str) -> String {
    let line = line.split('?').next().unwrap();
    let parts = line.split('/').map(|part| {
        let is_id = part.len() == 64 || part.starts_with(HANDLE);
        if is_id { "*" } else { part }
    });
    parts.collect::<Vec<_>>().join("/")
}

/// The VM that a request is about.
fn subject(asked: &Asked) -> String {
    let body = serde_json::from_str::<Value>(&asked.body).unwrap_or_default();
    let in_body = body["handle"].as_str().map(str::to_owned);
    let path = asked.line.split('?').next().unwrap();
    let in_path = path.split('/').find(|part| part.len() == 64 || part.starts_with(HANDLE));
    let subject = in_body.or(in_path.map(str::to_owned)).unwrap_or_default();
    subject.strip_prefix(HANDLE).unwrap_or(&subject).to_owned()
}

/// Nothing shows before its first commit.
fn is_there(vm: &Value) -> bool {
    vm["containerConfig"]["state"] != ""
}

fn usual(kind: &str, asked: &Asked, vms: &Vms) -> Answer {
    let id = subject(asked);
    let ok = |value: Value| Answer::json(200, value);
    let handle = json!(format!("{HANDLE}{id}"));
    let whole = json!({"handle": handle, "id": id, "endpoints": null});
    match kind {
        "GET /_ping" => Answer::Whole(200, "content-type: text/plain\r\n", "OK".to_owned()),
        "GET /kv/docker.images" => images(),
        "GET /containers/list" => {
            ok(json!(vms.lock().unwrap().values().filter(|vm| is_there(vm)).collect::<Vec<_>>()))
        }
        "GET /containers/info/*" => match vms.lock().unwrap().get(&id).filter(|vm| is_there(vm)) {
            Some(vm) => ok(vm.clone()),
            None => refusal(404, "not found"),
        },
        "GET /containers/*" if vms.lock().unwrap().get(&id).is_some_and(is_there) => ok(handle),
        "GET /containers/*" => refusal(404, "container not found"),
        "POST /containers" => {
            let body: Value = serde_json::from_str(&asked.body).unwrap();
            let mut vms = vms.lock().unwrap();
            let number = vms.len() + 1;
            let id = self::id(number);
            let config = json!({
                "containerId": id, "state": "", "createTime": 1000 + number, "annotations": body["annotations"],
            });
            vms.insert(
                id.to_string(),
                json!({"containerConfig": config, "processConfig": {}, "endpoints": null}),
            );
            ok(json!({"id": id, "handle": format!("{HANDLE}{id}")}))
        }
        "PUT /containers/*/state" => {
            set_state(vms, &id, if asked.body.contains("RUNNING") { "Running" } else { "Stopped" });
            ok(handle)
        }
        "PUT /containers/*" => {
            let is_new = vms.lock().unwrap()[&id]["containerConfig"]["state"] == "";
            if is_new {
                set_state(vms, &id, "Created");
            }
            Answer::Whole(200, "", String::new())
        }
        "POST /scopes/default/containers" => ok(handle),
        "GET /scopes/containers/*" => refusal(404, "container not found"),
        "DELETE /containers/*" => {
            vms.lock().unwrap().remove(&id);
            Answer::Whole(200, "", String::new())
        }
        "POST /containers/*/signal" => {
            set_state(vms, &id, "Stopped");
            Answer::Whole(200, "", String::new())
        }
        "POST /v1.35/images/create" => Answer::Whole(200, "", "{\"status\":\"Pulling\"}\r\n".to_owned()),
        "POST /tasks" => {
            let body: Value = serde_json::from_str(&asked.body).unwrap();
            let task = body["id"].as_str().unwrap_or(&"e".repeat(64)).to_owned();
            ok(json!({"handle": handle, "id": task}))
        }
        _ if kind.starts_with("POST") || kind.starts_with("DELETE") => ok(whole),
        _ => refusal(404, "no such path"),
    }
}
