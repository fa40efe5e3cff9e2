//! What a runtime can do, by what it says of itself and what the host says.
//!
//! A runtime ignores fields of messages that are newer than itself, and some that its host can't do, without a word. So a
//! capability is declared only where every CRI v1 runtime has it or somebody says that it is there.

use std::path::Path;

use k8s_cri::v1::StatusResponse;
use runtime_core::{
    Capabilities,
    Capability::{self as C},
    Limits,
    spec::{Bytes, DriverOptions},
};

use crate::{
    config::{Config, Endpoint},
    exec,
    options::CriPodOptions,
};

/// What every CRI v1 runtime does.
const ALWAYS: &[C] = &[
    C::PodRun,
    C::PodStop,
    C::PodRemove,
    C::PodStatus,
    C::PodList,
    C::PodDurable,
    C::PodContainers,
    C::PodWithoutContainers,
    C::PodHostname,
    C::PodDns,
    C::PodPorts,
    C::PodNetwork,
    C::PodCgroupParent,
    C::PodSysctls,
    C::PodHostNamespaces,
    C::PodSandboxUser,
    C::PodPrivileged,
    C::PodPortForward,
    C::PodPortHalfClose,
    C::ContainerCreate,
    C::ContainerStart,
    C::ContainerStop,
    C::ContainerRemove,
    C::ContainerStatus,
    C::ContainerList,
    C::ContainerRootfs,
    C::ContainerWorkingDir,
    C::ContainerEnv,
    C::ContainerStdin,
    C::ContainerTty,
    C::ContainerMounts,
    C::ContainerReadOnlyMounts,
    C::ContainerMountPropagation,
    C::ContainerDevices,
    C::ContainerMemoryLimit,
    C::ContainerSwapLimit,
    C::ContainerCpu,
    C::ContainerCpuCgroup,
    C::ContainerCpuset,
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
    C::PodStats,
    C::PodStatsNetwork,
    C::ContainerStats,
    C::ContainerStatsTime,
    C::ContainerStatsLayer,
    C::ContainerUpdate,
    C::ContainerReopenLog,
    C::ExecSync,
    C::ExecTimeout,
    C::ExecTty,
    C::ExecStream,
    C::ExecStdin,
    C::ExecResize,
    C::ExecAttach,
    C::ImagePull,
    C::ImagePullCredentials,
    C::ImageStatus,
    C::ImageList,
    C::ImageRemove,
    C::ImageFilesystem,
];

/// What the driver makes up for on every runtime.
const EMULATED: &[C] = &[
    C::PodInitContainers,
    C::PodPullSecrets,
    C::PodEvents,
    C::PodExisting,
    C::ContainerExisting,
    C::ContainerWait,
    C::ExecEnv,
    C::ExecCwd,
    C::ExecUser,
    C::ExecSignal,
    C::ContainerCopy,
];

/// What needs the runtime's log files to be files of this host.
const WITH_LOG_FILES: &[C] = &[
    C::PodLogDirectory,
    C::ContainerLogPath,
    C::ContainerLogs,
    C::ContainerLogsStreams,
    C::ContainerLogsFollow,
    C::ContainerLogsSince,
    C::ContainerLogsTail,
];

/// What the driver makes up for where it sees the runtime's processes.
const WITH_PROCESSES: &[C] = &[C::PodForceKill, C::ContainerForceKill];

/// What needs the runtime's content store to be readable from here.
pub(crate) const WITH_CONTENT_STORE: &[C] = &[C::ImagePullNoProgressLimit];

/// What this runtime at this endpoint can do; `processes`: whether its processes can be seen and killed from here.
pub(crate) fn of(config: &Config, status: &StatusResponse, processes: bool) -> Capabilities {
    let mut capabilities = Capabilities::none()
        .native(ALWAYS.iter().copied())
        .emulated(EMULATED.iter().copied())
        .with_limits(Limits { exec_output: Some(Bytes(exec::MAX_OUTPUT_BYTES)) })
        .with_extension(CriPodOptions::KEY);
    if config.log_root.is_some() {
        capabilities = capabilities.native(WITH_LOG_FILES.iter().copied());
    }
    if processes {
        capabilities = capabilities.emulated(WITH_PROCESSES.iter().copied());
    }
    if let Endpoint::Unix(_) = config.endpoint {
        capabilities = capabilities.native(of_host());
    }
    // The handler without a name is the one that pods get unless they say otherwise.
    let default = status.runtime_handlers.iter().find(|handler| handler.name.is_empty());
    if let Some(features) = default.and_then(|handler| handler.features.as_ref()) {
        let by_handler = [
            (features.recursive_read_only_mounts, C::ContainerRecursiveReadOnlyMounts),
            (features.user_namespaces, C::PodUserNamespace),
        ];
        capabilities = capabilities.native(said(by_handler));
    }
    if let Some(features) = &status.features {
        capabilities =
            capabilities.native(said([(features.supplemental_groups_policy, C::ContainerGroupsPolicy)]));
    }
    capabilities
}

/// What a runtime of this host does if the kernel does.
fn of_host() -> impl Iterator<Item = C> {
    let apparmor =
        std::fs::read("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.starts_with(b"Y"));
    let cgroup2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    said([(apparmor, C::ContainerApparmor), (cgroup2, C::ContainerCgroupUnified)])
}

fn said<const N: usize>(features: [(bool, C); N]) -> impl Iterator<Item = C> {
    features.into_iter().filter(|(is_there, _)| *is_there).map(|(_, capability)| capability)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_cri::v1::{RuntimeFeatures, RuntimeHandler, RuntimeHandlerFeatures};

    #[test]
    fn what_nobody_says_is_not_declared() {
        let capabilities = of(&Config::unix("/x"), &StatusResponse::default(), false);
        assert!(capabilities.has(C::PodRun) && capabilities.has(C::ContainerLogsFollow));
        for capability in [
            C::PodUserNamespace,
            C::PodOverhead,
            C::PodResources,
            C::PodWindows,
            C::ContainerRecursiveReadOnlyMounts,
            C::ContainerMountIdMapping,
            C::ContainerImageMounts,
            C::ContainerGroupsPolicy,
            C::ContainerCdiDevices,
            C::ContainerAmbientCapabilities,
            C::ContainerStopSignal,
            C::ContainerWindows,
            C::ContainerForceKill,
        ] {
            assert!(!capabilities.has(capability), "{capability}");
        }
    }

    #[test]
    fn what_the_runtime_says_is() {
        let handler = |name: &str, is_there| RuntimeHandler {
            name: name.to_owned(),
            features: Some(RuntimeHandlerFeatures {
                recursive_read_only_mounts: is_there,
                user_namespaces: is_there,
            }),
        };
        let mut status = StatusResponse {
            runtime_handlers: vec![handler("kata", true), handler("", false)],
            features: Some(RuntimeFeatures { supplemental_groups_policy: true }),
            ..Default::default()
        };
        let capabilities = of(&Config::unix("/x"), &status, false);
        assert!(capabilities.has(C::ContainerGroupsPolicy));
        assert!(!capabilities.has(C::PodUserNamespace), "only another handler has it");
        status.runtime_handlers = vec![handler("", true)];
        assert!(of(&Config::unix("/x"), &status, false).has(C::PodUserNamespace));
    }

    #[test]
    fn only_processes_that_can_be_seen_are_killed() {
        let capabilities = of(&Config::unix("/x"), &StatusResponse::default(), true);
        assert!(capabilities.has(C::PodForceKill) && capabilities.has(C::ContainerForceKill));
    }

    #[test]
    fn another_host_has_no_logs_here() {
        let status = StatusResponse::default();
        assert!(!of(&Config::tcp("h:1"), &status, false).has(C::ContainerLogs));
        assert!(of(&Config::tcp("h:1").with_log_root("/shared"), &status, false).has(C::ContainerLogs));
    }
}
