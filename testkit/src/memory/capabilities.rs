//! What the driver can do, by what the engine can.

use runtime_core::{Capabilities, Capability as C, Limits, spec::Bytes};

use crate::engine::Isolation;

/// The most that an exec returns of each stream.
pub(super) const EXEC_OUTPUT_BYTES: usize = 16 << 20;

/// What works without any walls around a process.
const ALWAYS: &[C] = &[
    C::PodRun,
    C::PodStop,
    C::PodRemove,
    C::PodStatus,
    C::PodList,
    C::PodContainers,
    C::PodWithoutContainers,
    C::PodInitContainers,
    C::PodLogDirectory,
    C::PodPullSecrets,
    C::PodPortForward,
    C::PodPortHalfClose,
    C::PodEvents,
    C::ContainerCreate,
    C::ContainerStart,
    C::ContainerStop,
    C::ContainerRemove,
    C::ContainerStatus,
    C::ContainerList,
    C::ContainerWait,
    C::ContainerLogs,
    C::ContainerLogsStreams,
    C::ContainerLogsFollow,
    C::ContainerLogsSince,
    C::ContainerLogsTail,
    C::ContainerLogPath,
    C::ContainerWorkingDir,
    C::ContainerEnv,
    C::ContainerStdin,
    C::ContainerTty,
    C::ContainerStopSignal,
    C::ContainerCopy,
    C::ContainerReopenLog,
    C::ContainerUpdate,
    C::ExecSync,
    C::ExecTimeout,
    C::ExecEnv,
    C::ExecCwd,
    C::ExecTty,
    C::ExecStream,
    C::ExecStdin,
    C::ExecResize,
    C::ExecSignal,
    C::ExecAttach,
    C::ImagePull,
    C::ImagePullCredentials,
    C::ImagePullNoProgressLimit,
    C::ImageStatus,
    C::ImageList,
    C::ImageRemove,
    C::ImageFilesystem,
];

/// What needs root.
const WITH_CHROOT: &[C] = &[
    C::PodHostname,
    C::PodDns,
    C::PodHostNamespaces,
    C::PodPrivileged,
    C::PodSandboxUser,
    C::ContainerRootfs,
    C::ContainerMounts,
    C::ContainerReadOnlyMounts,
    C::ContainerMountPropagation,
    C::ContainerDevices,
    C::ContainerOomScore,
    C::ContainerLinuxCapabilities,
    C::ContainerPrivileged,
    C::ContainerNamespaces,
    C::ContainerUser,
    C::ContainerUsername,
    C::ContainerGroups,
    C::ContainerReadOnlyRootfs,
    C::ContainerNoNewPrivs,
    C::ContainerPaths,
    C::ContainerSeccomp,
    C::ExecUser,
];

/// All that is declared. Memory is limited, and use is measured, by sampling what processes have, so that is emulated. Nothing enforces
/// processor shares, so they are not declared, though a container could be shown any number.
pub(super) fn of(isolation: Isolation) -> Capabilities {
    let limits = Limits { exec_output: Some(Bytes(EXEC_OUTPUT_BYTES as u64)) };
    let always = Capabilities::none()
        .native(ALWAYS.iter().copied())
        .emulated([
            C::ContainerMemoryLimit,
            C::ContainerStats,
            C::ContainerStatsTime,
            C::ContainerStatsLayer,
            C::PodStats,
            C::PodExisting,
            C::ContainerExisting,
        ])
        .with_limits(limits);
    match isolation {
        Isolation::None => always,
        Isolation::Chroot => always.native(WITH_CHROOT.iter().copied()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walls_add_and_what_nobody_enforces_is_never_there() {
        let (with, without) = (of(Isolation::Chroot), of(Isolation::None));
        assert!(with.has(C::ContainerMounts) && !without.has(C::ContainerMounts));
        for capability in
            [C::PodDurable, C::PodNetwork, C::PodPorts, C::PodSysctls, C::ContainerCpu, C::ContainerApparmor]
        {
            assert!(!with.has(capability) && !without.has(capability), "{capability}");
        }
        for capability in C::ALL.iter().filter(|capability| without.has(**capability)) {
            assert!(with.has(*capability), "{capability}");
        }
    }
}
