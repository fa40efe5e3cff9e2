//! A whole cluster over HTTPS: what clients see of pods that run on the engine. As root the containers have walls.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::client::{Ask, ask, open, websocket};
use crate::engine::{Engine, EngineOptions};
use crate::fake_k8s::{FakeK8s, FakeK8sOptions};
use crate::image::{guest, standard};
use crate::registry::{Auth, Credentials, Options, Registry};

const PODS: &str = "/api/v1/namespaces/default/pods";
const LONG: Duration = Duration::from_secs(60);

struct Bench {
    engine: Engine,
    registry: Registry,
    fake: FakeK8s,
}

impl Bench {
    /// A registry that asks for a login, which the secret `login` has.
    async fn new() -> Self {
        let program = tokio::task::spawn_blocking(guest::binary).await.unwrap().unwrap();
        let auth = Auth::Basic(Credentials::new("user", "secret"));
        let registry = Registry::start(Options { auth, ..Default::default() }).await.unwrap();
        for named in standard::all(&program).unwrap() {
            registry.push(named.name, standard::TAG, &named.image);
        }
        let engine = Engine::start(EngineOptions::default()).await.unwrap();
        let fake = FakeK8s::start(engine.clone(), &FakeK8sOptions::default()).unwrap();
        let config = json!({"auths": {registry.address(): {"auth": STANDARD.encode("user:secret")}}});
        let secret = json!({
            "metadata": {"name": "login"},
            "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": STANDARD.encode(config.to_string())},
        });
        let made = ask(&fake, "POST", "/api/v1/namespaces/default/secrets", Some(secret)).await;
        assert_eq!(made.status, 201, "{}", made.text);
        Self { engine, registry, fake }
    }

    /// A pod of one container of the guest image, with the login for it.
    fn pod(&self, name: &str, args: &[&str]) -> Value {
        json!({"metadata": {"name": name}, "spec": {
            "restartPolicy": "Never",
            "imagePullSecrets": [{"name": "login"}],
            "containers": [{"name": "main", "image": self.registry.reference("guest", "1"), "args": args}],
        }})
    }

    async fn create(&self, pod: Value) {
        let made = ask(&self.fake, "POST", PODS, Some(pod)).await;
        assert_eq!(made.status, 201, "{}", made.text);
    }

    /// Watches a pod until it is as wanted.
    async fn until(&self, name: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let path = format!("{PODS}?watch=1&fieldSelector=metadata.name%3D{name}");
        let asked =
            Ask { method: "GET", path: &path, content_type: "", body: None, token: Some(self.fake.token()) };
        let mut events = Events { answer: open(&self.fake, asked).await.unwrap(), rest: Vec::new() };
        let wait = async {
            loop {
                let event = events.next().await;
                if fits(&event["object"]) {
                    return event["object"].clone();
                }
            }
        };
        match timeout(LONG, wait).await {
            Ok(pod) => pod,
            Err(_) => {
                let pod = ask(&self.fake, "GET", &format!("{PODS}/{name}"), None).await;
                let events = ask(&self.fake, "GET", "/api/v1/namespaces/default/events", None).await;
                panic!("{what}: {}\n{}", pod.text, events.text)
            }
        }
    }

    async fn until_phase(&self, name: &str, phase: &str) -> Value {
        self.until(name, phase, |pod| pod["status"]["phase"] == phase).await
    }

    /// Waits until the last of a pod is told.
    async fn until_gone(&self, name: &str) {
        let deadline = tokio::time::Instant::now() + LONG;
        let mut wait = Duration::from_millis(1);
        while ask(&self.fake, "GET", &format!("{PODS}/{name}"), None).await.status != 404 {
            assert!(tokio::time::Instant::now() < deadline, "{name} stays");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_millis(50));
        }
    }

    /// What a container prints to the end.
    async fn printed(&self, name: &str, args: &[&str], change: impl FnOnce(&mut Value)) -> String {
        let mut pod = self.pod(name, args);
        change(&mut pod["spec"]);
        self.create(pod).await;
        self.until_phase(name, "Succeeded").await;
        ask(&self.fake, "GET", &format!("{PODS}/{name}/log"), None).await.text.trim().to_owned()
    }

    async fn finish(self) {
        self.fake.shutdown().await;
        assert!(self.engine.ledger().is_empty_except_images(), "{:?}", self.engine.ledger());
        self.engine.shutdown().await.unwrap();
    }
}

/// The events of a watch.
struct Events {
    answer: hyper::Response<Incoming>,
    rest: Vec<u8>,
}

impl Events {
    async fn next(&mut self) -> Value {
        use http_body_util::BodyExt;
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return serde_json::from_slice(&line).unwrap();
            }
            let frame = self.answer.frame().await.expect("the watch goes on").unwrap();
            self.rest.extend(frame.into_data().unwrap());
        }
    }
}

#[tokio::test]
async fn a_pod_from_its_creation_to_its_end() {
    let bench = Bench::new().await;
    bench.create(bench.pod("a", &["pause"])).await;
    let pod = bench.until_phase("a", "Running").await;
    let status = &pod["status"]["containerStatuses"][0];
    assert_eq!((&pod["spec"]["nodeName"], &status["ready"]), (&json!("node1"), &json!(true)));

    let exec = format!("{PODS}/a/exec?command=/guest&command=echo&command=hello&stdout=true&stderr=true");
    let (mut channels, chosen) = websocket(&bench.fake, &exec, "v5.channel.k8s.io").await;
    assert_eq!(chosen.as_deref(), Some("v5.channel.k8s.io"));
    let (all, goodbye) = timeout(LONG, channels.rest()).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&all[&1]), "hello\n");
    let outcome: Value = serde_json::from_slice(&all[&3]).unwrap();
    assert_eq!((&outcome["status"], goodbye.map(|it| it.code.into())), (&json!("Success"), Some(1000)));

    let gone = ask(&bench.fake, "DELETE", &format!("{PODS}/a?gracePeriodSeconds=5"), None).await;
    assert_eq!(gone.status, 200, "{}", gone.text);
    bench.until_gone("a").await;
    assert!(bench.engine.ledger().is_empty_except_images(), "{:?}", bench.engine.ledger());
    bench.finish().await;
}

#[tokio::test]
async fn what_it_prints_is_its_log() {
    let bench = Bench::new().await;
    assert_eq!(bench.printed("a", &["echo", "to", "the", "log"], |_| {}).await, "to the log");
    bench.finish().await;
}

#[tokio::test]
async fn an_image_that_asks_for_a_login_is_not_pulled_without() {
    let bench = Bench::new().await;
    let mut pod = bench.pod("a", &["pause"]);
    pod["spec"]["imagePullSecrets"] = json!([{"name": "missing"}]);
    bench.create(pod).await;
    let waits =
        |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ErrImagePull";
    let pod = bench.until("a", "refused", waits).await;
    let message = &pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"];
    assert!(message.as_str().unwrap().contains("401 Unauthorized"), "{message}");
    bench.finish().await;
}

#[tokio::test]
async fn volumes_and_security_are_honoured_where_there_are_walls() {
    let bench = Bench::new().await;
    if !bench.engine.has_networks() {
        eprintln!("skipped: needs root and the program ip");
        return bench.finish().await;
    }
    let map = json!({"metadata": {"name": "m"}, "data": {"k": "mapped"}});
    let made = ask(&bench.fake, "POST", "/api/v1/namespaces/default/configmaps", Some(map)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let printed = bench.printed("volume", &["cat", "/m/k"], |spec| {
        spec["volumes"] = json!([
            {"name": "m", "configMap": {"name": "m"}}, {"name": "t", "emptyDir": {"medium": "Memory"}},
        ]);
        spec["containers"][0]["volumeMounts"] =
            json!([{"name": "m", "mountPath": "/m"}, {"name": "t", "mountPath": "/t"}]);
    });
    assert_eq!(printed.await, "mapped");
    let printed = bench.printed("groups", &["proc-status", "Groups"], |spec| {
        spec["securityContext"] =
            json!({"runAsUser": 1000, "runAsGroup": 1000, "supplementalGroups": [2000]});
    });
    assert_eq!(printed.await, "1000 2000");
    let printed = bench.printed("capabilities", &["proc-status", "CapEff"], |spec| {
        spec["containers"][0]["securityContext"] = json!({"capabilities": {"drop": ["ALL"]}});
    });
    assert_eq!(printed.await, "0000000000000000");
    bench.finish().await;
}
