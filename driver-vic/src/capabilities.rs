//! What a virtual container host can do.
//!
//! There is no signal to a task but the first, no way to end a command, and no resources of one container: what needs these is
//! not declared. What depends on the guest is declared where the URL says that the guest does it.

use runtime_core::{
    Capabilities,
    Capability::{self as C},
    Limits,
    spec::Bytes,
};

use crate::config::{Config, Guest};

/// The most that a command's output may have that is collected, both streams together.
pub(crate) const MAX_OUTPUT_BYTES: u64 = 16 << 20;

/// What every port layer does.
const ALWAYS: &[C] = &[
    C::PodRun,
    C::PodStop,
    C::PodRemove,
    C::PodStatus,
    C::PodList,
    C::PodDurable,
    C::PodContainers,
    C::PodHostname,
    C::PodNetwork,
    C::PodPorts,
    C::PodEvents,
    C::PodStats,
    C::PodStatsNetwork,
    C::ContainerStatus,
    C::ContainerList,
    C::ContainerWait,
    C::ContainerLogs,
    C::ContainerLogsFollow,
    C::ContainerLogsSince,
    C::ContainerLogsTail,
    C::ContainerRootfs,
    C::ContainerStdin,
    C::ContainerStopSignal,
    C::ExecSync,
    C::ExecStream,
    C::ExecStdin,
    C::ExecAttach,
    C::ImageStatus,
    C::ImageList,
];

/// What the driver makes up for. A VM has the memory and processors of its containers together, rounded up.
const EMULATED: &[C] = &[C::PodExisting, C::ContainerCpu, C::ContainerMemoryLimit];

/// What the persona does.
const WITH_PERSONA: &[C] =
    &[C::PodPullSecrets, C::ImagePull, C::ImagePullCredentials, C::ImagePullNoProgressLimit];

/// What guests do that apply the whole configuration of a task.
const WITH_OCI_GUEST: &[C] = &[
    C::ContainerEnv,
    C::ContainerWorkingDir,
    C::ContainerUser,
    C::ContainerTty,
    C::ExecEnv,
    C::ExecCwd,
    C::ExecUser,
    C::ExecTty,
    C::ExecResize,
];

/// What this host can do.
pub(crate) fn of(config: &Config) -> Capabilities {
    let with_persona = if config.persona.is_some() { WITH_PERSONA } else { &[] };
    let with_guest = match config.guest {
        Guest::CommandOnly => &[],
        Guest::Oci => WITH_OCI_GUEST,
    };
    Capabilities::none()
        .native(ALWAYS.iter().chain(with_persona).chain(with_guest).copied())
        .emulated(EMULATED.iter().copied())
        .with_limits(Limits { exec_output: Some(Bytes(MAX_OUTPUT_BYTES)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_guests_ignore_is_refused_unless_they_do_not() {
        let config = Config::new("vch:2377", "u");
        let (plain, oci) = (of(&config), of(&config.clone().with_guest(Guest::Oci)));
        for capability in WITH_OCI_GUEST {
            assert!(!plain.has(*capability) && oci.has(*capability), "{capability}");
        }
        assert!(!plain.has(C::ImagePull) && of(&config.with_persona("vch:2375")).has(C::ImagePull));
        for never in
            [C::ExecTimeout, C::ExecSignal, C::PodInitContainers, C::ContainerCreate, C::PodReadiness]
        {
            assert!(!oci.has(never), "{never}");
        }
    }
}
