//! What pods and containers use.

use k8s_cri::v1::*;
use tonic::Status;

use super::container::Kept;
use super::fake::Fake;
use super::{filter, ids, refusal, status};
use crate::engine::{self, ContainerState, EngineError, Pod, Traffic, Usage};

impl Fake {
    pub(super) async fn container_stats(
        &self,
        request: ContainerStatsRequest,
    ) -> Result<ContainerStatsResponse, Status> {
        let (container, kept) = self.container_in(&request.container_id, "failed to find container")?;
        let stats = self.measured(&container, kept).await?;
        if stats.cpu.is_none() {
            return Err(Status::unknown("unexpected metrics response: []"));
        }
        Ok(ContainerStatsResponse { stats: Some(stats) })
    }

    pub(super) async fn list_container_stats(
        &self,
        request: ListContainerStatsRequest,
    ) -> Result<ListContainerStatsResponse, Status> {
        let filter = request.filter.unwrap_or_default();
        let all: Vec<_> = self.containers().collect();
        let pods = self.engine.pods();
        let container = ids::find(all.iter().map(|(container, _)| container.id.as_str()), &filter.id).owned();
        let pod = ids::find(pods.iter().map(|pod| pod.id.as_str()), &filter.pod_sandbox_id).owned();
        let mut stats = Vec::new();
        for (one, kept) in all {
            let wanted = (filter.id.is_empty() || container.as_ref() == Some(&one.id))
                && (filter.pod_sandbox_id.is_empty() || pod.as_ref() == Some(&one.pod))
                && filter::selects(&filter.label_selector, &kept.config.labels);
            if wanted {
                stats.push(self.measured(&one, kept).await?);
            }
        }
        Ok(ListContainerStatsResponse { stats })
    }

    pub(super) async fn pod_sandbox_stats(
        &self,
        request: PodSandboxStatsRequest,
    ) -> Result<PodSandboxStatsResponse, Status> {
        let wanted = &request.pod_sandbox_id;
        let context = format!("an error occurred when trying to find sandbox {wanted}");
        let (pod, run) = self.sandbox(wanted, &context)?;
        let id = &pod.id;
        if let Some(why) = without_cgroup(&pod, &run) {
            return Err(Status::unknown(format!("failed getting metrics for sandbox {id}: {why}")));
        }
        if !pod.is_ready() {
            let why = not_ready(id);
            return Err(Status::unknown(format!("failed to decode pod sandbox metrics {id}: {why}")));
        }
        Ok(PodSandboxStatsResponse { stats: Some(self.measured_pod(&pod, run).await?) })
    }

    pub(super) async fn list_pod_sandbox_stats(
        &self,
        request: ListPodSandboxStatsRequest,
    ) -> Result<ListPodSandboxStatsResponse, Status> {
        let wanted = request.filter.as_ref().map(|filter| PodSandboxFilter {
            id: filter.id.clone(),
            state: Some(PodSandboxStateValue { state: PodSandboxState::SandboxReady.into() }),
            label_selector: filter.label_selector.clone(),
        });
        let all: Vec<_> = self.sandboxes().collect();
        let items = all.iter().map(|(pod, run)| status::sandbox_item(pod, run.clone())).collect();
        let wanted: Vec<_> =
            filter::sandboxes(items, wanted.as_ref()).into_iter().map(|item| item.id).collect();
        let mut stats = Vec::new();
        for (pod, run) in all.into_iter().filter(|(pod, _)| wanted.contains(&pod.id)) {
            let id = &pod.id;
            // One that can't be measured is enough for no answer.
            if let Some(why) = without_cgroup(&pod, &run) {
                return Err(Status::unknown(format!("failed to obtain metrics for sandbox {id:?}: {why}")));
            }
            if !pod.is_ready() {
                let why = not_ready(id);
                return Err(Status::unknown(format!(
                    "failed to decode sandbox container metrics for sandbox {id:?}: {why}"
                )));
            }
            stats.push(self.measured_pod(&pod, run).await?);
        }
        Ok(ListPodSandboxStatsResponse { stats })
    }

    async fn measured_pod(&self, pod: &Pod, run: RunPodSandboxRequest) -> Result<PodSandboxStats, Status> {
        let config = run.config.unwrap_or_default();
        let of_pod = self.containers().filter(|(container, _)| container.pod == pod.id);
        let mut containers = Vec::new();
        for (container, kept) in of_pod {
            containers.push(self.measured(&container, kept).await?);
        }
        let sum = |of: fn(&ContainerStats) -> Option<UInt64Value>| {
            number(containers.iter().filter_map(of).map(|value| value.value).sum())
        };
        let at = status::nanoseconds(jiff::Timestamp::now());
        let memory = MemoryUsage {
            timestamp: at,
            working_set_bytes: sum(|stats| stats.memory.as_ref()?.working_set_bytes),
            available_bytes: number(0),
            usage_bytes: sum(|stats| stats.memory.as_ref()?.usage_bytes),
            rss_bytes: sum(|stats| stats.memory.as_ref()?.rss_bytes),
            page_faults: sum(|stats| stats.memory.as_ref()?.page_faults),
            major_page_faults: sum(|stats| stats.memory.as_ref()?.major_page_faults),
        };
        let cpu = CpuUsage {
            timestamp: at,
            usage_core_nano_seconds: sum(|stats| stats.cpu.as_ref()?.usage_core_nano_seconds),
            usage_nano_cores: number(0),
        };
        let running = containers.iter().filter(|stats| stats.cpu.is_some()).count();
        let traffic = self.engine.traffic(&pod.id).map_err(refusal::from_engine)?;
        let linux = LinuxPodSandboxStats {
            cpu: Some(cpu),
            memory: Some(memory),
            network: Some(network(traffic)),
            // Of each container its first process, and none for the pod itself, as it seems.
            process: Some(ProcessUsage { timestamp: at, process_count: number(running as u64) }),
            containers,
        };
        let attributes = PodSandboxAttributes {
            id: pod.id.clone(),
            metadata: config.metadata,
            labels: config.labels,
            annotations: config.annotations,
        };
        Ok(PodSandboxStats { attributes: Some(attributes), linux: Some(linux), windows: None })
    }

    async fn measured(&self, container: &engine::Container, kept: Kept) -> Result<ContainerStats, Status> {
        let attributes = ContainerAttributes {
            id: container.id.clone(),
            metadata: kept.config.metadata,
            labels: kept.config.labels,
            annotations: kept.config.annotations,
        };
        let mut stats = ContainerStats { attributes: Some(attributes), ..Default::default() };
        if !matches!(container.state, ContainerState::Running { .. }) {
            return Ok(stats);
        }
        match self.engine.usage(&container.id).await {
            Ok(usage) => fill(&mut stats, &usage, container.launch.memory_limit_bytes),
            // It ended meanwhile.
            Err(EngineError::InvalidState { .. }) => {}
            Err(error) => return Err(refusal::from_engine(error)),
        }
        Ok(stats)
    }
}

fn fill(stats: &mut ContainerStats, usage: &Usage, limit: Option<u64>) {
    let timestamp = status::nanoseconds(usage.at);
    let memory = number(usage.memory_bytes);
    stats.cpu = Some(CpuUsage {
        timestamp,
        usage_core_nano_seconds: number(u64::try_from(usage.processor_time.as_nanos()).unwrap_or(u64::MAX)),
        usage_nano_cores: number(0),
    });
    stats.memory = Some(MemoryUsage {
        timestamp,
        working_set_bytes: memory,
        available_bytes: number(limit.map_or(0, |limit| limit.saturating_sub(usage.memory_bytes))),
        usage_bytes: memory,
        rss_bytes: memory,
        page_faults: number(usage.page_faults),
        major_page_faults: number(usage.major_page_faults),
    });
    stats.writable_layer = usage.layer.map(|layer| FilesystemUsage {
        timestamp,
        fs_id: None,
        used_bytes: number(layer.bytes),
        inodes_used: number(layer.inodes),
    });
}

/// Why a sandbox can't be measured, which needs a cgroup parent.
fn without_cgroup(pod: &Pod, run: &RunPodSandboxRequest) -> Option<String> {
    let linux = run.config.as_ref().and_then(|config| config.linux.as_ref());
    let parent = linux.map_or("", |linux| &linux.cgroup_parent);
    let why = format!("failed to get cgroup metrics for sandbox {} because cgroupPath is empty", pod.id);
    parent.is_empty().then_some(why)
}

fn not_ready(id: &str) -> String {
    format!("failed to get pod sandbox stats since sandbox container {id:?} is not in ready state")
}

fn network(traffic: Vec<Traffic>) -> NetworkUsage {
    let mut interfaces = traffic.into_iter().map(|traffic| NetworkInterfaceUsage {
        name: traffic.interface,
        rx_bytes: number(traffic.received_bytes),
        rx_errors: number(traffic.receive_errors),
        tx_bytes: number(traffic.sent_bytes),
        tx_errors: number(traffic.send_errors),
    });
    NetworkUsage { timestamp: 0, default_interface: interfaces.next(), interfaces: interfaces.collect() }
}

fn number(value: u64) -> Option<UInt64Value> {
    Some(UInt64Value { value })
}
