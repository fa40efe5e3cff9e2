//! What a driver can do, as data.
//!
//! Grammar of the names: `facet.verb` for a call, `facet.field` for a field of a spec or option. A call or field
//! without a declared capability is refused with [`Unsupported`](crate::ErrorKind::Unsupported) before any IO. The
//! conformance suite holds a case for each capability that it works, and one that it is refused where undeclared.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::spec::Bytes;

/// Makes the enum of capabilities with names and meanings.
macro_rules! capabilities {
    ($($variant:ident = $name:literal, $meaning:literal;)*) => {
        /// One thing that a driver may be able to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Capability {
            $(#[doc = $meaning] $variant,)*
        }

        impl Capability {
            /// Every capability, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name, such as `container.logs_follow`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means, in a few words.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

capabilities! {
    PodRun = "pod.run", "Run a pod with its containers.";
    PodStop = "pod.stop", "Stop a pod.";
    PodRemove = "pod.remove", "Remove a pod.";
    PodStatus = "pod.status", "Read the status of a pod.";
    PodList = "pod.list", "List pods, filtered by id, name, namespace, phase and labels.";
    PodDurable = "pod.durable", "Pods outlive the process that made them; a later one adopts them by id.";
    PodContainers = "pod.containers", "Run a pod with containers.";
    PodWithoutContainers = "pod.without_containers", "Run a pod without containers.";
    PodInitContainers = "pod.init_containers", "Init containers.";
    PodHostname = "pod.hostname", "A host name of the caller's choice.";
    PodLogDirectory = "pod.log_directory", "A log directory of the caller's choice.";
    PodDns = "pod.dns", "Name servers, search domains and resolver options.";
    PodPorts = "pod.ports", "Publish ports on the host.";
    PodNetwork = "pod.network", "A network of the pod's own, with an address.";
    PodCgroupParent = "pod.cgroup_parent", "A parent cgroup of the caller's choice.";
    PodSysctls = "pod.sysctls", "Kernel parameters of the pod's namespaces.";
    PodOverhead = "pod.overhead", "Account for what the pod costs beside its containers.";
    PodResources = "pod.resources", "Resources of all containers together.";
    PodTmpfsVolumes = "pod.tmpfs_volumes", "Volumes in memory.";
    PodPullSecrets = "pod.pull_secrets", "Credentials in the pod for its images.";
    PodArchitecture = "pod.architecture", "Choose a node by architecture.";
    PodReadiness = "pod.readiness", "Wait until containers are ready, by the system's probes.";
    PodRestartPolicy = "pod.restart_policy", "The system starts ended containers again.";
    PodHostNamespaces = "pod.host_namespaces", "Share the host's network, process or IPC namespace.";
    PodUserNamespace = "pod.user_namespace", "User namespaces.";
    PodSandboxUser = "pod.sandbox_user", "User, groups, read-only root and profiles of the sandbox's own process.";
    PodPrivileged = "pod.privileged", "Pods that may hold privileged containers.";
    PodWindows = "pod.windows", "Options of Windows pods.";
    PodExisting = "pod.existing", "Take over or replace a pod that has the name already.";
    PodForceKill = "pod.force_kill", "Kill the processes of a pod that the system can't stop.";
    PodEvents = "pod.events", "What happens to pods and containers, as a stream that marks resyncs.";
    PodStats = "pod.stats", "What pods use.";
    PodStatsNetwork = "pod.stats_network", "What pods have sent and received.";
    PodPortForward = "pod.port_forward", "Connect to ports of a pod.";
    PodPortHalfClose = "pod.port_half_close", "End what is sent to a port of a pod, and go on reading.";

    ContainerCreate = "container.create", "Add a container to a running pod.";
    ContainerStart = "container.start", "Start a single container.";
    ContainerStop = "container.stop", "Stop a single container.";
    ContainerRemove = "container.remove", "Remove a single container.";
    ContainerStatus = "container.status", "Read the status of a container.";
    ContainerList = "container.list", "List containers, filtered by id, pod, phase and labels.";
    ContainerWait = "container.wait", "Wait for a container to end, and learn why it did.";
    ContainerLogs = "container.logs", "Read what a container wrote.";
    ContainerLogsStreams = "container.logs_streams", "The two streams of a log apart.";
    ContainerLogsPrevious = "container.logs_previous", "What a container wrote before the system started it again.";
    ContainerLogsFollow = "container.logs_follow", "Go on reading as it writes, until it ends.";
    ContainerLogsSince = "container.logs_since", "Begin at a time.";
    ContainerLogsTail = "container.logs_tail", "Begin so many lines before the end.";
    ContainerRootfs = "container.rootfs", "A root file system of its own, from the image.";
    ContainerImageOptions = "container.image_options", "Image annotations and runtime handler.";
    ContainerLogPath = "container.log_path", "A log file of the caller's choice.";
    ContainerWorkingDir = "container.working_dir", "A working directory of the caller's choice.";
    ContainerEnv = "container.env", "Environment variables.";
    ContainerStdin = "container.stdin", "Keep stdin open.";
    ContainerTty = "container.tty", "A terminal.";
    ContainerStopSignal = "container.stop_signal", "A stop signal of the caller's choice.";
    ContainerMounts = "container.mounts", "Mount paths of the host.";
    ContainerReadOnlyMounts = "container.read_only_mounts", "Mounts that refuse writing.";
    ContainerRecursiveReadOnlyMounts = "container.recursive_read_only_mounts", "The same, below submounts too.";
    ContainerMountPropagation = "container.mount_propagation", "Mounts made later are seen on the other side.";
    ContainerMountRelabel = "container.mount_relabel", "Relabel mounts for SELinux.";
    ContainerMountIdMapping = "container.mount_id_mapping", "Map user and group ids on mounts.";
    ContainerImageMounts = "container.image_mounts", "Mount the files of an image.";
    ContainerDevices = "container.devices", "Devices of the host.";
    ContainerCdiDevices = "container.cdi_devices", "Devices by CDI name.";
    ContainerMemoryLimit = "container.memory_limit", "Limit memory; the container is killed beyond it.";
    ContainerSwapLimit = "container.swap_limit", "Limit swap.";
    ContainerCpu = "container.cpu", "Ask for processor time, and limit it.";
    ContainerCpuCgroup = "container.cpu_cgroup", "Shares, quota and period of processors, exactly as the kernel has them.";
    ContainerCpuset = "container.cpuset", "Choose processors and memory nodes.";
    ContainerOomScore = "container.oom_score", "Who is killed first when memory runs out.";
    ContainerHugepages = "container.hugepages", "Limit huge pages.";
    ContainerCgroupUnified = "container.cgroup_unified", "Any file of cgroup v2.";
    ContainerLinuxCapabilities = "container.linux_capabilities", "Add and drop Linux capabilities.";
    ContainerAmbientCapabilities = "container.ambient_capabilities", "Add ambient Linux capabilities.";
    ContainerPrivileged = "container.privileged", "Privileged containers.";
    ContainerNamespaces = "container.namespaces", "Namespaces other than the pod's.";
    ContainerSelinux = "container.selinux", "SELinux labels.";
    ContainerUser = "container.user", "User and group by number.";
    ContainerUsername = "container.username", "User by name, looked up in the image.";
    ContainerGroups = "container.groups", "Supplemental groups.";
    ContainerGroupsPolicy = "container.groups_policy", "Ignore the groups of the image.";
    ContainerReadOnlyRootfs = "container.read_only_rootfs", "A root file system that refuses writing.";
    ContainerNoNewPrivs = "container.no_new_privs", "Processes can't gain privileges.";
    ContainerPaths = "container.paths", "Choose the masked and read-only paths.";
    ContainerSeccomp = "container.seccomp", "Filter system calls.";
    ContainerApparmor = "container.apparmor", "AppArmor profiles.";
    ContainerWindows = "container.windows", "Options of Windows containers.";
    ContainerExisting = "container.existing", "Take over or replace a container that has the name already.";
    ContainerForceKill = "container.force_kill", "Kill the processes of a container that the system can't stop.";
    ContainerReopenLog = "container.reopen_log", "Open the log file anew after it was moved.";
    ContainerUpdate = "container.update", "Change the resources of a container.";
    ContainerStats = "container.stats", "What containers use.";
    ContainerStatsTime = "container.stats_time", "The processor time that containers have taken since their start.";
    ContainerStatsLayer = "container.stats_layer", "How much containers have written to their own files.";
    ContainerCopy = "container.copy", "Copy files in and out.";

    ExecSync = "exec.sync", "Run a command to its end and collect what it wrote.";
    ExecTimeout = "exec.timeout", "Kill the command after a time.";
    ExecEnv = "exec.env", "Environment of the command.";
    ExecCwd = "exec.cwd", "Working directory of the command.";
    ExecUser = "exec.user", "User of the command.";
    ExecTty = "exec.tty", "A terminal for the command.";
    ExecStream = "exec.stream", "Start a command and hold its streams.";
    ExecStdin = "exec.stdin", "Input for the command, with an end.";
    ExecResize = "exec.resize", "Say how large the command's terminal is, and when that changes.";
    ExecSignal = "exec.signal", "Send the command signals.";
    ExecAttach = "exec.attach", "Attach to the first process of a container.";

    ImagePull = "image.pull", "Pull an image.";
    ImagePullCredentials = "image.pull_credentials", "Pull with credentials.";
    ImagePullNoProgressLimit = "image.pull_no_progress_limit", "Give up a pull in which nothing arrives any more.";
    ImageStatus = "image.status", "Read what is known of an image.";
    ImageList = "image.list", "List images.";
    ImageRemove = "image.remove", "Remove an image.";
    ImageFilesystem = "image.filesystem", "How much room images take.";
    ImageMount = "image.mount", "Mount the files of an image into a running pod.";
    ImageUnmount = "image.unmount", "Unmount them.";
    ImageRemount = "image.remount", "Put another image in the place of a mounted one.";
    ImageMounts = "image.mounts", "List the images that are mounted in a pod.";
    ImageMountPath = "image.mount_path", "Files of a mounted image can be read from this host.";
    ImageMountPrefetch = "image.mount_prefetch", "Fetch chosen files of a mounted image ahead.";
}

/// How a driver does something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Support {
    /// It doesn't.
    #[default]
    Unsupported,
    /// The driver makes up for what the system lacks.
    Emulated,
    /// The system does it.
    Native,
}

/// Numbers that bound what a driver can do; `None` is no known bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// The most that [`Exec::sync`](crate::Exec::sync) returns of each stream; beyond it is an error.
    pub exec_output: Option<Bytes>,
}

/// All that a driver can do. What isn't declared isn't supported.
#[derive(Clone, PartialEq, Eq)]
pub struct Capabilities {
    support: [Support; Capability::ALL.len()],
    limits: Limits,
    extensions: Vec<&'static str>,
}

impl Capabilities {
    /// Nothing.
    #[must_use]
    pub fn none() -> Self {
        Self {
            support: [Support::Unsupported; Capability::ALL.len()],
            limits: Limits::default(),
            extensions: Vec::new(),
        }
    }

    /// Declares what the system does itself.
    #[must_use]
    pub fn native(self, capabilities: impl IntoIterator<Item = Capability>) -> Self {
        self.declare(capabilities, Support::Native)
    }

    /// Declares what the driver makes up for.
    #[must_use]
    pub fn emulated(self, capabilities: impl IntoIterator<Item = Capability>) -> Self {
        self.declare(capabilities, Support::Emulated)
    }

    /// Takes capabilities back.
    #[must_use]
    pub fn without(self, capabilities: impl IntoIterator<Item = Capability>) -> Self {
        self.declare(capabilities, Support::Unsupported)
    }

    /// Sets the limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Declares a key of [`Extensions`](crate::spec::Extensions) that the driver knows.
    #[must_use]
    pub fn with_extension(mut self, key: &'static str) -> Self {
        self.extensions.push(key);
        self
    }

    /// How a capability is supported.
    #[must_use]
    pub fn support(&self, capability: Capability) -> Support {
        self.support[capability as usize]
    }

    /// Whether a capability is there, natively or emulated.
    #[must_use]
    pub fn has(&self, capability: Capability) -> bool {
        self.support(capability) != Support::Unsupported
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether the driver knows a key of [`Extensions`](crate::spec::Extensions).
    #[must_use]
    pub fn knows_extension(&self, key: &str) -> bool {
        self.extensions.contains(&key)
    }

    fn declare(mut self, capabilities: impl IntoIterator<Item = Capability>, support: Support) -> Self {
        for capability in capabilities {
            self.support[capability as usize] = support;
        }
        self
    }
}

impl Default for Capabilities {
    fn default() -> Self {
        Self::none()
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for &capability in Capability::ALL.iter().filter(|&&capability| self.has(capability)) {
            map.entry(&capability.name(), &self.support(capability));
        }
        map.finish()
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsupported => "unsupported",
            Self::Emulated => "emulated",
            Self::Native => "native",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_unique_and_of_the_grammar() {
        let mut names: Vec<_> = Capability::ALL.iter().map(|capability| capability.name()).collect();
        for name in &names {
            let (facet, verb) = name.split_once('.').unwrap();
            assert!(["pod", "container", "exec", "image"].contains(&facet), "{name}");
            assert!(verb.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Capability::ALL.len());
    }

    #[test]
    fn the_last_declaration_wins() {
        let capabilities = Capabilities::none()
            .native([Capability::PodRun, Capability::PodStop])
            .emulated([Capability::PodStop])
            .without([Capability::PodRun]);
        assert!(!capabilities.has(Capability::PodRun));
        assert_eq!(capabilities.support(Capability::PodStop), Support::Emulated);
    }
}
