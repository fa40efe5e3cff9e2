//! From what CRI measures to wharf's statistics.
//!
//! Left out on purpose: everything of Windows, which no driver of wharf runs; labels, annotations and attempts, which
//! statuses have; when network and processes were measured, for which there is no place.

use k8s_cri::v1 as cri;
use runtime_core::{
    ContainerId, ContainerStats, CpuStats, InterfaceStats, MemoryStats, PodId, PodStats, spec::Bytes,
};

use super::status::{filesystem, timestamp};

pub(crate) fn container(stats: cri::ContainerStats, pod: Option<PodId>) -> ContainerStats {
    let attributes = stats.attributes.unwrap_or_default();
    let name = attributes.metadata.unwrap_or_default().name;
    let mut of_container = ContainerStats::new(ContainerId::new(attributes.id), name);
    of_container.pod = pod;
    of_container.cpu = stats.cpu.map(cpu);
    of_container.memory = memory(stats.memory, stats.swap);
    // Before containerd has measured a layer it says zero, of no time.
    of_container.writable_layer = stats.writable_layer.filter(|layer| layer.timestamp > 0).map(filesystem);
    of_container
}

pub(crate) fn pod(stats: cri::PodSandboxStats) -> PodStats {
    let attributes = stats.attributes.unwrap_or_default();
    let metadata = attributes.metadata.unwrap_or_default();
    let id = PodId::new(attributes.id);
    let linux = stats.linux.unwrap_or_default();
    let mut of_pod = PodStats::new(id.clone(), metadata.name, metadata.namespace);
    of_pod.cpu = linux.cpu.map(cpu);
    of_pod.memory = memory(linux.memory, None);
    if let Some(network) = linux.network {
        of_pod.network =
            network.default_interface.into_iter().chain(network.interfaces).map(interface).collect();
    }
    of_pod.processes = linux.process.and_then(|process| number(process.process_count));
    let running = linux.containers.into_iter().filter(is_running);
    of_pod.containers = running.map(|one| container(one, Some(id.clone()))).collect();
    of_pod
}

/// Whether a container that runtimes list ran when it was measured: nothing is measured of the others but their files.
pub(crate) fn is_running(stats: &cri::ContainerStats) -> bool {
    stats.cpu.is_some() || stats.memory.is_some()
}

fn cpu(usage: cri::CpuUsage) -> CpuStats {
    let mut cpu = CpuStats::default();
    cpu.measured_at = timestamp(usage.timestamp);
    cpu.usage_nanos = number(usage.usage_core_nano_seconds);
    cpu.usage_nano_cores = number(usage.usage_nano_cores);
    cpu
}

fn memory(usage: Option<cri::MemoryUsage>, swap: Option<cri::SwapUsage>) -> Option<MemoryStats> {
    if usage.is_none() && swap.is_none() {
        return None;
    }
    let (usage, swap) = (usage.unwrap_or_default(), swap.unwrap_or_default());
    let mut memory = MemoryStats::default();
    memory.measured_at = timestamp(usage.timestamp).or(timestamp(swap.timestamp));
    memory.working_set = bytes(usage.working_set_bytes);
    memory.usage = bytes(usage.usage_bytes);
    memory.available = left(usage.available_bytes);
    memory.rss = bytes(usage.rss_bytes);
    memory.page_faults = number(usage.page_faults);
    memory.major_page_faults = number(usage.major_page_faults);
    memory.swap_usage = bytes(swap.swap_usage_bytes);
    memory.swap_available = left(swap.swap_available_bytes);
    Some(memory)
}

fn interface(usage: cri::NetworkInterfaceUsage) -> InterfaceStats {
    let mut interface = InterfaceStats::default();
    interface.name = usage.name;
    interface.received = bytes(usage.rx_bytes);
    interface.receive_errors = number(usage.rx_errors);
    interface.sent = bytes(usage.tx_bytes);
    interface.send_errors = number(usage.tx_errors);
    interface
}

fn number(value: Option<cri::UInt64Value>) -> Option<u64> {
    value.map(|value| value.value)
}

fn bytes(value: Option<cri::UInt64Value>) -> Option<Bytes> {
    number(value).map(Bytes)
}

/// What is left until a limit; where there is none, runtimes say zero.
fn left(value: Option<cri::UInt64Value>) -> Option<Bytes> {
    bytes(value).filter(|left| left.0 > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    const AT: i64 = 5_000_000_000;

    fn some(value: u64) -> Option<cri::UInt64Value> {
        Some(cri::UInt64Value { value })
    }

    /// Every field that is not left out, each with a value of its own.
    fn full() -> cri::ContainerStats {
        cri::ContainerStats {
            attributes: Some(cri::ContainerAttributes {
                id: "c".into(),
                metadata: Some(cri::ContainerMetadata { name: "main".into(), attempt: 0 }),
                ..Default::default()
            }),
            cpu: Some(cri::CpuUsage {
                timestamp: AT,
                usage_core_nano_seconds: some(1),
                usage_nano_cores: some(2),
            }),
            memory: Some(cri::MemoryUsage {
                timestamp: AT,
                working_set_bytes: some(3),
                available_bytes: some(4),
                usage_bytes: some(5),
                rss_bytes: some(6),
                page_faults: some(7),
                major_page_faults: some(8),
            }),
            writable_layer: Some(cri::FilesystemUsage {
                timestamp: AT,
                fs_id: Some(cri::FilesystemIdentifier { mountpoint: "/m".into() }),
                used_bytes: some(9),
                inodes_used: some(10),
            }),
            swap: Some(cri::SwapUsage {
                timestamp: AT,
                swap_available_bytes: some(11),
                swap_usage_bytes: some(12),
            }),
        }
    }

    #[test]
    fn everything_that_is_measured_arrives() {
        let told = container(full(), Some("p".into()));
        let at = Some(Timestamp::from_second(5).unwrap());
        let (cpu, memory, layer) = (told.cpu.unwrap(), told.memory.unwrap(), told.writable_layer.unwrap());
        assert_eq!((told.id.as_str(), told.name.as_str(), told.pod), ("c", "main", Some("p".into())));
        assert_eq!((cpu.measured_at, cpu.usage_nanos, cpu.usage_nano_cores), (at, Some(1), Some(2)));
        let numbers = [
            memory.working_set,
            memory.available,
            memory.usage,
            memory.rss,
            memory.page_faults.map(Bytes),
            memory.major_page_faults.map(Bytes),
            layer.used,
            layer.inodes_used.map(Bytes),
            memory.swap_available,
            memory.swap_usage,
        ];
        let expected: Vec<_> = (3..=12).map(|number| Some(Bytes(number))).collect();
        assert_eq!(numbers[..], expected[..]);
        assert_eq!((memory.measured_at, layer.measured_at), (at, at));
    }

    #[test]
    fn what_is_not_measured_is_none() {
        let nothing = container(cri::ContainerStats::default(), None);
        assert_eq!(nothing, ContainerStats::new("".into(), ""));
        let mut early = full();
        early.writable_layer = Some(cri::FilesystemUsage { used_bytes: some(0), ..Default::default() });
        early.memory = Some(cri::MemoryUsage { available_bytes: some(0), ..Default::default() });
        let early = container(early, None);
        assert_eq!(early.writable_layer, None, "containerd has not looked yet");
        assert_eq!(early.memory.unwrap().available, None, "there is no limit");
    }

    #[test]
    fn pods_have_their_network_and_the_containers_that_run() {
        let interface = |name: &str, from| cri::NetworkInterfaceUsage {
            name: name.into(),
            rx_bytes: some(from),
            rx_errors: some(from + 1),
            tx_bytes: some(from + 2),
            tx_errors: some(from + 3),
        };
        let ended = cri::ContainerStats { cpu: None, memory: None, ..full() };
        let told = pod(cri::PodSandboxStats {
            attributes: Some(cri::PodSandboxAttributes {
                id: "p".into(),
                metadata: Some(cri::PodSandboxMetadata {
                    name: "web".into(),
                    namespace: "default".into(),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            linux: Some(cri::LinuxPodSandboxStats {
                cpu: full().cpu,
                memory: full().memory,
                network: Some(cri::NetworkUsage {
                    timestamp: AT,
                    default_interface: Some(interface("eth0", 1)),
                    interfaces: vec![interface("eth1", 11)],
                }),
                process: Some(cri::ProcessUsage { timestamp: AT, process_count: some(3) }),
                containers: vec![full(), ended],
            }),
            windows: None,
        });
        assert_eq!((told.name.as_str(), told.namespace.as_str()), ("web", "default"));
        assert_eq!(told.processes, Some(3));
        assert_eq!(told.cpu.unwrap().usage_nanos, Some(1));
        assert_eq!(told.memory.unwrap().working_set, Some(Bytes(3)));
        assert_eq!(told.network.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["eth0", "eth1"]);
        let first = &told.network[0];
        assert_eq!((first.received, first.sent), (Some(Bytes(1)), Some(Bytes(3))));
        assert_eq!((first.receive_errors, first.send_errors), (Some(2), Some(4)));
        assert_eq!(told.containers.len(), 1);
        assert_eq!(told.containers[0].pod, Some("p".into()));
    }
}
