//! A whole fake cluster for tests, whose pods are processes of this host, and drivers that are connected to it.

use std::time::Duration;

use runtime_core::{ContainerId, Context, PodId};
use serde_json::{Value, json};
use testkit::{
    engine::{Engine, EngineOptions, FaultHandle, HOST_IMAGE, Isolation},
    fake_k8s::{FakeK8s, FakeK8sOptions, store::Resource},
};

use crate::{
    config::Config,
    driver::{K8sDriver, connect_in},
    kubeconfig::Surroundings,
    translate::status,
};

/// Listens to its signal.
pub(crate) const LISTENS: &str = "trap 'echo bye; exit 6' TERM; echo ready; while :; do sleep 0.1; done";
/// Does not.
pub(crate) const IGNORES: &str = "trap '' TERM; echo ready; while :; do sleep 0.1; done";

pub(crate) struct Cluster {
    pub(crate) fake: FakeK8s,
    pub(crate) driver: K8sDriver,
    pub(crate) cx: Context,
    engine: Engine,
    dir: tempfile::TempDir,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let options = EngineOptions { isolation: Some(Isolation::None), ..EngineOptions::default() };
        let engine = Engine::start(options).await.unwrap();
        let fake = FakeK8s::start(engine.clone(), &FakeK8sOptions::default()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        fake.write_kubeconfig(&dir.path().join("kubeconfig")).unwrap();
        let driver = connect(&dir).await;
        let cx = Context::background().with_timeout(Duration::from_secs(120));
        Self { fake, driver, cx, engine, dir }
    }

    /// Another client, as another process would be.
    pub(crate) async fn another(&self) -> K8sDriver {
        connect(&self.dir).await
    }

    /// Makes a pod of the container `main`, and waits until it says that it is ready.
    pub(crate) async fn run(&self, name: &str, script: &str, grace_seconds: i64) -> PodId {
        let id = self.make(name, script, grace_seconds, json!({})).await;
        let container = ContainerId::new(format!("{id}/main"));
        let options = runtime_core::LogOptions::follow();
        let containers = runtime_core::Driver::containers(&self.driver).unwrap();
        let mut log = containers.logs(&self.cx, &container, &options).await.unwrap();
        let line = futures::StreamExt::next(&mut log).await.unwrap().unwrap();
        assert_eq!(line.text(), "ready");
        id
    }

    /// Makes a pod with this in its spec.
    pub(crate) async fn make(&self, name: &str, script: &str, grace_seconds: i64, more: Value) -> PodId {
        let mut spec = json!({
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": grace_seconds,
            "containers": [{"name": "main", "image": HOST_IMAGE, "command": ["sh", "-c", script]}],
        });
        spec.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        let pod = json!({"metadata": {"name": name}, "spec": spec});
        let made = self.driver.pods_in("default").create(&self.cx, &pod).await.unwrap();
        status::key(&made).id()
    }

    /// The pod of this name as the server has it.
    pub(crate) fn pod(&self, name: &str) -> Option<Value> {
        self.fake.store().get(Resource::Pods, "default", name).ok().map(|pod| Value::clone(&pod))
    }

    /// What was changed since then, and how.
    pub(crate) fn writes(&self, since: usize) -> Vec<String> {
        let all = self.fake.requests().all().into_iter().skip(since);
        all.filter(|request| ["PATCH", "DELETE", "PUT"].contains(&request.method.as_str()))
            .map(|request| request.operation)
            .collect()
    }

    /// Waits until nothing runs any more, and ends.
    pub(crate) async fn finish(self) {
        until("nothing runs", async || self.engine.ledger().is_empty_except_images()).await;
        self.fake.shutdown().await;
        self.engine.shutdown().await.unwrap();
    }
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        let mut pause = Duration::from_millis(1);
        while !is_so().await {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    waited.unwrap_or_else(|_| panic!("waited too long: {what}"));
}

/// Waits until a request has met a fault.
pub(crate) async fn hit(fault: &FaultHandle) {
    until("a request meets the fault", async || fault.hits() > 0).await;
}

async fn connect(dir: &tempfile::TempDir) -> K8sDriver {
    let config = Config::default().with_kubeconfig(dir.path().join("kubeconfig"));
    connect_in(config, Surroundings::default()).await.unwrap()
}
