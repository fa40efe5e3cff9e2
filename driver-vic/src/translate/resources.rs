//! How large a pod's VM is.

use runtime_core::{
    Error, Result,
    helpers::memory::{MemoryRule, Mib},
    spec::{ContainerSpec, MilliCpu, PodSpec},
};

/// For a container that says nothing of processors.
const DEFAULT_CPU: MilliCpu = MilliCpu(2000);

/// The size of a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VmSize {
    pub(crate) cpus: u64,
    pub(crate) memory: Mib,
}

/// The size of the VM for all containers of a pod together: of each what it requests, else its limit, else 2 processors and
/// 2 GiB. Memory is at least 512 MiB a container and a multiple of 128; processors are whole.
///
/// # Errors
/// `InvalidArgument` names the container whose amount can't be had.
pub(crate) fn size(spec: &PodSpec) -> Result<VmSize> {
    let mut size = VmSize { cpus: 0, memory: Mib(0) };
    let mut milli = 0_u64;
    for (path, container) in spec.all_containers() {
        let refused =
            |what: &str, why: &dyn std::fmt::Display| Error::invalid(format!("{path}.resources.{what}"), why);
        let own = memory(container).map_err(|error| refused("memory", &error))?;
        size.memory.0 =
            size.memory.0.checked_add(own.0).ok_or_else(|| refused("memory", &"is too much in all"))?;
        milli = milli.checked_add(cpu(container).0).ok_or_else(|| refused("cpu", &"is too much in all"))?;
    }
    size.cpus = milli.div_ceil(1000).max(1);
    Ok(size)
}

fn cpu(container: &ContainerSpec) -> MilliCpu {
    let resources = &container.resources;
    let asked = |amount: Option<MilliCpu>| amount.filter(|cpu| cpu.0 > 0);
    asked(resources.requests.cpu).or(asked(resources.limits.cpu)).unwrap_or(DEFAULT_CPU)
}

fn memory(container: &ContainerSpec) -> Result<Mib, runtime_core::helpers::memory::MemoryError> {
    let resources = &container.resources;
    // The kernel's terms are the exact ones.
    let limit = resources.linux.memory_limit.or(resources.limits.memory);
    MemoryRule::VIC.align(resources.requests.memory.map(|bytes| bytes.0), limit.map(|bytes| bytes.0))
}

#[cfg(test)]
mod tests {
    use runtime_core::spec::{Bytes, Resources};

    use super::*;

    fn container(name: &str, cpu: [Option<u64>; 2], mib: [Option<u64>; 2]) -> ContainerSpec {
        let mut resources = Resources::default();
        [resources.requests.cpu, resources.limits.cpu] = cpu.map(|cpu| cpu.map(MilliCpu));
        [resources.requests.memory, resources.limits.memory] = mib.map(|mib| mib.map(Bytes::mib));
        ContainerSpec::new(name, "i").with_resources(resources)
    }

    fn of(containers: impl IntoIterator<Item = ContainerSpec>) -> (u64, u64) {
        let spec = containers.into_iter().fold(PodSpec::new("p"), PodSpec::with_container);
        let VmSize { cpus, memory } = size(&spec).unwrap();
        (cpus, memory.0)
    }

    #[test]
    fn requests_then_limits_then_defaults() {
        for (cpu, mib, expected) in [
            ([None, None], [None, None], (2, 2048)),
            ([Some(0), None], [Some(0), None], (2, 2048)),
            ([Some(1500), Some(4000)], [Some(600), Some(4096)], (2, 640)),
            ([None, Some(4000)], [None, Some(4096)], (4, 4096)),
            ([Some(1), None], [Some(1), None], (1, 512)),
            ([Some(1001), None], [Some(1025), None], (2, 1152)),
        ] {
            assert_eq!(of([container("c", cpu, mib)]), expected, "{cpu:?} {mib:?}");
        }
    }

    #[test]
    fn containers_are_summed() {
        let small = |name| container(name, [Some(250), None], [Some(100), None]);
        assert_eq!(of([small("a"), small("b"), small("c")]), (1, 1536));
        assert_eq!(of([small("a"), container("b", [None, None], [None, None])]), (3, 2560));
    }

    #[test]
    fn what_can_not_be_had_names_its_container() {
        let huge = container("b", [None, None], [Some(1 << 43), None]);
        let spec = PodSpec::new("p").with_container(ContainerSpec::new("a", "i")).with_container(huge);
        let mut spec = spec;
        spec.containers[1].resources.requests.memory = Some(Bytes(u64::MAX));
        assert_eq!(size(&spec).unwrap_err().field(), Some("containers[1].resources.memory"));
    }
}
