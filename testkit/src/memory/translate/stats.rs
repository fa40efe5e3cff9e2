//! From what the engine measures to wharf's statistics.

use std::time::Duration;

use runtime_core::{
    ContainerId, ContainerStats, CpuStats, FilesystemUsage, InterfaceStats, MemoryStats, PodId, PodStats,
    spec::Bytes,
};

use crate::engine::{Container, Pod, Traffic, Usage};

/// What a container uses.
pub(in super::super) fn container_stats(container: &Container, usage: &Usage) -> ContainerStats {
    let mut stats = ContainerStats::new(ContainerId::new(&container.id), &container.launch.name);
    stats.pod = Some(PodId::new(&container.pod));
    stats.cpu = Some(cpu(usage));
    let mut memory = memory(usage);
    let left = |limit: u64| Bytes(limit.saturating_sub(usage.memory_bytes));
    memory.available = container.launch.memory_limit_bytes.map(left);
    stats.memory = Some(memory);
    stats.writable_layer = usage.layer.map(|layer| {
        let mut files = FilesystemUsage::new("");
        files.measured_at = Some(usage.at);
        files.used = Some(Bytes(layer.bytes));
        files.inodes_used = Some(layer.inodes);
        files
    });
    stats
}

/// What a pod uses: all its containers together, since it costs nothing itself.
pub(in super::super) fn pod_stats(
    pod: &Pod,
    traffic: Vec<Traffic>,
    containers: &[(Container, Usage)],
) -> PodStats {
    let mut stats = PodStats::new(PodId::new(&pod.id), &pod.launch.name, &pod.launch.namespace);
    let all = containers.iter().map(|(_, usage)| usage.clone()).reduce(|all, one| Usage {
        at: all.at.max(one.at),
        processor_time: all.processor_time.saturating_add(one.processor_time),
        memory_bytes: all.memory_bytes.saturating_add(one.memory_bytes),
        page_faults: all.page_faults.saturating_add(one.page_faults),
        major_page_faults: all.major_page_faults.saturating_add(one.major_page_faults),
        processes: all.processes.saturating_add(one.processes),
        layer: None,
    });
    stats.cpu = all.as_ref().map(cpu);
    stats.memory = all.as_ref().map(memory);
    stats.processes = Some(all.map_or(0, |all| all.processes));
    stats.network = traffic.into_iter().map(interface).collect();
    stats.containers =
        containers.iter().map(|(container, usage)| container_stats(container, usage)).collect();
    stats
}

fn cpu(usage: &Usage) -> CpuStats {
    let mut cpu = CpuStats::default();
    cpu.measured_at = Some(usage.at);
    cpu.usage_nanos = Some(nanos(usage.processor_time));
    cpu
}

fn memory(usage: &Usage) -> MemoryStats {
    let mut memory = MemoryStats::default();
    memory.measured_at = Some(usage.at);
    memory.working_set = Some(Bytes(usage.memory_bytes));
    memory.rss = Some(Bytes(usage.memory_bytes));
    memory.page_faults = Some(usage.page_faults);
    memory.major_page_faults = Some(usage.major_page_faults);
    memory
}

fn interface(traffic: Traffic) -> InterfaceStats {
    let mut interface = InterfaceStats::default();
    interface.name = traffic.interface;
    interface.received = Some(Bytes(traffic.received_bytes));
    interface.receive_errors = Some(traffic.receive_errors);
    interface.sent = Some(Bytes(traffic.sent_bytes));
    interface.send_errors = Some(traffic.send_errors);
    interface
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
