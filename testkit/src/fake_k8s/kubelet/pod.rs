//! A pod on its node, from its first status to its end.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use k8s_cri::v1::{PodSandboxConfig, RemovePodSandboxRequest, RunPodSandboxRequest, StopPodSandboxRequest};
use k8s_openapi::api::core::v1::{Container, PodSpec};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::Code;

use super::cluster::Cluster;
use super::config::{self, Identity};
use super::env::Sources;
use super::events::Told;
use super::options::Backoff;
use super::pull::rpc;
use super::state::{Place, PodState, Verdict};
use super::status::status;
use super::volume::{VolumeError, Volumes};
use crate::engine::Isolation;
use crate::fake_k8s::Refusal;
use crate::fake_k8s::store::{DeleteOptions, Resource};

/// What is to become of a pod; each replaces those before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    Run,
    /// It ends, and stays to be looked at.
    End(Verdict),
    /// It ends within its grace period, and goes.
    Delete {
        grace: Duration,
    },
    /// It is gone from the API already. What runs has the time that it had before, or its own.
    Removed,
    /// Its node is gone.
    Gone,
}

impl Order {
    fn rank(&self) -> u8 {
        match self {
            Self::Run => 0,
            Self::End(_) => 1,
            Self::Delete { .. } => 2,
            Self::Removed => 3,
            Self::Gone => 4,
        }
    }
}

/// A pod that a kubelet runs.
pub(super) struct PodRun {
    pub(super) cluster: Arc<Cluster>,
    pub(super) identity: Identity,
    pub(super) node: String,
    /// As it was when it came to the node.
    pub(super) object: Arc<Value>,
    pub(super) spec: PodSpec,
    pub(super) dir: PathBuf,
    state: Mutex<PodState>,
    sandbox: Mutex<Option<String>>,
    volumes: Mutex<Option<Arc<Volumes>>>,
    orders: watch::Sender<Order>,
    /// How long it may be active. The one thing of its spec that may change.
    deadline: watch::Sender<Option<Duration>>,
}

impl PodRun {
    pub(super) fn new(
        cluster: Arc<Cluster>,
        identity: Identity,
        object: Arc<Value>,
        pod: &k8s_openapi::api::core::v1::Pod,
    ) -> Self {
        let spec = pod.spec.clone().unwrap_or_default();
        let node = spec.node_name.clone().unwrap_or_default();
        let state = PodState::new(pod, &cluster.address(&node), cluster.store.clock().now());
        let dir = cluster.runtime.dir().join(format!("pod-{}", identity.uid));
        let deadline = watch::Sender::new(spec.active_deadline_seconds.map(seconds));
        Self {
            deadline,
            identity,
            node,
            object,
            spec,
            dir,
            state: Mutex::new(state),
            sandbox: Mutex::default(),
            volumes: Mutex::default(),
            orders: watch::Sender::new(Order::Run),
            cluster,
        }
    }

    /// Says what is to become of it. What is less than was said before is not heard.
    pub(super) fn order(&self, order: Order) {
        self.orders.send_if_modified(|now| {
            let heard = order.rank() > now.rank() || (order.rank() == now.rank() && order != *now);
            if heard {
                *now = order;
            }
            heard
        });
    }

    /// Says how many seconds it may be active.
    pub(super) fn limit(&self, active_deadline_seconds: Option<i64>) {
        let deadline = active_deadline_seconds.map(seconds);
        self.deadline.send_if_modified(|now| std::mem::replace(now, deadline) != deadline);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, PodState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its sandbox in the runtime, while there is one.
    pub(super) fn sandbox(&self) -> Option<String> {
        self.sandbox.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn volumes(&self) -> Option<Arc<Volumes>> {
        self.volumes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    pub(super) fn sources<'a>(&'a self, ip: Option<&'a str>) -> Sources<'a> {
        Sources { store: &self.cluster.store, pod: &self.object, ip }
    }

    /// Its life: to the end that it comes to by itself, or is ordered to.
    pub(super) async fn run(self: Arc<Self>) {
        let mut orders = self.orders.subscribe();
        tokio::select! {
            biased;
            _ = orders.wait_for(|order| *order != Order::Run) => {}
            () = self.live() => {}
        }
        loop {
            let order = orders.borrow_and_update().clone();
            match order {
                Order::Run => {}
                Order::End(verdict) => tokio::select! {
                    biased;
                    Ok(()) = orders.changed() => continue,
                    () = self.end(verdict) => {}
                },
                Order::Delete { grace } => {
                    self.publish();
                    // A shorter grace period, or that it is gone, comes as a new order.
                    tokio::select! {
                        biased;
                        Ok(()) = orders.changed() => continue,
                        () = self.kill(self.shorten_grace(Some(grace))) => {}
                    }
                    self.finish().await;
                    self.clean_up().await;
                    self.delete();
                    return;
                }
                Order::Removed => {
                    tokio::select! {
                        biased;
                        Ok(()) = orders.changed() => continue,
                        () = self.kill(self.shorten_grace(None)) => {}
                    }
                    self.clean_up().await;
                    return;
                }
                Order::Gone => {
                    self.kill(Duration::ZERO).await;
                    self.clean_up().await;
                    return;
                }
            }
            if orders.changed().await.is_err() {
                return;
            }
        }
    }

    /// From the first status to the end of the last container.
    async fn live(&self) {
        if !self.admit() {
            return;
        }
        self.publish();
        tokio::select! {
            biased;
            () = self.work() => return,
            () = self.time_is_up() => {}
        }
        let message = "Pod was active on the node longer than the specified deadline".to_owned();
        self.end(Verdict { reason: "DeadlineExceeded".to_owned(), message }).await;
    }

    /// Waits until it has been active for as long as it may be, which can change meanwhile.
    async fn time_is_up(&self) {
        let (began, mut deadlines) = (Instant::now(), self.deadline.subscribe());
        loop {
            let deadline = *deadlines.borrow_and_update();
            let is_up = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(began + deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Ok(()) = deadlines.changed() => {}
                () = is_up => return,
            }
        }
    }

    async fn work(&self) {
        const TO_SANDBOX: Duration = Duration::from_millis(190);
        self.make_volumes().await;
        self.cluster.pace.wait(TO_SANDBOX).await;
        let ip = self.make_sandbox().await;
        self.publish();
        self.state().ip = Some(ip);
        let sidecars = self.run_init().await;
        if self.state().outcome().is_none() {
            let mains = (0..self.spec.containers.len()).map(|at| self.keep(Place::Main(at)));
            tokio::select! {
                _ = join_all(mains) => {}
                _ = join_all(sidecars.iter().map(|place| self.keep(*place))), if !sidecars.is_empty() => {}
            }
        }
        const TO_END: Duration = Duration::from_millis(1150);
        self.cluster.pace.wait(TO_END).await;
        self.kill(self.shorten_grace(None)).await;
        self.finish().await;
    }

    /// Runs init containers, one after the other. What is returned is to be kept running beside the others.
    async fn run_init(&self) -> Vec<Place> {
        let mut sidecars = Vec::new();
        let count = self.spec.init_containers.iter().flatten().count();
        for at in 0..count {
            let place = Place::Init(at);
            if self.state().slot(place).is_some_and(|slot| slot.is_sidecar) {
                self.begin(place).await;
                sidecars.push(place);
                continue;
            }
            self.keep(place).await;
            if self.state().outcome().is_some() {
                break;
            }
        }
        sidecars
    }

    /// Makes the volumes; until they can be had, the pod waits.
    async fn make_volumes(&self) {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(120));
        loop {
            let volumes = self.spec.volumes.clone().unwrap_or_default();
            let containers: Vec<&Container> =
                self.spec.init_containers.iter().flatten().chain(&self.spec.containers).collect();
            let wanted = (volumes.as_slice(), self.cluster.image_volumes);
            let made = Volumes::make(self.dir.join("volumes"), wanted, &containers, &self.sources(None));
            match made {
                Ok(made) => {
                    *self.volumes.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(made));
                    return;
                }
                Err(VolumeError::Unsupported(why)) => {
                    self.stay_waiting("CreateContainerConfigError", &why);
                    return std::future::pending().await;
                }
                Err(VolumeError::NotYet(why)) => {
                    self.tell("FailedMount", format!("MountVolume.SetUp failed for {why}"), true, None);
                    tokio::time::sleep(self.cluster.pace.backoff(backoff.next())).await;
                }
            }
        }
    }

    /// Its sandbox as it is asked for.
    pub(super) fn sandbox_config(&self) -> Result<PodSandboxConfig, String> {
        config::sandbox(&self.identity, &self.spec, &self.logs(), self.has_walls())
    }

    /// Its containers see files of their own.
    pub(super) fn has_walls(&self) -> bool {
        self.cluster.runtime.engine().isolation() == Isolation::Chroot
    }

    /// Makes the sandbox, and says its address. One that never can be is waited for.
    async fn make_sandbox(&self) -> String {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(300));
        let config = match self.sandbox_config() {
            Ok(config) => config,
            Err(why) => {
                self.stay_waiting("CreateContainerConfigError", &why);
                return std::future::pending().await;
            }
        };
        loop {
            let request = RunPodSandboxRequest { config: Some(config.clone()), ..Default::default() };
            match self.cluster.runtime.run_pod_sandbox(request).await {
                Ok(made) => {
                    let id = made.pod_sandbox_id;
                    let address = self.cluster.runtime.engine().pod(&id).ok().and_then(|pod| pod.address);
                    *self.sandbox.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
                    let mut state = self.state();
                    state.sandbox_ready = true;
                    let host = state.host_ip.clone();
                    return address.map_or(host, |address| address.to_string());
                }
                // What the engine can't do will never be.
                Err(status) if status.code() == Code::Unimplemented => {
                    self.stay_waiting("CreateContainerConfigError", status.message());
                    return std::future::pending().await;
                }
                Err(status) => {
                    let message = format!("Failed to create pod sandbox: {}", rpc(&status));
                    self.tell("FailedCreatePodSandBox", message, true, None);
                    tokio::time::sleep(self.cluster.pace.backoff(backoff.next())).await;
                }
            }
        }
    }

    /// Says of all containers why they don't run.
    fn stay_waiting(&self, reason: &str, message: &str) {
        let mut state = self.state();
        let count = (state.init.len(), state.main.len());
        let places = (0..count.0).map(Place::Init).chain((0..count.1).map(Place::Main));
        for place in places {
            if let Some(slot) = state.slot_mut(place) {
                slot.wait(reason, Some(message.to_owned()));
            }
        }
        drop(state);
        self.tell("Failed", format!("Error: {message}"), true, None);
        self.publish();
    }

    /// Ends it without its containers having ended.
    async fn end(&self, verdict: Verdict) {
        self.state().verdict = Some(verdict);
        self.kill(self.shorten_grace(None)).await;
        self.finish().await;
    }

    /// The time that its containers have from now on, which can only become shorter while the pod ends. Zero is no time that is
    /// asked for: it means the pod's own, unless there is one by now. It is a second at least. As `calculateEffectiveGracePeriod`
    /// of the real kubelet has it.
    fn shorten_grace(&self, asked: Option<Duration>) -> Duration {
        let asked = asked.filter(|asked| !asked.is_zero());
        let mut state = self.state();
        let shortest = state.grace.into_iter().chain(asked).min();
        let grace = shortest.unwrap_or_else(|| self.grace()).max(Duration::from_secs(1));
        state.grace = Some(grace);
        grace
    }

    /// The time that its containers have between the signal and the kill, by its spec.
    pub(super) fn grace(&self) -> Duration {
        const DEFAULT_GRACE_SECONDS: i64 = 30;
        let seconds = self.spec.termination_grace_period_seconds.unwrap_or(DEFAULT_GRACE_SECONDS);
        Duration::from_secs(u64::try_from(seconds).unwrap_or(1))
    }

    /// All has ended: the sandbox goes, and the phase says it.
    async fn finish(&self) {
        if let Some(sandbox) = self.sandbox() {
            let request = StopPodSandboxRequest { pod_sandbox_id: sandbox };
            if let Err(error) = self.cluster.runtime.stop_pod_sandbox(request).await {
                tracing::warn!(%error, "a sandbox can't be stopped");
            }
        }
        let mut state = self.state();
        state.sandbox_ready = false;
        state.is_over = true;
        drop(state);
        self.publish();
    }

    /// Removes what it has on the node.
    pub(super) async fn clean_up(&self) {
        let sandbox = self.sandbox.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sandbox) = sandbox {
            let request = RemovePodSandboxRequest { pod_sandbox_id: sandbox };
            if let Err(error) = self.cluster.runtime.remove_pod_sandbox(request).await {
                tracing::warn!(%error, "a sandbox can't be removed");
            }
        }
        *self.volumes.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if let Err(error) = tokio::fs::remove_dir_all(&self.dir).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, directory = %self.dir.display(), "left behind");
        }
    }

    /// Takes the object out of the API, for good.
    fn delete(&self) {
        let options = DeleteOptions {
            grace_seconds: Some(0),
            uid: Some(self.identity.uid.clone()),
            ..DeleteOptions::default()
        };
        // Somebody may have been quicker.
        let _ = self.cluster.store.delete(
            Resource::Pods,
            &self.identity.namespace,
            &self.identity.name,
            &options,
        );
    }

    /// Writes the status, if it has changed and the object is still this pod.
    pub(super) fn publish(&self) {
        let Identity { namespace, name, uid } = &self.identity;
        let now = self.cluster.store.clock().now();
        let mut state = self.state();
        let written = self.cluster.store.edit(Resource::Pods, namespace, name, |pod| {
            if pod["metadata"]["uid"] != uid.as_str() {
                return Err(Refusal::not_found(Resource::Pods, name));
            }
            let generation = pod["metadata"]["generation"].as_i64().unwrap_or(1);
            pod["status"] = status(&mut state, &pod["status"], generation, now);
            Ok(())
        });
        // It may be gone.
        drop(written);
    }

    /// Tells an event about it, or about one of its containers.
    pub(super) fn tell(&self, reason: &str, message: String, is_warning: bool, place: Option<Place>) {
        let state = self.state();
        let name = place.and_then(|place| state.slot(place)).map(|slot| slot.spec.name.clone());
        drop(state);
        let field_path = place.zip(name).map(|(place, name)| place.field_path(&name));
        self.cluster.events.tell(
            &self.object,
            Some(&self.node),
            Told { reason, message, is_warning, field_path },
        );
    }
}

impl std::fmt::Debug for PodRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PodRun").field("pod", &self.identity.full_name()).finish_non_exhaustive()
    }
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}
