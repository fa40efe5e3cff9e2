//! What pods use, as the metrics API tells it.

use std::time::Duration;

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::pod::PodRun;
use super::state::SlotState;
use crate::fake_k8s::store::Resource;

/// `PodMetrics` of all pods that run something.
pub(super) async fn of_pods(cluster: &Cluster) -> Vec<Value> {
    let mut all = Vec::new();
    for pod in cluster.running() {
        if let Some(metrics) = of_pod(cluster, &pod).await {
            all.push(metrics);
        }
    }
    all.sort_by_key(|metrics| {
        ["namespace", "name"].map(|key| metrics["metadata"][key].as_str().unwrap_or_default().to_owned())
    });
    all
}

async fn of_pod(cluster: &Cluster, pod: &PodRun) -> Option<Value> {
    let running: Vec<_> = {
        let state = pod.state();
        let running = state.main.iter().filter_map(|slot| match (&slot.state, &slot.id) {
            (SlotState::Running { started_at }, Some(id)) => {
                Some((slot.spec.name.clone(), id.clone(), *started_at))
            }
            _ => None,
        });
        running.collect()
    };
    let mut containers = Vec::new();
    for (name, id, started_at) in running {
        // One that has ended meanwhile uses nothing.
        let Ok(usage) = cluster.runtime.engine().usage(&id).await else { continue };
        let age =
            Duration::try_from(cluster.store.clock().now().duration_since(started_at)).unwrap_or_default();
        let cores = usage.processor_time.as_secs_f64() / age.as_secs_f64().max(0.001);
        let memory = usage.memory_bytes / 1024;
        containers.push(json!({
            "name": name,
            "usage": {"cpu": format!("{:.0}n", cores * 1e9), "memory": format!("{memory}Ki")},
        }));
    }
    if containers.is_empty() {
        return None;
    }
    let object = cluster.store.get(Resource::Pods, &pod.identity.namespace, &pod.identity.name).ok()?;
    let now = cluster.store.clock().time();
    Some(json!({
        "kind": "PodMetrics",
        "apiVersion": "metrics.k8s.io/v1beta1",
        "metadata": {
            "name": pod.identity.name,
            "namespace": pod.identity.namespace,
            "creationTimestamp": now,
            "labels": object["metadata"]["labels"],
        },
        "timestamp": now,
        "window": "15s",
        "containers": containers,
    }))
}
