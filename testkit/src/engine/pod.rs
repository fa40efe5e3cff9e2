//! Pods: a name, a place for logs and labels, and the containers in it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::core::{Engine, random_id};
use super::process::lock;
use super::space::Space;
use super::{EngineError, EventKind, Object, User};

/// What a pod is made of.
#[derive(Clone, Default)]
pub struct PodLaunch {
    /// Its name.
    pub name: String,
    /// The namespace of its name.
    pub namespace: String,
    /// The caller's own unique id for it.
    pub uid: String,
    /// The caller's count of tries. Name, namespace, uid and attempt together are unique.
    pub attempt: u32,
    /// Host name of its containers, unless they bring one.
    pub hostname: Option<String>,
    /// What its containers have together.
    pub space: PodSpace,
    /// Where log paths of its containers start, for the caller's use; made if it is missing.
    pub log_directory: Option<PathBuf>,
    /// For the caller's use.
    pub labels: BTreeMap<String, String>,
    /// For the caller's use.
    pub annotations: BTreeMap<String, String>,
    /// For the caller's use; not printed by `Debug`.
    pub config: Value,
}

impl fmt::Debug for PodLaunch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, namespace, uid, attempt, .. } = self;
        write!(f, "PodLaunch({namespace}/{name} uid={uid:?} attempt={attempt})")
    }
}

/// What the containers of a pod share with each other and not with the host. By default that is nothing: the network
/// and inter-process communication are the host's, and each container has a process tree of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodSpace {
    /// A network of its own, with an address that the host reaches. `None`: the host's.
    pub network: Option<PodNetwork>,
    /// Shared memory, semaphores and message queues of its own.
    pub ipc: bool,
    /// A process of the pod's own, in a tree that containers can [join](super::PidSpace::Pod).
    pub process: Option<PodProcess>,
    /// Kernel parameters of these namespaces, by name.
    pub sysctls: BTreeMap<String, String>,
}

/// A pod's network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodNetwork {
    /// Ports of the host that lead to the pod.
    pub ports: Vec<PublishedPort>,
}

/// A TCP port of the host that leads to a port of the pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedPort {
    /// Address of the host to listen at. `None`: all of IPv4.
    pub host_ip: Option<IpAddr>,
    /// Port of the host.
    pub host_port: u16,
    /// Port in the pod.
    pub port: u16,
}

/// The first process in a pod's tree. It waits, and reaps whatever loses its parent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodProcess {
    /// Whom it runs as. `None`: root.
    pub user: Option<User>,
    /// Further groups of the user.
    pub supplementary_groups: Vec<u32>,
}

/// A pod, as it was when it was asked for.
#[derive(Debug, Clone)]
pub struct Pod {
    /// 64 lower-case hexadecimal digits.
    pub id: String,
    /// What it was made of.
    pub launch: std::sync::Arc<PodLaunch>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was stopped; `None` while it is ready.
    pub stopped_at: Option<Timestamp>,
    /// The address of its own network; `None` when it has none, or is stopped.
    pub address: Option<Ipv4Addr>,
    /// Its own process as the host sees it; `None` when it has none, or is stopped.
    pub pid: Option<i32>,
}

impl Pod {
    /// Whether containers can be added.
    pub fn is_ready(&self) -> bool {
        self.stopped_at.is_none()
    }

    /// True when this is what stopped it.
    fn stop_now(&mut self) -> bool {
        let was_ready = self.is_ready();
        self.stopped_at.get_or_insert_with(Timestamp::now);
        (self.address, self.pid) = (None, None);
        was_ready
    }

    fn full_name(&self) -> String {
        let PodLaunch { name, namespace, uid, attempt, .. } = &*self.launch;
        format!("{name}_{namespace}_{uid}_{attempt}")
    }
}

impl Engine {
    /// Makes a pod, which is ready at once. Fault name `create_pod`.
    ///
    /// # Errors
    /// [`EngineError::NameTaken`] when one of the same name, namespace, uid and attempt exists.
    pub async fn create_pod(&self, launch: PodLaunch) -> Result<Pod, EngineError> {
        let shared = self.shared();
        shared
            .faults
            .around("create_pod", async {
                shared.check_open()?;
                if let Some(hostname) = &launch.hostname {
                    self.check_hostname(hostname)?;
                }
                let logs = launch.log_directory.clone();
                self.check_space(&launch.space)?;
                let mut pod = Pod {
                    id: random_id()?,
                    launch: std::sync::Arc::new(launch),
                    created_at: Timestamp::now(),
                    stopped_at: None,
                    address: None,
                    pid: None,
                };
                shared.check_pod_name(&pod)?;
                if let Some(logs) = logs {
                    let made = tokio::fs::create_dir_all(&logs).await;
                    made.map_err(|error| {
                        EngineError::io(format!("log directory {}", logs.display()), error)
                    })?;
                }
                // Dropped with this future, the space is gone again.
                let space = Space::make(shared, &pod.id, &pod.launch.space).await?;
                (pod.address, pod.pid) = (space.address(), space.pid());
                shared.insert_pod(pod, space)
            })
            .await
    }

    /// Stops a pod and kills its containers, each with `grace` after its stop signal. One that is stopped stays so.
    /// Fault name `stop_pod`.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn stop_pod(&self, id: &str, grace: Duration) -> Result<(), EngineError> {
        let shared = self.shared();
        shared
            .faults
            .around("stop_pod", async {
                let was_ready = {
                    let mut pods = lock(&shared.pods);
                    pods.get_mut(id).ok_or_else(|| EngineError::not_found(Object::Pod, id))?.stop_now()
                };
                let stops = self
                    .containers_of(id)
                    .into_iter()
                    .map(|container| async move { self.stop_quietly(&container, grace).await });
                futures::future::join_all(stops).await.into_iter().collect::<Result<(), _>>()?;
                shared.close_space(id).await;
                if was_ready {
                    shared.events.pod(EventKind::Stopped, id);
                }
                Ok(())
            })
            .await
    }

    /// Removes a pod with its containers, by force. `false`: there was none. Fault name `remove_pod`.
    ///
    /// # Errors
    /// Those of the operating system.
    pub async fn remove_pod(&self, id: &str) -> Result<bool, EngineError> {
        let shared = self.shared();
        shared
            .faults
            .around("remove_pod", async {
                // No container can be added from here on.
                let was_ready = match lock(&shared.pods).get_mut(id) {
                    None => return Ok(false),
                    Some(pod) => pod.stop_now(),
                };
                let removals = self
                    .containers_of(id)
                    .into_iter()
                    .map(|container| async move { self.remove_quietly(&container).await });
                futures::future::join_all(removals).await.into_iter().collect::<Result<Vec<_>, _>>()?;
                shared.close_space(id).await;
                if was_ready {
                    shared.events.pod(EventKind::Stopped, id);
                }
                let removed = lock(&shared.pods).remove(id).is_some();
                if removed {
                    shared.events.pod(EventKind::Deleted, id);
                }
                Ok(removed)
            })
            .await
    }

    /// A pod by its full id.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub fn pod(&self, id: &str) -> Result<Pod, EngineError> {
        lock(&self.shared().pods).get(id).cloned().ok_or_else(|| EngineError::not_found(Object::Pod, id))
    }

    /// Every pod, oldest first.
    pub fn pods(&self) -> Vec<Pod> {
        let mut pods: Vec<_> = lock(&self.shared().pods).values().cloned().collect();
        pods.sort_by_key(|pod| pod.created_at);
        pods
    }
}

impl super::core::Shared {
    /// What the containers of a pod share; nothing when it is stopped.
    pub(crate) fn space(&self, pod: &str) -> Arc<Space> {
        lock(&self.spaces).get(pod).cloned().unwrap_or_default()
    }

    /// Not given up half-way when the caller goes away.
    async fn close_space(&self, pod: &str) {
        let space = lock(&self.spaces).remove(pod);
        if let Some(space) = space {
            let _ = self.runtime.spawn(space.close()).await;
        }
    }

    fn check_pod_name(&self, new: &Pod) -> Result<(), EngineError> {
        let name = new.full_name();
        match lock(&self.pods).values().find(|pod| pod.full_name() == name) {
            Some(pod) => Err(EngineError::NameTaken { object: Object::Pod, name, existing: pod.id.clone() }),
            None => Ok(()),
        }
    }

    fn insert_pod(&self, new: Pod, space: Space) -> Result<Pod, EngineError> {
        let name = new.full_name();
        let mut pods = lock(&self.pods);
        if let Some(pod) = pods.values().find(|pod| pod.full_name() == name) {
            return Err(EngineError::NameTaken { object: Object::Pod, name, existing: pod.id.clone() });
        }
        self.check_open()?;
        pods.insert(new.id.clone(), new.clone());
        lock(&self.spaces).insert(new.id.clone(), Arc::new(space));
        drop(pods);
        self.events.pod(EventKind::Created, &new.id);
        self.events.pod(EventKind::Started, &new.id);
        Ok(new)
    }
}
