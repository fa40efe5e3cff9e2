//! What pods use, from the metrics API. It measures every 15 s or so, and tells processors and memory.

use hyper::Request;
use jiff::Timestamp;
use runtime_core::{
    ContainerFilter, ContainerId, ContainerStats, ContainerStatus, Context, CpuStats, Error, ErrorKind,
    MemoryStats, PodFilter, PodId, PodPhase, PodStats, PodSummary, Result, helpers::quantity::Quantity,
    spec::Bytes,
};
use serde::Deserialize;

use crate::{
    driver::K8sDriver,
    error::Refusal,
    id::{ContainerKey, PodKey},
    target::missing,
};

/// Where the metrics of a namespace's pods are.
const PATH: &str = "/apis/metrics.k8s.io/v1beta1/namespaces";

#[derive(Debug, Deserialize)]
struct PodMetrics {
    metadata: Metadata,
    timestamp: Option<Timestamp>,
    #[serde(default)]
    containers: Vec<ContainerMetrics>,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Debug, Deserialize)]
struct ContainerMetrics {
    name: String,
    usage: Usage,
}

#[derive(Debug, Deserialize)]
struct Usage {
    cpu: Option<String>,
    memory: Option<String>,
}

#[derive(Debug, Deserialize)]
struct List {
    items: Vec<PodMetrics>,
}

impl K8sDriver {
    pub(crate) async fn pod_stats(&self, cx: &Context, id: &PodId) -> Result<PodStats> {
        let key = PodKey::parse(id)?;
        let pod = crate::translate::status::pod_summary(&self.pod(cx, &key).await?);
        if pod.phase != PodPhase::Running {
            return Err(not_running("pod"));
        }
        let metrics: PodMetrics = match self.metrics(cx, &key.namespace, Some(&key.name)).await {
            Ok(metrics) => metrics,
            Err(refusal) if refusal.is_not_found() => return Ok(unmeasured(&pod)),
            Err(refusal) => return Err(refusal.into()),
        };
        Ok(measured(&pod, &metrics))
    }

    pub(crate) async fn list_of_pod_stats(&self, cx: &Context, filter: &PodFilter) -> Result<Vec<PodStats>> {
        if filter.phase.is_some_and(|phase| phase != PodPhase::Running) {
            return Ok(Vec::new());
        }
        let running = self.listed(cx, &filter.clone().with_phase(PodPhase::Running)).await?;
        let Some(first) = running.first() else { return Ok(Vec::new()) };
        let list: List = self.metrics(cx, &first.namespace, None).await.map_err(Error::from)?;
        Ok(running
            .iter()
            .map(|pod| match list.items.iter().find(|metrics| metrics.metadata.name == pod.name) {
                Some(metrics) => measured(pod, metrics),
                None => unmeasured(pod),
            })
            .collect())
    }

    pub(crate) async fn container_stats(&self, cx: &Context, id: &ContainerId) -> Result<ContainerStats> {
        let key = ContainerKey::parse(id)?;
        let status: ContainerStatus = runtime_core::Container::status(self, cx, id).await?;
        if status.summary.phase != runtime_core::ContainerPhase::Running {
            return Err(not_running("container"));
        }
        let of_pod = self.pod_stats(cx, &key.pod.id()).await;
        let of_pod = of_pod.map_err(|error| match error.kind() {
            ErrorKind::NotFound => missing(&key),
            _ => error,
        })?;
        let found = of_pod.containers.into_iter().find(|container| container.name == key.container);
        Ok(found.unwrap_or_else(|| of_container(&key.pod.id(), &key.container)))
    }

    pub(crate) async fn list_of_container_stats(
        &self,
        cx: &Context,
        filter: &ContainerFilter,
    ) -> Result<Vec<ContainerStats>> {
        let fitting = runtime_core::Container::list(self, cx, filter).await?;
        let mut pods = PodFilter::default();
        if let [first, ..] = &fitting[..]
            && let Some(key) = first.pod.as_ref().and_then(|pod| PodKey::parse(pod).ok())
        {
            pods = pods.with_namespace(key.namespace);
        }
        let measured = self.list_of_pod_stats(cx, &pods).await?;
        let all = measured.into_iter().flat_map(|pod| pod.containers);
        Ok(all.filter(|stats| fitting.iter().any(|one| one.id == stats.id)).collect())
    }

    async fn metrics<T: serde::de::DeserializeOwned>(
        &self,
        cx: &Context,
        namespace: &str,
        pod: Option<&str>,
    ) -> Result<T, Refusal> {
        let target = match pod {
            Some(pod) => format!("{PATH}/{namespace}/pods/{pod}"),
            None => format!("{PATH}/{namespace}/pods"),
        };
        let request = Request::get(target).body(Vec::new());
        let request = request.map_err(|error| Refusal::unsent(Error::invalid("id", error)))?;
        self.client().call(cx, &request).await
    }
}

/// A pod that runs, and that nobody has measured yet.
fn unmeasured(pod: &PodSummary) -> PodStats {
    PodStats::new(pod.id.clone(), &pod.name, &pod.namespace)
}

fn measured(pod: &PodSummary, metrics: &PodMetrics) -> PodStats {
    let mut stats = unmeasured(pod);
    stats.containers = metrics
        .containers
        .iter()
        .map(|one| {
            let mut container = of_container(&pod.id, &one.name);
            container.cpu = one.usage.cpu.as_deref().and_then(nano_cores).map(|nanos| cpu(metrics, nanos));
            container.memory = one.usage.memory.as_deref().and_then(bytes).map(|used| memory(metrics, used));
            container
        })
        .collect();
    // The pod is the sum of its containers, where each of them is told.
    let cpus: Option<Vec<u64>> =
        stats.containers.iter().map(|one| one.cpu.as_ref().and_then(|cpu| cpu.usage_nano_cores)).collect();
    let memories: Option<Vec<u64>> = stats
        .containers
        .iter()
        .map(|one| one.memory.as_ref().and_then(|memory| memory.working_set).map(|used| used.0))
        .collect();
    stats.cpu = cpus.map(|all| cpu(metrics, all.iter().sum()));
    stats.memory = memories.map(|all| memory(metrics, all.iter().sum()));
    stats
}

fn of_container(pod: &PodId, name: &str) -> ContainerStats {
    let mut stats = ContainerStats::new(ContainerId::new(format!("{pod}/{name}")), name);
    stats.pod = Some(pod.clone());
    stats
}

fn cpu(metrics: &PodMetrics, nanos: u64) -> CpuStats {
    let mut stats = CpuStats::default();
    (stats.measured_at, stats.usage_nano_cores) = (metrics.timestamp, Some(nanos));
    stats
}

fn memory(metrics: &PodMetrics, used: u64) -> MemoryStats {
    let mut stats = MemoryStats::default();
    (stats.measured_at, stats.working_set) = (metrics.timestamp, Some(Bytes(used)));
    stats
}

/// Processors, which the metrics API tells in billionths (`12345n`); quantities with other suffixes are at least thousandths.
fn nano_cores(text: &str) -> Option<u64> {
    for (suffix, factor) in [("n", 1), ("u", 1_000)] {
        if let Some(digits) = text.strip_suffix(suffix) {
            return digits.parse::<u64>().ok()?.checked_mul(factor);
        }
    }
    text.parse::<Quantity>().ok()?.to_milli().ok()?.checked_mul(1_000_000)
}

fn bytes(text: &str) -> Option<u64> {
    text.parse::<Quantity>().ok()?.to_bytes().ok()
}

fn not_running(what: &str) -> Error {
    Error::new(ErrorKind::InvalidState, format!("the {what} is not running"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_the_sum_of_its_containers() {
        let metrics: PodMetrics = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "p"}, "timestamp": "2026-01-01T00:00:00Z", "window": "15s",
            "containers": [
                {"name": "a", "usage": {"cpu": "250m", "memory": "1Ki"}},
                {"name": "b", "usage": {"cpu": "7n", "memory": "24"}},
            ],
        }))
        .unwrap();
        let pod = PodSummary::new("n/p/u".into(), "p", "n", PodPhase::Running);
        let stats = measured(&pod, &metrics);
        assert_eq!(stats.cpu.unwrap().usage_nano_cores, Some(250_000_007));
        assert_eq!(stats.memory.unwrap().working_set, Some(Bytes(1048)));
        assert_eq!(stats.containers[0].id.as_str(), "n/p/u/a");
        assert!(unmeasured(&pod).cpu.is_none());
    }

    #[test]
    fn processors_in_every_notation() {
        for (text, nanos) in [("12345n", 12_345), ("7u", 7_000), ("250m", 250_000_000), ("2", 2_000_000_000)]
        {
            assert_eq!(nano_cores(text), Some(nanos), "{text}");
        }
        assert_eq!(nano_cores("x"), None);
    }
}
