//! Over HTTP, with a client that knows nothing. What every test has asked and been answered is held against the description of
//! the API, where that is at hand.

mod client;
mod commit;
mod containers;
mod events;
mod exec;
mod faults;
mod framework;
mod handles;
mod logs;
mod persona;
mod scopes;
mod stop;
mod storage;
mod streams;
mod tasks;
mod walls;

use std::time::Duration;

use serde_json::{Value, json};

use self::client::Answered;
use super::swagger::Description;
use super::{Bugs, FakeVic, FakeVicOptions};
use crate::engine::{Engine, EngineOptions, HOST_IMAGE, Isolation};

const LONG: Duration = Duration::from_secs(60);

/// A fake on an engine of its own, without walls, so that it runs for everybody. Tasks are of the host's own files.
struct Bench {
    fake: FakeVic,
    /// The layer of the host's files.
    layer: String,
}

/// A container that is being made.
struct Draft {
    id: String,
    handle: String,
}

impl Bench {
    async fn new() -> Self {
        Self::with(quick()).await
    }

    async fn with(options: FakeVicOptions) -> Self {
        let engine = EngineOptions { isolation: Some(Isolation::None), ..EngineOptions::default() };
        Self::on(Engine::start(engine).await.unwrap(), options).await
    }

    async fn on(engine: Engine, options: FakeVicOptions) -> Self {
        let fake = FakeVic::start(engine, &options).await.unwrap();
        let mut bench = Self { fake, layer: String::new() };
        bench.layer = bench.pull(HOST_IMAGE).await;
        bench
    }

    /// Pulls an image; the id of its layer.
    async fn pull(&self, reference: &str) -> String {
        let target = format!("/v1.35/images/create?fromImage={reference}");
        let answer = client::ask(self.fake.persona(), "POST", &target, None).await.unwrap();
        assert!(answer.status == 200 && !answer.text.contains("errorDetail"), "{answer:?}");
        let images = self.get("/kv/docker.images").await.ok();
        let images: Value = serde_json::from_str(images["Value"].as_str().unwrap()).unwrap();
        images["CacheByName"][reference]["id"].as_str().unwrap().to_owned()
    }

    async fn try_ask(
        &self,
        method: &str,
        target: &str,
        body: Option<Value>,
    ) -> Result<Answered, hyper::Error> {
        client::ask(self.fake.port_layer(), method, target, body).await
    }

    async fn ask(&self, method: &str, target: &str, body: Value) -> Answered {
        self.try_ask(method, target, Some(body)).await.unwrap()
    }

    async fn call(&self, method: &str, target: &str) -> Answered {
        self.try_ask(method, target, None).await.unwrap()
    }

    async fn get(&self, target: &str) -> Answered {
        self.call("GET", target).await
    }

    /// The connection is dropped.
    async fn dropped(&self, method: &str, target: &str, body: Option<Value>) {
        self.try_ask(method, target, body).await.expect_err("it panics there");
    }

    /// A handle for a container that isn't there yet.
    async fn draft(&self, name: &str) -> Draft {
        let body =
            json!({"name": name, "numCPUs": 2, "memoryMB": 512, "hostname": "h", "annotations": {"a": name}});
        let made = self.ask("POST", "/containers", body).await.ok();
        let text = |key: &str| made[key].as_str().unwrap().to_owned();
        Draft { id: text("id"), handle: text("handle") }
    }

    /// Gives it an image, and a bound task that runs a script.
    async fn add(&self, draft: &Draft, task: &str, script: &str, more: Value) {
        self.join_image(draft, task).await;
        let mut body = json!({
            "handle": draft.handle, "id": task, "namespace": self.layer, "path": "/bin/sh",
            "args": ["-c", script], "attach": true, "env": ["A=b"], "workingDir": "/tmp",
        });
        for (key, value) in more.as_object().unwrap() {
            body[key.as_str()] = value.clone();
        }
        assert_eq!(self.ask("POST", "/tasks", body).await.ok()["id"], task);
        self.ask("POST", "/tasks/binding", json!({"handle": draft.handle, "id": task})).await.ok();
    }

    async fn join_image(&self, draft: &Draft, delta: &str) {
        let target = format!("/storage/{}/info/{}", self.fake.host_uuid(), self.layer);
        let body = json!({"handle": draft.handle, "deltaID": delta, "imageID": "i", "repoName": "host"});
        self.ask("POST", &target, body).await.ok();
    }

    /// Connects it with the network, and gives it its serial ports.
    async fn equip(&self, draft: &Draft) {
        let body = json!({"handle": draft.handle, "networkConfig": {"networkName": "default"}});
        self.ask("POST", "/scopes/default/containers", body).await.ok();
        for device in ["/interaction", "/logging"] {
            self.ask("POST", device, json!({"handle": draft.handle})).await.ok();
        }
    }

    async fn commit(&self, handle: &str) -> Answered {
        self.call("PUT", &format!("/containers/{handle}")).await
    }

    /// A container of one task, stopped.
    async fn made(&self, script: &str) -> String {
        self.made_with(script, json!({})).await
    }

    async fn made_with(&self, script: &str, more: Value) -> String {
        let draft = self.draft("c").await;
        self.add(&draft, &draft.id, script, more).await;
        self.equip(&draft).await;
        self.commit(&draft.handle).await.ok();
        draft.id
    }

    /// A new handle of a container.
    async fn open(&self, id: &str) -> String {
        self.get(&format!("/containers/{id}")).await.ok().as_str().unwrap().to_owned()
    }

    async fn ask_for(&self, handle: &str, state: &str) {
        self.ask("PUT", &format!("/containers/{handle}/state"), json!(state)).await.ok();
    }

    /// Starts it as drivers do.
    async fn try_start(&self, id: &str) -> Answered {
        let handle = self.open(id).await;
        self.call("POST", &format!("/scopes/containers/{handle}/binding")).await.ok();
        self.ask_for(&handle, "RUNNING").await;
        self.commit(&handle).await
    }

    async fn start(&self, id: &str) {
        self.try_start(id).await.ok();
    }

    /// Stops it as drivers do, again from the beginning as long as somebody was faster.
    async fn stop(&self, id: &str) {
        loop {
            let handle = self.open(id).await;
            self.call("DELETE", &format!("/scopes/containers/{handle}/binding")).await.ok();
            self.ask_for(&handle, "STOPPED").await;
            let answer = self.commit(&handle).await;
            if answer.status != 409 {
                answer.ok();
                return;
            }
        }
    }

    async fn running(&self, script: &str) -> String {
        let id = self.made(script).await;
        self.start(&id).await;
        id
    }

    async fn info(&self, id: &str) -> Value {
        self.get(&format!("/containers/info/{id}")).await.ok()
    }

    async fn state(&self, id: &str) -> String {
        self.info(id).await["containerConfig"]["state"].as_str().unwrap().to_owned()
    }

    /// Waits until it has stopped.
    async fn stopped(&self, id: &str) -> Value {
        self.get(&format!("/containers/{id}/wait?timeout=60")).await.ok()
    }

    /// Asks again and again until the answer is as wanted.
    async fn until(&self, id: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut pause = Duration::from_millis(1);
        loop {
            let info = self.info(id).await;
            if fits(&info) {
                return info;
            }
            assert!(pause < Duration::from_secs(5), "never: {info}");
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    /// A handle with a change, committed again from the beginning as long as somebody was faster.
    async fn change(&self, id: &str, change: impl AsyncFn(&str)) {
        loop {
            let handle = self.open(id).await;
            change(&handle).await;
            let answer = self.commit(&handle).await;
            if answer.status != 409 {
                answer.ok();
                return;
            }
        }
    }

    /// The end: nothing is left, and all that was said is as it is described.
    async fn finish(self) {
        let Self { fake, .. } = self;
        let exchanges = fake.exchanges().all();
        let engine = fake.engine().clone();
        fake.shutdown().await;
        let ledger = engine.ledger();
        assert!(ledger.is_empty_except_images(), "{ledger:?}");
        engine.shutdown().await.unwrap();
        if let Some(description) = Description::beside_the_workspace() {
            let problems: Vec<_> =
                exchanges.iter().flat_map(|exchange| description.problems(exchange)).collect();
            assert!(problems.is_empty(), "{problems:#?}");
        }
    }
}

/// Nobody waits long.
fn quick() -> FakeVicOptions {
    FakeVicOptions {
        stop_wait: Duration::from_millis(300),
        stream_wait: Duration::from_millis(300),
        launch_wait: Duration::from_secs(5),
        stats_interval: Duration::from_millis(20),
        ..FakeVicOptions::default()
    }
}

fn without_bugs() -> FakeVicOptions {
    FakeVicOptions { bugs: Bugs::NONE, ..quick() }
}
