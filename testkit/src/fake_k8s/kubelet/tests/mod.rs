//! Pods on the engine, without walls, from the host's own files.

mod life;
mod replay;
mod streams;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{KubeletOptions, Kubelets};
use crate::engine::{Engine, EngineOptions, HOST_IMAGE, Isolation};
use crate::fake_k8s::Clock;
use crate::fake_k8s::store::{DeleteOptions, Event, From, Part, Resource, Store, Watch};

const LONG: Duration = Duration::from_secs(60);

/// A cluster without an API server.
struct Bench {
    engine: Engine,
    store: Store,
    kubelets: Arc<Kubelets>,
}

impl Bench {
    async fn new() -> Self {
        Self::with(KubeletOptions::default()).await
    }

    async fn with(options: KubeletOptions) -> Self {
        let engine = Engine::start(EngineOptions { isolation: Some(Isolation::None), ..Default::default() })
            .await
            .unwrap();
        let store = Store::new(Clock::default());
        let namespace = json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "default"}});
        store.create(Resource::Namespaces, "", namespace).unwrap();
        let kubelets = Arc::new(Kubelets::start(engine.clone(), store.clone(), &options).unwrap());
        Self { engine, store, kubelets }
    }

    /// Creates a pod as the API server does.
    fn create(&self, name: &str, spec: Value) -> Arc<Value> {
        let pod = json!({
            "kind": "Pod", "apiVersion": "v1", "metadata": {"name": name}, "spec": spec,
            "status": {"phase": "Pending", "qosClass": "BestEffort"},
        });
        self.store.create(Resource::Pods, "default", pod).unwrap()
    }

    fn pod(&self, name: &str) -> Value {
        Value::clone(&self.store.get(Resource::Pods, "default", name).unwrap())
    }

    /// Waits until a pod is as wanted.
    async fn until(&self, name: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut watch = self.store.watch(Resource::Pods, From::Start);
        let wait = async {
            loop {
                let event = watch.next().await.unwrap();
                if event.object["metadata"]["name"] == name && fits(&event.object) {
                    return Value::clone(&event.object);
                }
            }
        };
        match tokio::time::timeout(LONG, wait).await {
            Ok(pod) => pod,
            Err(_) => panic!("{what}: {:#}", self.pod(name)["status"]),
        }
    }

    async fn until_phase(&self, name: &str, phase: &str) -> Value {
        self.until(name, phase, |pod| pod["status"]["phase"] == phase).await
    }

    fn delete(&self, name: &str, grace_seconds: Option<i64>) {
        let options = DeleteOptions { grace_seconds, ..DeleteOptions::default() };
        self.store.delete(Resource::Pods, "default", name, &options).unwrap();
    }

    async fn until_empty(&self) {
        let deadline = tokio::time::Instant::now() + LONG;
        let mut wait = Duration::from_millis(1);
        while !self.engine.ledger().is_empty_except_images() {
            assert!(tokio::time::Instant::now() < deadline, "{:?}", self.engine.ledger());
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_millis(50));
        }
    }

    async fn finish(self) {
        self.kubelets.shutdown().await;
        self.until_empty().await;
        self.engine.shutdown().await.unwrap();
    }
}

/// A pod of one container that runs a script.
fn script(script: &str) -> Value {
    json!({
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "main", "image": HOST_IMAGE, "command": ["sh", "-c", script]}],
    })
}

/// The recordings of a 1.36 cluster, if they are here.
fn recordings() -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/recordings/kubernetes");
    let path = if path.exists() { path } else { std::env::var_os("WHARF_RECORDINGS")?.into() };
    path.exists().then_some(path)
}

fn read(path: PathBuf) -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}
