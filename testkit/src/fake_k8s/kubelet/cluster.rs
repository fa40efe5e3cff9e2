//! The parts of a cluster that act: the scheduler, and a kubelet for each node.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::config::Identity;
use super::events::{Events, Told};
use super::options::Pace;
use super::pod::{Order, PodRun};
use super::state::text;
use super::{KubeletOptions, schedule};
use crate::engine::Engine;
use crate::fake_cri::Runtime;
use crate::fake_k8s::store::{Event, EventType, From, ListOptions, Resource, Selection, Store};

/// What scheduler and kubelets share.
pub(super) struct Cluster {
    pub(super) store: Store,
    pub(super) runtime: Runtime,
    pub(super) events: Events,
    pub(super) pace: Pace,
    pub(super) websocket_v5: bool,
    pub(super) idle_cut: Option<Duration>,
    pub(super) image_volumes: bool,
    pods: Mutex<HashMap<String, Arc<PodRun>>>,
    /// Severs the streams of now.
    streams: Mutex<CancellationToken>,
    end: CancellationToken,
}

impl Cluster {
    pub(super) fn new(engine: Engine, store: Store, options: &KubeletOptions) -> io::Result<Self> {
        Ok(Self {
            runtime: Runtime::new(engine)?,
            events: Events::new(store.clone()),
            store,
            pace: Pace::new(options.time_scale),
            websocket_v5: options.websocket_v5,
            idle_cut: options.idle_cut,
            image_volumes: options.image_volumes,
            pods: Mutex::default(),
            streams: Mutex::default(),
            end: CancellationToken::new(),
        })
    }

    /// Begins to act.
    pub(super) fn start(self: &Arc<Self>) {
        let watches = [Resource::Pods, Resource::Nodes];
        for resource in watches {
            let (cluster, end) = (Arc::clone(self), self.end.clone());
            tokio::spawn(end.run_until_cancelled_owned(async move { cluster.follow(resource).await }));
        }
    }

    /// Acts no more. What the pods have on the nodes stays.
    pub(super) fn stop(&self) -> Vec<Arc<PodRun>> {
        self.end.cancel();
        self.pods().drain().map(|(_, pod)| pod).collect()
    }

    /// A pod that is on a node, by its uid.
    pub(super) fn pod(&self, uid: &str) -> Option<Arc<PodRun>> {
        self.pods().get(uid).cloned()
    }

    /// All of them.
    pub(super) fn running(&self) -> Vec<Arc<PodRun>> {
        self.pods().values().cloned().collect()
    }

    /// The address that a node has in statuses.
    pub(super) fn address(&self, node: &str) -> String {
        let node = self.store.get(Resource::Nodes, "", node);
        let address = node.ok().and_then(|node| {
            let addresses = node["status"]["addresses"].as_array()?;
            let internal = addresses.iter().find(|address| address["type"] == "InternalIP")?;
            Some(internal["address"].as_str()?.to_owned())
        });
        address.unwrap_or_default()
    }

    /// Whether a node has a kubelet: it is there, and not lost.
    fn is_heard_of(&self, node: &str) -> bool {
        let node = self.store.get(Resource::Nodes, "", node);
        node.is_ok_and(|node| {
            let mut conditions = node["status"]["conditions"].as_array().into_iter().flatten();
            !conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "Unknown")
        })
    }

    /// What severs the streams that begin now.
    pub(super) fn sever_token(&self) -> CancellationToken {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).child_token()
    }

    /// Severs all streams of now.
    pub(super) fn sever_streams(&self) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *streams).cancel();
    }

    fn pods(&self) -> MutexGuard<'_, HashMap<String, Arc<PodRun>>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn follow(self: &Arc<Self>, resource: Resource) {
        loop {
            let mut watch = self.store.watch(resource, From::Start);
            self.forget_missing();
            // One that falls out of the history begins anew.
            while let Ok(event) = watch.next().await {
                match resource {
                    Resource::Nodes => self.schedule_all(),
                    _ => self.see_pod(&event),
                }
            }
        }
    }

    fn see_pod(self: &Arc<Self>, event: &Event) {
        let pod = &event.object;
        let uid = text(pod, "uid");
        if event.kind == EventType::Deleted {
            if let Some(run) = self.pod(uid) {
                run.order(Order::Removed);
            }
            return;
        }
        let is_going = !pod["metadata"]["deletionTimestamp"].is_null();
        let has_ended = matches!(pod["status"]["phase"].as_str(), Some("Failed" | "Succeeded"));
        let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
        if node.is_empty() {
            if !is_going {
                self.schedule(pod);
            }
            return;
        }
        let run = match self.pod(uid) {
            Some(run) => run,
            None if has_ended || !self.is_heard_of(node) => return,
            None => match self.take_on(pod) {
                Some(run) => run,
                None => return,
            },
        };
        run.limit(pod["spec"]["activeDeadlineSeconds"].as_i64());
        if is_going {
            let grace = pod["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or(0);
            run.order(Order::Delete { grace: Duration::from_secs(grace) });
        }
    }

    /// A pod has come to a node.
    fn take_on(self: &Arc<Self>, pod: &Arc<Value>) -> Option<Arc<PodRun>> {
        let typed = match serde_json::from_value(Value::clone(pod)) {
            Ok(typed) => typed,
            Err(error) => {
                tracing::warn!(%error, "a pod that no kubelet understands");
                return None;
            }
        };
        let identity = Identity {
            namespace: text(pod, "namespace").to_owned(),
            name: text(pod, "name").to_owned(),
            uid: text(pod, "uid").to_owned(),
        };
        let uid = identity.uid.clone();
        let run = Arc::new(PodRun::new(Arc::clone(self), identity, Arc::clone(pod), &typed));
        self.pods().insert(uid.clone(), Arc::clone(&run));
        let (cluster, task) = (Arc::clone(self), Arc::clone(&run));
        let life = async move {
            task.run().await;
            cluster.pods().remove(&uid);
        };
        tokio::spawn(self.end.clone().run_until_cancelled_owned(life));
        Some(run)
    }

    /// After events may have been missed.
    fn forget_missing(&self) {
        for run in self.running() {
            let Identity { namespace, name, uid } = &run.identity;
            let now = self.store.get(Resource::Pods, namespace, name);
            if !now.is_ok_and(|pod| text(&pod, "uid") == uid) {
                run.order(Order::Removed);
            }
        }
    }

    /// There may be room now for pods that found none.
    fn schedule_all(&self) {
        let all = self.store.list(Resource::Pods, &Selection::default(), &ListOptions::default());
        for pod in all.map(|list| list.items).unwrap_or_default() {
            let is_going = !pod["metadata"]["deletionTimestamp"].is_null();
            if pod["spec"]["nodeName"].as_str().unwrap_or_default().is_empty() && !is_going {
                self.schedule(&pod);
            }
        }
    }

    fn schedule(&self, pod: &Value) {
        let all = |resource| {
            let list = self.store.list(resource, &Selection::default(), &ListOptions::default());
            list.map(|list| list.items).unwrap_or_default()
        };
        let nodes: Vec<Value> = all(Resource::Nodes).iter().map(|node| Value::clone(node)).collect();
        let pods = all(Resource::Pods);
        let load = |name: &str| pods.iter().filter(|pod| pod["spec"]["nodeName"] == name).count();
        let (namespace, name, uid) = (text(pod, "namespace"), text(pod, "name"), text(pod, "uid"));
        let now = self.store.clock().time();
        let chosen = schedule::choose(pod, &nodes, load);
        let mut changed = false;
        let written = self.store.edit(Resource::Pods, namespace, name, |pod| {
            let is_bound = pod["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty());
            if text(pod, "uid") != uid || is_bound {
                return Ok(());
            }
            let mut condition = json!({
                "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now,
            });
            match &chosen {
                Ok(node) => pod["spec"]["nodeName"] = node.as_str().into(),
                Err(why) => {
                    let known = &pod["status"]["conditions"][0];
                    if known["status"] == "False" && known["message"] == why.as_str() {
                        return Ok(());
                    }
                    condition["status"] = "False".into();
                    condition["observedGeneration"] = pod["metadata"]["generation"].clone();
                    condition["reason"] = "Unschedulable".into();
                    condition["message"] = why.as_str().into();
                }
            }
            changed = true;
            pod["status"]["conditions"] = json!([condition]);
            Ok(())
        });
        if written.is_err() || !changed {
            return;
        }
        let (reason, message, is_warning) = match chosen {
            Ok(node) => ("Scheduled", format!("Successfully assigned {namespace}/{name} to {node}"), false),
            Err(why) => ("FailedScheduling", why, true),
        };
        self.events.tell(pod, None, Told { reason, message, is_warning, field_path: None });
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("pods", &self.running()).finish_non_exhaustive()
    }
}
