//! Every field that a declared capability allows is really sent, and survives.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    Node, NodeFeatures, NodeRuntimeHandler, NodeRuntimeHandlerFeatures, NodeStatus, NodeSystemInfo,
};
use runtime_core::{
    Capability as C, Preflight,
    helpers::arch::Architecture,
    spec::{
        Bytes, ContainerSpec, DnsConfig, MilliCpu, Mount, MountPropagation, MountSource, NamespaceMode,
        PodSpec, PortMapping, RegistryCredentials, Resources, RestartPolicy, SeLinuxOptions, SecurityProfile,
        SupplementalGroupsPolicy, UserNamespace, Volume, VolumeSource,
    },
};

use super::{back, made, plain};
use crate::capabilities::{Facts, of};

type Change = fn(&mut PodSpec);

/// One row a field: its capability, where it is in the pod, and what is asked for.
const ROWS: &[(C, &str, Change)] = &[
    (C::PodContainers, "/spec/containers/1/name", |pod| {
        pod.containers.push(ContainerSpec::new("side", "i:1"))
    }),
    (C::PodInitContainers, "/spec/initContainers/0/name", |pod| {
        pod.init_containers.push(ContainerSpec::new("init", "i:1"));
    }),
    (C::PodHostname, "/spec/hostname", |pod| pod.hostname = Some("host".into())),
    (C::PodDns, "/spec/dnsConfig/searches/0", |pod| {
        pod.dns = Some(DnsConfig { searches: vec!["a.test".into()], ..DnsConfig::default() });
    }),
    (C::PodPorts, "/spec/containers/0/ports/0/hostPort", |pod| {
        pod.ports = vec![PortMapping { container_port: 80, host_port: 8080, ..PortMapping::default() }];
    }),
    (C::PodSysctls, "/spec/securityContext/sysctls/0/value", |pod| {
        pod.sysctls.insert("net.ipv4.ip_unprivileged_port_start".into(), "0".into());
    }),
    (C::PodResources, "/spec/resources/limits/memory", |pod| {
        pod.resources = Some(Resources::default().with_memory_limit(Bytes::mib(64)));
    }),
    (C::PodTmpfsVolumes, "/spec/volumes/0/emptyDir/medium", |pod| {
        pod.volumes = vec![Volume { name: "v".into(), source: VolumeSource::Tmpfs { size_limit: None } }];
        pod.containers[0].mounts = vec![Mount::volume("v", "/v")];
    }),
    (C::PodPullSecrets, "/spec/imagePullSecrets/0/name", |pod| {
        pod.pull_secrets = vec![RegistryCredentials::basic("r", "me", "x")];
    }),
    (C::PodArchitecture, "/spec/nodeSelector/kubernetes.io~1arch", |pod| {
        pod.architecture = Some(Architecture::Arm64);
    }),
    (C::PodRestartPolicy, "/spec/restartPolicy", |pod| pod.restart_policy = RestartPolicy::OnFailure),
    (C::PodHostNamespaces, "/spec/hostNetwork", |pod| pod.security.namespaces.network = NamespaceMode::Node),
    (C::PodHostNamespaces, "/spec/hostPID", |pod| pod.security.namespaces.pid = NamespaceMode::Node),
    (C::PodHostNamespaces, "/spec/hostIPC", |pod| pod.security.namespaces.ipc = NamespaceMode::Node),
    (C::PodUserNamespace, "/spec/hostUsers", |pod| {
        pod.security.namespaces.user = Some(UserNamespace::default());
    }),
    (C::PodPrivileged, "/metadata/annotations/wharf.dev~1spec", |pod| pod.security.privileged = true),
    (C::ContainerWorkingDir, "/spec/containers/0/workingDir", |pod| {
        pod.containers[0].working_dir = Some("/w".into());
    }),
    (C::ContainerEnv, "/spec/containers/0/env/0/value", |pod| {
        pod.containers[0] = pod.containers[0].clone().with_env("A", "b");
    }),
    (C::ContainerStdin, "/spec/containers/0/stdin", |pod| pod.containers[0].stdin = true),
    (C::ContainerStdin, "/spec/containers/0/stdinOnce", |pod| pod.containers[0].stdin_once = true),
    (C::ContainerTty, "/spec/containers/0/tty", |pod| pod.containers[0].tty = true),
    (C::ContainerMounts, "/spec/volumes/0/hostPath/path", |pod| {
        pod.containers[0].mounts = vec![Mount::host("/a", "/b")];
    }),
    (C::ContainerReadOnlyMounts, "/spec/containers/0/volumeMounts/0/readOnly", |pod| {
        pod.containers[0].mounts = vec![Mount::host("/a", "/b").read_only()];
    }),
    (C::ContainerRecursiveReadOnlyMounts, "/spec/containers/0/volumeMounts/0/recursiveReadOnly", |pod| {
        let mut mount = Mount::host("/a", "/b").read_only();
        mount.recursive_read_only = true;
        pod.containers[0].mounts = vec![mount];
    }),
    (C::ContainerMountPropagation, "/spec/containers/0/volumeMounts/0/mountPropagation", |pod| {
        let mut mount = Mount::host("/a", "/b");
        mount.propagation = MountPropagation::HostToContainer;
        pod.containers[0].mounts = vec![mount];
    }),
    (C::ContainerImageMounts, "/spec/volumes/0/image/reference", |pod| {
        let mut mount = Mount::host("/a", "/b");
        mount.source = serde_json::from_str::<MountSource>(r#"{"image": {"reference": "i:1"}}"#).unwrap();
        pod.containers[0].mounts = vec![mount];
    }),
    (C::ContainerMemoryLimit, "/spec/containers/0/resources/limits/memory", |pod| {
        pod.containers[0].resources.limits.memory = Some(Bytes::mib(64));
    }),
    (C::ContainerMemoryLimit, "/spec/containers/0/resources/limits/memory", |pod| {
        pod.containers[0].resources.linux.memory_limit = Some(Bytes::mib(64));
    }),
    (C::ContainerCpu, "/spec/containers/0/resources/requests/cpu", |pod| {
        pod.containers[0].resources.requests.cpu = Some(MilliCpu(250));
    }),
    (C::ContainerCpu, "/spec/containers/0/resources/limits/cpu", |pod| {
        pod.containers[0].resources.limits.cpu = Some(MilliCpu(250));
    }),
    (C::ContainerLinuxCapabilities, "/spec/containers/0/securityContext/capabilities/drop/0", |pod| {
        pod.containers[0].security.capabilities.drop = vec!["ALL".into()];
    }),
    (C::ContainerPrivileged, "/spec/containers/0/securityContext/privileged", |pod| {
        pod.containers[0].security.privileged = true;
    }),
    (C::ContainerNamespaces, "/spec/shareProcessNamespace", |pod| {
        pod.security.namespaces.pid = NamespaceMode::Pod;
    }),
    (C::ContainerSelinux, "/spec/securityContext/seLinuxOptions/level", |pod| {
        pod.security.selinux = Some(SeLinuxOptions { level: "s0".into(), ..SeLinuxOptions::default() });
    }),
    (C::ContainerSelinux, "/spec/containers/0/securityContext/seLinuxOptions/type", |pod| {
        pod.containers[0].security.selinux =
            Some(SeLinuxOptions { kind: "t".into(), ..SeLinuxOptions::default() });
    }),
    (C::ContainerUser, "/spec/containers/0/securityContext/runAsGroup", |pod| {
        pod.containers[0].security.run_as_user = Some(1);
        pod.containers[0].security.run_as_group = Some(2);
    }),
    (C::ContainerGroups, "/spec/securityContext/supplementalGroups/0", |pod| {
        pod.containers[0].security.supplemental_groups = vec![7];
    }),
    (C::ContainerGroupsPolicy, "/spec/securityContext/supplementalGroupsPolicy", |pod| {
        pod.security.supplemental_groups_policy = SupplementalGroupsPolicy::Strict;
    }),
    (C::ContainerGroupsPolicy, "/spec/securityContext/supplementalGroupsPolicy", |pod| {
        pod.containers[0].security.supplemental_groups_policy = SupplementalGroupsPolicy::Strict;
    }),
    (C::ContainerReadOnlyRootfs, "/spec/containers/0/securityContext/readOnlyRootFilesystem", |pod| {
        pod.containers[0].security.read_only_rootfs = true;
    }),
    (C::ContainerNoNewPrivs, "/spec/containers/0/securityContext/allowPrivilegeEscalation", |pod| {
        pod.containers[0].security.no_new_privs = true;
    }),
    (C::ContainerSeccomp, "/spec/securityContext/seccompProfile/type", |pod| {
        pod.security.seccomp = Some(SecurityProfile::RuntimeDefault);
    }),
    (C::ContainerSeccomp, "/spec/containers/0/securityContext/seccompProfile/localhostProfile", |pod| {
        pod.containers[0].security.seccomp = Some(SecurityProfile::Localhost("mine.json".into()));
    }),
    (C::ContainerApparmor, "/spec/securityContext/appArmorProfile/type", |pod| {
        pod.security.apparmor = Some(SecurityProfile::Unconfined);
    }),
    (C::ContainerApparmor, "/spec/containers/0/securityContext/appArmorProfile/type", |pod| {
        pod.containers[0].security.apparmor = Some(SecurityProfile::RuntimeDefault);
    }),
];

/// Capabilities of calls, and those that no field of a pod asks for.
const OF_CALLS: &[C] = &[
    C::PodRun,
    C::PodStop,
    C::PodRemove,
    C::PodStatus,
    C::PodList,
    C::PodDurable,
    C::PodNetwork,
    C::PodReadiness,
    C::PodExisting,
    C::PodEvents,
    C::PodStats,
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
    C::ContainerStats,
    C::ContainerCopy,
    C::ExecSync,
    C::ExecTimeout,
    C::ExecEnv,
    C::ExecCwd,
    C::ExecUser,
    C::ExecTty,
    C::ExecStream,
    C::ExecStdin,
    C::ExecResize,
    C::ExecSignal,
    C::ExecAttach,
    C::ImageStatus,
    C::ImageList,
];

fn everything() -> runtime_core::Capabilities {
    let features =
        NodeRuntimeHandlerFeatures { recursive_read_only_mounts: Some(true), user_namespaces: Some(true) };
    let status = NodeStatus {
        runtime_handlers: Some(vec![NodeRuntimeHandler { features: Some(features), name: None }]),
        features: Some(NodeFeatures { supplemental_groups_policy: Some(true) }),
        node_info: Some(NodeSystemInfo {
            container_runtime_version: "containerd://2.1.0".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let nodes = [Node { status: Some(status), ..Default::default() }];
    of(&Facts { version: Some((1, 36)), metrics: true, apparmor: true, selinux: true, nodes: Some(&nodes) })
}

#[test]
fn every_declared_field_is_sent_and_survives() {
    let capabilities = everything();
    for (capability, pointer, change) in ROWS {
        let mut spec = plain();
        let before = serde_json::to_value(made(&spec).pod).unwrap();
        change(&mut spec);
        let needs: BTreeSet<_> = Preflight::of(&capabilities, &spec)
            .verdicts
            .iter()
            .filter_map(|verdict| verdict.capability)
            .collect();
        assert!(needs.contains(capability), "{capability}: the row doesn't ask for it");
        assert!(Preflight::of(&capabilities, &spec).is_ok(), "{capability}");
        let objects = made(&spec);
        let after = serde_json::to_value(&objects.pod).unwrap();
        assert!(after.pointer(pointer).is_some(), "{capability}: nothing at {pointer} in {after}");
        assert_ne!(after.pointer(pointer), before.pointer(pointer), "{capability}");
        assert_eq!(back(&objects), spec, "{capability}");
    }
}

#[test]
fn every_declared_capability_has_its_row() {
    let capabilities = everything();
    for &capability in C::ALL.iter().filter(|&&capability| capabilities.has(capability)) {
        let has_row = ROWS.iter().any(|(of, ..)| *of == capability);
        assert!(has_row != OF_CALLS.contains(&capability), "{capability}");
    }
}
