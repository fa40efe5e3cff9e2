//! What a cluster can do, by its version and by what its nodes say of themselves.
//!
//! A node that lacks something doesn't refuse it in every case. So what depends on nodes is declared only if each of them says
//! that it has it.

use k8s_openapi::api::core::v1::Node;
use runtime_core::{
    Capabilities,
    Capability::{self as C},
    Limits,
    spec::{Bytes, DriverOptions},
};

use crate::options::K8sPodOptions;

/// The most that a command's output may have that is collected, both streams together.
pub(crate) const MAX_OUTPUT_BYTES: u64 = 16 << 20;

/// What every supported API server does.
const ALWAYS: &[C] = &[
    C::PodRun,
    C::PodRemove,
    C::PodStatus,
    C::PodList,
    C::PodDurable,
    C::PodContainers,
    C::PodInitContainers,
    C::PodHostname,
    C::PodDns,
    C::PodPorts,
    C::PodNetwork,
    C::PodSysctls,
    C::PodTmpfsVolumes,
    C::PodPullSecrets,
    C::PodArchitecture,
    C::PodRestartPolicy,
    C::PodReadiness,
    C::PodHostNamespaces,
    C::PodPrivileged,
    C::PodEvents,
    C::PodPortForward,
    C::ContainerStatus,
    C::ContainerList,
    C::ContainerWait,
    C::ContainerLogs,
    C::ContainerLogsFollow,
    C::ContainerLogsSince,
    C::ContainerLogsTail,
    C::ContainerLogsPrevious,
    C::ContainerRootfs,
    C::ContainerWorkingDir,
    C::ContainerEnv,
    C::ContainerStdin,
    C::ContainerTty,
    C::ContainerMounts,
    C::ContainerReadOnlyMounts,
    C::ContainerMountPropagation,
    C::ContainerMemoryLimit,
    C::ContainerCpu,
    C::ContainerLinuxCapabilities,
    C::ContainerPrivileged,
    C::ContainerNamespaces,
    C::ContainerUser,
    C::ContainerGroups,
    C::ContainerReadOnlyRootfs,
    C::ContainerNoNewPrivs,
    C::ContainerSeccomp,
    C::ExecSync,
    C::ExecTimeout,
    C::ExecTty,
    C::ExecStream,
    C::ExecStdin,
    C::ExecResize,
    C::ExecAttach,
];

/// What the driver makes up for.
const EMULATED: &[C] =
    &[C::PodStop, C::PodExisting, C::ContainerCopy, C::ExecEnv, C::ExecCwd, C::ExecUser, C::ExecSignal];

/// What the metrics API tells, where it is served.
const WITH_METRICS: &[C] = &[C::PodStats, C::ContainerStats];

/// What nodes report of images.
const WITH_NODES: &[C] = &[C::ImageStatus, C::ImageList];

/// The runtimes that mount images, and since which version.
const RUNTIMES_THAT_MOUNT_IMAGES: [(&str, (u32, u32)); 2] = [("containerd", (2, 1)), ("cri-o", (1, 31))];

/// What is known of a cluster.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts<'a> {
    /// Major and minor version; `None` if it could not be read, which counts as old.
    pub(crate) version: Option<(u32, u32)>,
    /// The metrics API is served.
    pub(crate) metrics: bool,
    /// The caller says that nodes enforce AppArmor profiles, and SELinux labels. Nodes themselves don't.
    pub(crate) apparmor: bool,
    pub(crate) selinux: bool,
    /// All nodes, if they may be listed.
    pub(crate) nodes: Option<&'a [Node]>,
}

/// What this cluster can do.
pub(crate) fn of(facts: &Facts<'_>) -> Capabilities {
    let newer = |minor| facts.version.is_some_and(|version| version >= (1, minor));
    let nodes = facts.nodes.unwrap_or_default();
    let all = |has: fn(&Node) -> Option<bool>| {
        !nodes.is_empty() && nodes.iter().all(|node| has(node).unwrap_or_default())
    };
    let said = [
        // Each from the version on that has it without being told to.
        (newer(35) && all(mounts_images), C::ContainerImageMounts),
        (newer(34), C::PodResources),
        // A node that has no such module takes a label, and ignores it.
        (facts.apparmor && newer(30), C::ContainerApparmor),
        (facts.selinux, C::ContainerSelinux),
        (all(recursive_read_only), C::ContainerRecursiveReadOnlyMounts),
        (all(user_namespaces), C::PodUserNamespace),
        (all(groups_policy), C::ContainerGroupsPolicy),
    ];
    let said = said.into_iter().filter(|(is_there, _)| *is_there).map(|(_, capability)| capability);
    let with_metrics = if facts.metrics { WITH_METRICS } else { &[] };
    let with_nodes = if facts.nodes.is_some() { WITH_NODES } else { &[] };
    Capabilities::none()
        .native(ALWAYS.iter().chain(with_metrics).chain(with_nodes).copied())
        .native(said)
        .emulated(EMULATED.iter().copied())
        .with_limits(Limits { exec_output: Some(Bytes(MAX_OUTPUT_BYTES)) })
        .with_extension(K8sPodOptions::KEY)
}

/// What a node says of the handler that pods get unless they say otherwise: the one without a name.
fn recursive_read_only(node: &Node) -> Option<bool> {
    default_handler(node)?.recursive_read_only_mounts
}

fn user_namespaces(node: &Node) -> Option<bool> {
    default_handler(node)?.user_namespaces
}

fn default_handler(node: &Node) -> Option<&k8s_openapi::api::core::v1::NodeRuntimeHandlerFeatures> {
    let handlers = node.status.as_ref()?.runtime_handlers.as_ref()?;
    let is_default = |name: Option<&str>| name.unwrap_or_default().is_empty();
    handlers.iter().find(|handler| is_default(handler.name.as_deref()))?.features.as_ref()
}

/// Whether a node's runtime mounts images. It doesn't say so itself, but which it is.
fn mounts_images(node: &Node) -> Option<bool> {
    let runtime = &node.status.as_ref()?.node_info.as_ref()?.container_runtime_version;
    let (name, version) = runtime.split_once("://")?;
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
    let version = (numbers.next()??, numbers.next()??);
    let (_, since) = RUNTIMES_THAT_MOUNT_IMAGES.iter().find(|(known, _)| *known == name)?;
    Some(version >= *since)
}

fn groups_policy(node: &Node) -> Option<bool> {
    node.status.as_ref()?.features.as_ref()?.supplemental_groups_policy
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{
        NodeFeatures, NodeRuntimeHandler, NodeRuntimeHandlerFeatures, NodeStatus, NodeSystemInfo,
    };

    use super::*;

    fn node(has: bool) -> Node {
        let features =
            NodeRuntimeHandlerFeatures { recursive_read_only_mounts: Some(has), user_namespaces: Some(has) };
        let status = NodeStatus {
            runtime_handlers: Some(vec![NodeRuntimeHandler { features: Some(features), name: None }]),
            features: Some(NodeFeatures { supplemental_groups_policy: Some(has) }),
            ..Default::default()
        };
        Node { status: Some(status), ..Default::default() }
    }

    const OF_NODES: [C; 3] =
        [C::ContainerRecursiveReadOnlyMounts, C::PodUserNamespace, C::ContainerGroupsPolicy];

    #[test]
    fn what_nobody_says_is_not_declared() {
        let capabilities = of(&Facts::default());
        assert!(capabilities.has(C::PodRun) && capabilities.has(C::ContainerLogsFollow));
        let never = [
            C::ContainerCreate,
            C::ContainerStart,
            C::ContainerStop,
            C::ContainerRemove,
            C::ContainerUpdate,
            C::ContainerLogsStreams,
            C::ContainerCpuCgroup,
            C::PodWithoutContainers,
            C::PodSandboxUser,
            C::PodOverhead,
            C::ContainerStopSignal,
            C::ImagePull,
        ];
        let unsaid = [C::ContainerImageMounts, C::PodResources, C::PodStats, C::ImageList];
        for capability in never.into_iter().chain(unsaid).chain(OF_NODES) {
            assert!(!capabilities.has(capability), "{capability}");
        }
    }

    #[test]
    fn what_all_nodes_say_is() {
        let with = |nodes: &[Node]| of(&Facts { nodes: Some(nodes), ..Facts::default() });
        for capability in OF_NODES {
            assert!(with(&[node(true), node(true)]).has(capability), "{capability}");
            assert!(!with(&[node(true), node(false)]).has(capability), "{capability}");
            assert!(!with(&[node(true), Node::default()]).has(capability), "{capability}");
            assert!(!with(&[]).has(capability), "{capability}");
        }
        assert!(with(&[]).has(C::ImageList));
    }

    #[test]
    fn versions_add() {
        let with = |minor| of(&Facts { version: Some((1, minor)), metrics: true, ..Facts::default() });
        assert!(with(36).has(C::PodResources) && with(36).has(C::PodStats));
        assert!(!with(33).has(C::PodResources) && with(33).has(C::PodStats));
    }

    #[test]
    fn images_are_mounted_by_runtimes_that_can() {
        let node = |runtime: &str| {
            let info = NodeSystemInfo { container_runtime_version: runtime.to_owned(), ..Default::default() };
            let status = NodeStatus { node_info: Some(info), ..Default::default() };
            Node { status: Some(status), ..Default::default() }
        };
        for (minor, runtimes, expected) in [
            (36, &["containerd://2.1.0"][..], true),
            (36, &["containerd://2.10.4-rc.1", "cri-o://1.31.2"], true),
            (36, &["containerd://2.1.0", "containerd://1.6.20"], false),
            (36, &["containerd://2.0.9"], false),
            (36, &["cri-o://1.30.0"], false),
            (36, &["docker://29.0.0"], false),
            (36, &["containerd://dev"], false),
            (36, &[], false),
            (34, &["containerd://2.1.0"], false),
        ] {
            let nodes: Vec<_> = runtimes.iter().map(|runtime| node(runtime)).collect();
            let facts = Facts { version: Some((1, minor)), nodes: Some(&nodes), ..Facts::default() };
            assert_eq!(of(&facts).has(C::ContainerImageMounts), expected, "{minor} {runtimes:?}");
        }
    }
}
