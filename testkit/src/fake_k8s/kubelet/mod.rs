//! Scheduler, nodes and kubelets of the fake cluster: pods become processes of the engine.
//!
//! A kubelet speaks with the fake container runtime as a real one does with containerd, without a socket between; so what
//! that refuses, and the words for it, are containerd's. Faults on its calls (`RunPodSandbox`, `PullImage`) hit the kubelets.
//! Statuses follow what a 1.36 cluster was seen to write.
//!
//! What the engine can't do is refused: the pod waits with `CreateContainerConfigError` and a message that begins with "the
//! fake can't". That is volumes but `emptyDir`, `hostPath`, `configMap`, `secret`, `downwardAPI`, `projected` and, where it is
//! [said](KubeletOptions::image_volumes), `image`; block devices, `recursiveReadOnly`, `fsGroup`, `procMount`, `hostUsers: false`, seccomp and AppArmor profiles of one's own, UDP
//! host ports, and probes over gRPC and HTTPS. There is no cluster DNS, and no variables of services.
//! What a pod may have as a whole holds for each container that has no limit of its own, as with a real kubelet; nothing holds
//! for all of them together.

mod admit;
mod cluster;
mod config;
mod container;
mod env;
mod events;
mod fields;
mod log;
mod log_options;
mod loss;
mod metrics;
mod node;
mod options;
mod pod;
mod probe;
mod pull;
mod schedule;
mod serve;
mod state;
mod status;
mod stream;
mod volume;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use hyper::Response;
use serde_json::Value;

pub use node::NodeOptions;
pub use options::KubeletOptions;

use self::cluster::Cluster;
use self::pod::Order;
use self::state::Verdict;
use super::store::{Resource, Store};
use super::{Body, Nodes, PodRequest, Refusal};
use crate::engine::Engine;

/// The nodes of a fake cluster, and its scheduler. Dropping it removes every pod from the engine, in the background;
/// [`shutdown`](Self::shutdown) does that and waits. The objects stay in the store.
#[derive(Debug)]
pub struct Kubelets {
    cluster: Arc<Cluster>,
}

impl Kubelets {
    /// Makes the nodes, and begins to run what the store holds for them.
    ///
    /// # Errors
    /// When there is no room for files of pods.
    pub fn start(engine: Engine, store: Store, options: &KubeletOptions) -> io::Result<Self> {
        let kubelets = Self { cluster: Arc::new(Cluster::new(engine, store, options)?) };
        for node in &options.nodes {
            // One that is there already is another fake's.
            if let Err(refusal) = kubelets.add_node(node) {
                tracing::warn!(message = refusal.message, "a node can't be made");
            }
        }
        kubelets.cluster.start();
        Ok(kubelets)
    }

    /// Adds a node.
    ///
    /// # Errors
    /// 409 if there is one of that name.
    pub fn add_node(&self, node: &NodeOptions) -> Result<(), Refusal> {
        let store = &self.cluster.store;
        let object = node.object(&store.clock().time(), self.cluster.image_volumes);
        store.create(Resource::Nodes, "", object).map(drop)
    }

    /// Ends a pod as a kubelet does that is short of something: it is `Failed`, reason `Evicted`, and stays.
    ///
    /// # Errors
    /// 404 if no node has such a pod.
    pub fn evict(&self, namespace: &str, name: &str, message: &str) -> Result<(), Refusal> {
        let pod = self.cluster.store.get(Resource::Pods, namespace, name)?;
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        let run = self.cluster.pod(uid).ok_or_else(|| Refusal::not_found(Resource::Pods, name))?;
        run.order(Order::End(Verdict { reason: "Evicted".to_owned(), message: message.to_owned() }));
        Ok(())
    }

    /// Cuts every exec, attach and port-forward that is open, as a lost connection does. What runs goes on.
    pub fn sever_streams(&self) {
        self.cluster.sever_streams();
    }

    /// Removes every pod from the engine and waits for it.
    pub async fn shutdown(&self) {
        let pods = self.cluster.stop();
        join_all(pods.iter().map(|pod| async {
            pod.kill(Duration::ZERO).await;
            pod.clean_up().await;
        }))
        .await;
    }
}

#[async_trait]
impl Nodes for Kubelets {
    async fn serve(&self, request: PodRequest) -> Result<Response<Body>, Refusal> {
        let PodRequest { pod, subresource, mut request } = request;
        serve::serve(&self.cluster, subresource, &pod, &mut request).await
    }

    async fn pod_metrics(&self) -> Vec<Value> {
        metrics::of_pods(&self.cluster).await
    }
}

impl Drop for Kubelets {
    fn drop(&mut self) {
        let pods = self.cluster.stop();
        if pods.is_empty() {
            return;
        }
        // On the engine's own threads: whoever drops this may have none.
        let engine = self.cluster.runtime.engine().clone();
        let runtime = engine.shared().runtime.clone();
        runtime.spawn(async move {
            join_all(pods.iter().map(|pod| pod.clean_up())).await;
        });
    }
}

#[cfg(test)]
mod tests;
