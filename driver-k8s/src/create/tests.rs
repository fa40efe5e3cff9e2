//! Running pods against a server that keeps what it is given, and fails where a test says.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use runtime_core::{
    Driver, Pod as _,
    spec::{ContainerSpec, RegistryCredentials},
};
use serde_json::Value;
use tokio::sync::mpsc;

use runtime_core::ErrorKind;

use super::*;
use crate::{
    driver::connect_in,
    kubeconfig::Surroundings,
    testing::scripted::{Answer, Asked, Scripted},
};

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It is not done, and nobody answers.
    CutBefore,
    /// It is done, and nobody answers.
    CutAfter,
    /// It is refused for now.
    Refused,
}

/// Objects by `pods/name` or `secrets/name`.
#[derive(Default)]
struct Cluster {
    objects: BTreeMap<String, Value>,
    version: u64,
    watches: Vec<mpsc::UnboundedSender<String>>,
    /// The state that the containers of new pods are in at once.
    state: Value,
    /// Which request of the create fails, and how.
    fault: Option<(usize, Fault)>,
    writes: Vec<String>,
}

impl Cluster {
    fn tell(&mut self, kind: &str, pod: &Value) {
        let line = format!("{}\n", json!({"type": kind, "object": pod}));
        self.watches.retain(|watch| watch.send(line.clone()).is_ok());
    }

    fn answer(&mut self, asked: &Asked) -> Answer {
        let (method, target) = asked.line.split_once(' ').unwrap();
        let path = target.split('?').next().unwrap();
        if target.contains("watch=true") {
            let (tell, told) = mpsc::unbounded_channel();
            self.watches.push(tell);
            return Answer::Streamed(told);
        }
        if path.ends_with("selfsubjectaccessreviews") {
            return Answer::json(201, json!({"status": {"allowed": true}}));
        }
        let Some(object) = path.strip_prefix("/api/v1/namespaces/ns/") else {
            return Answer::json(404, "404 page not found");
        };
        if method == "GET" {
            return self.read(object);
        }
        self.writes.push(format!("{method} {}", object.split('/').next().unwrap()));
        let fault = self.fault.filter(|(number, _)| *number == self.writes.len()).map(|(_, fault)| fault);
        match fault {
            Some(Fault::CutBefore) => return Answer::Cut,
            Some(Fault::Refused) => {
                return Answer::json(500, json!({"kind": "Status", "code": 500, "reason": "InternalError"}));
            }
            Some(Fault::CutAfter) | None => {}
        }
        let answer = self.write(method, object, asked);
        if fault.is_some() { Answer::Cut } else { answer }
    }

    fn read(&self, object: &str) -> Answer {
        if object == "pods" {
            let pods: Vec<_> = self
                .objects
                .iter()
                .filter(|(path, _)| path.starts_with("pods/"))
                .map(|(_, pod)| pod)
                .collect();
            let metadata = json!({"resourceVersion": self.version.to_string()});
            return Answer::json(
                200,
                json!({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": pods}),
            );
        }
        self.objects.get(object).map_or_else(missing, |object| Answer::json(200, object))
    }

    fn write(&mut self, method: &str, object: &str, asked: &Asked) -> Answer {
        self.version += 1;
        let version = json!(self.version.to_string());
        match method {
            "POST" => {
                let mut new: Value = serde_json::from_str(&asked.body).unwrap();
                let path = format!("{object}/{}", new["metadata"]["name"].as_str().unwrap());
                if self.objects.contains_key(&path) {
                    return Answer::json(
                        409,
                        json!({"kind": "Status", "code": 409, "reason": "AlreadyExists"}),
                    );
                }
                new["metadata"]["uid"] = json!(format!("uid-{}", self.version));
                new["metadata"]["resourceVersion"] = version;
                if object == "pods" {
                    self.begin(&mut new);
                }
                self.objects.insert(path, new.clone());
                Answer::json(201, new)
            }
            "PATCH" => {
                let patch: Value = serde_json::from_str(&asked.body).unwrap();
                let Some(there) = self.objects.get_mut(object) else { return missing() };
                there["metadata"]["ownerReferences"] = patch["metadata"]["ownerReferences"].clone();
                Answer::json(200, there.clone())
            }
            _ => {
                let Some(mut gone) = self.objects.remove(object) else { return missing() };
                gone["metadata"]["resourceVersion"] = version;
                gone["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
                gone["metadata"]["deletionGracePeriodSeconds"] = json!(0);
                if object.starts_with("pods/") {
                    self.tell("DELETED", &gone);
                }
                Answer::json(200, gone)
            }
        }
    }

    /// A kubelet that is as fast as can be.
    fn begin(&mut self, pod: &mut Value) {
        self.tell("ADDED", pod);
        let names: Vec<Value> =
            pod["spec"]["containers"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
        let status = |name: Value| json!({"name": name, "state": self.state, "ready": true, "restartCount": 0, "image": "i", "imageID": ""});
        let statuses: Vec<_> = names.into_iter().map(status).collect();
        let mut running = pod.clone();
        running["status"] = json!({"phase": "Running", "containerStatuses": statuses});
        self.version += 1;
        running["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.tell("MODIFIED", &running);
    }
}

fn missing() -> Answer {
    Answer::json(404, json!({"kind": "Status", "code": 404, "reason": "NotFound", "message": "not found"}))
}

struct Bench {
    cluster: Arc<Mutex<Cluster>>,
    _server: Scripted,
    driver: K8sDriver,
    cx: Context,
}

impl Bench {
    async fn new(state: Value, fault: Option<(usize, Fault)>) -> Self {
        let cluster = Arc::new(Mutex::new(Cluster { state, fault, ..Cluster::default() }));
        let answering = Arc::clone(&cluster);
        let server = Scripted::start(move |_, asked| answering.lock().unwrap().answer(asked)).await;
        let driver = connect_in(server.config(), Surroundings::default()).await.unwrap();
        let cx = Context::background().with_timeout(Duration::from_secs(30));
        // The watch is there before anything happens, as it is for all pods but the first.
        driver.cache("ns").known(&cx).await.unwrap();
        Self { cluster, _server: server, driver, cx }
    }

    async fn run(&self, options: &RunOptions) -> Result<PodRun> {
        self.driver.run(&self.cx, &spec(), options).await
    }

    fn objects(&self) -> Vec<String> {
        self.cluster.lock().unwrap().objects.keys().cloned().collect()
    }

    fn writes(&self) -> Vec<String> {
        self.cluster.lock().unwrap().writes.clone()
    }
}

fn running() -> Value {
    json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}})
}

fn spec() -> PodSpec {
    PodSpec::new("web")
        .with_container(ContainerSpec::new("main", "registry.example/web:1"))
        .with_pull_secret(RegistryCredentials::basic("registry.example", "me", "hunter2"))
}

#[tokio::test]
async fn a_pod_takes_three_requests() {
    let bench = Bench::new(running(), None).await;
    let pod = bench.run(&RunOptions::default()).await.unwrap();
    assert!(pod.id.as_str().starts_with("ns/web/uid-") && !pod.adopted);
    assert_eq!(pod.container("main").unwrap().as_str(), format!("{}/main", pod.id));
    assert_eq!(bench.writes(), ["POST secrets", "POST pods", "PATCH secrets"]);
    let objects = bench.objects();
    let owner = bench.cluster.lock().unwrap().objects[&objects[1]]["metadata"]["ownerReferences"][0].clone();
    assert_eq!((&owner["kind"], &owner["name"]), (&json!("Pod"), &json!("web")));
    // The list has it, without asking.
    let listed = bench.driver.list(&bench.cx, &runtime_core::PodFilter::default()).await.unwrap();
    assert_eq!(listed.iter().map(|one| &one.id).collect::<Vec<_>>(), [&pod.id]);
    bench.driver.remove(&bench.cx, &pod.id).await.unwrap();
    assert!(bench.objects().is_empty());
    assert_eq!(bench.writes()[3..], ["DELETE pods", "DELETE secrets"]);
    bench.driver.remove(&bench.cx, &pod.id).await.unwrap();
    assert_eq!(bench.writes().len(), 5, "it is gone");
}

#[tokio::test]
async fn whatever_fails_nothing_is_left() {
    for number in 1..=3 {
        for fault in [Fault::CutBefore, Fault::CutAfter, Fault::Refused] {
            let bench = Bench::new(running(), Some((number, fault))).await;
            match bench.run(&RunOptions::default()).await {
                // What was done although nobody said so is found again. The owner is said once more.
                Ok(pod) => {
                    assert!(fault != Fault::Refused || number == 3, "{number}");
                    bench.driver.remove(&bench.cx, &pod.id).await.unwrap();
                }
                Err(error) => {
                    assert!(fault != Fault::CutAfter && error.leftovers().is_empty(), "{number}: {error}")
                }
            }
            bench.driver.settle(&bench.cx).await.unwrap();
            assert_eq!(bench.objects(), Vec::<String>::new(), "{number} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_pod_that_cannot_start_is_removed() {
    let waiting = json!({"waiting": {"reason": "InvalidImageName", "message": "no such form"}});
    let bench = Bench::new(waiting, None).await;
    let error = bench.run(&RunOptions::default()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.reason()),
        (ErrorKind::InvalidArgument, Some("InvalidImageName")),
        "{error}"
    );
    assert!(bench.objects().is_empty(), "{:?}", bench.objects());
}

#[tokio::test]
async fn a_run_that_is_dropped_leaves_nothing() {
    let bench = Bench::new(json!({"waiting": {"reason": "ContainerCreating"}}), None).await;
    let options = RunOptions::default();
    let dropped = tokio::time::timeout(Duration::from_millis(500), bench.run(&options)).await;
    assert!(dropped.is_err() && bench.objects().len() == 2, "{dropped:?}");
    bench.driver.settle(&bench.cx).await.unwrap();
    assert!(bench.objects().is_empty(), "{:?}", bench.objects());
}

#[tokio::test]
async fn names_that_are_taken() {
    let bench = Bench::new(running(), None).await;
    let created = RunOptions::default().with_wait_for(WaitFor::Created);
    let first = bench.run(&created).await.unwrap();
    let error = bench.run(&created).await.unwrap_err();
    assert_eq!((error.kind(), error.existing_id()), (ErrorKind::AlreadyExists, Some(first.id.as_str())));
    assert_eq!(bench.objects().len(), 2, "the secret of the second is gone");
    let adopted = bench.run(&created.clone().with_existing(ExistingPolicy::Adopt)).await.unwrap();
    assert!(adopted.id == first.id && adopted.adopted && adopted.containers[0].adopted);
    let other = spec().with_label("a", "b");
    let error = bench
        .driver
        .run(&bench.cx, &other, &created.clone().with_existing(ExistingPolicy::Adopt))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("another spec"), "{error}");
    let replaced = bench.run(&created.with_existing(ExistingPolicy::Replace)).await.unwrap();
    assert!(replaced.id != first.id && !replaced.adopted);
    assert_eq!(bench.objects().len(), 2);
    let gone = bench.driver.status(&bench.cx, &first.id).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn leftovers_are_reaped_by_mark() {
    let bench = Bench::new(running(), None).await;
    bench.run(&RunOptions::default()).await.unwrap();
    let mark = bench.cluster.lock().unwrap().objects["pods/web"]["metadata"]["labels"][marks::CREATE].clone();
    let of = |mark: &str| [Leftover::marked(Object::pod("ns/web"), mark)];
    bench.driver.reap(&bench.cx, &of("another")).await.unwrap();
    assert_eq!(bench.objects().len(), 2);
    bench.driver.reap(&bench.cx, &of(mark.as_str().unwrap())).await.unwrap();
    assert!(bench.objects().is_empty());
}
