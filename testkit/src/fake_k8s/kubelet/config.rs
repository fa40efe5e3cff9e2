//! From a pod's spec to what a container runtime is asked for.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use k8s_cri::v1::security_profile::ProfileType;
use k8s_cri::v1::*;
use k8s_openapi::api::core::v1::{
    self as core, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext,
};
use runtime_core::helpers::quantity::Quantity;

use super::env::expand;
use super::volume::Volumes;
use crate::engine::ImageRecord;

/// What every container of a real runtime can't see, unless it is privileged.
const MASKED: [&str; 9] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
];
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
/// Linux takes no longer host name than one more.
const MAX_HOSTNAME: usize = 63;

/// Who a pod is.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
}

impl Identity {
    /// `name_namespace(uid)`, as messages have it.
    pub(super) fn full_name(&self) -> String {
        format!("{}_{}({})", self.name, self.namespace, self.uid)
    }
}

/// The sandbox of a pod. Without walls it has a host name only if its spec says one, which is refused then.
///
/// # Errors
/// What can't be honoured.
pub(super) fn sandbox(
    identity: &Identity,
    spec: &PodSpec,
    logs: &Path,
    walls: bool,
) -> Result<PodSandboxConfig, String> {
    let Identity { namespace, name, uid } = identity;
    let host_network = spec.host_network == Some(true);
    let mut hostname = spec.hostname.clone().unwrap_or_else(|| name.clone());
    hostname.truncate(MAX_HOSTNAME);
    let hostname = hostname.trim_end_matches(['-', '.']).to_owned();
    let security = spec.security_context.clone().unwrap_or_default();
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    let privileged = containers
        .filter_map(|container| container.security_context.as_ref())
        .any(|security| security.privileged == Some(true));
    let mut ports = Vec::new();
    for port in spec.containers.iter().flat_map(|container| container.ports.iter().flatten()) {
        let protocol = match port.protocol.as_deref().unwrap_or("TCP") {
            "TCP" => Protocol::Tcp,
            "UDP" => Protocol::Udp,
            "SCTP" => Protocol::Sctp,
            other => return Err(format!("the fake can't honour ports.protocol {other}")),
        };
        ports.push(PortMapping {
            protocol: protocol.into(),
            container_port: port.container_port,
            host_port: if host_network { 0 } else { port.host_port.unwrap_or(0) },
            host_ip: port.host_ip.clone().unwrap_or_default(),
        });
    }
    let sysctls = security.sysctls.iter().flatten();
    let linux = LinuxPodSandboxConfig {
        cgroup_parent: format!("/kubepods/pod{uid}"),
        security_context: Some(LinuxSandboxSecurityContext {
            namespace_options: Some(namespaces(spec)),
            privileged,
            supplemental_groups: groups(&security),
            ..Default::default()
        }),
        sysctls: sysctls.map(|sysctl| (sysctl.name.clone(), sysctl.value.clone())).collect(),
        ..Default::default()
    };
    Ok(PodSandboxConfig {
        metadata: Some(PodSandboxMetadata {
            name: name.clone(),
            namespace: namespace.clone(),
            uid: uid.clone(),
            attempt: 0,
        }),
        hostname: if host_network || (!walls && spec.hostname.is_none()) { String::new() } else { hostname },
        log_directory: logs.to_string_lossy().into_owned(),
        dns_config: dns(spec),
        port_mappings: ports,
        labels: labels(identity, None),
        linux: Some(linux),
        ..Default::default()
    })
}

/// What a container needs beside its spec.
pub(super) struct Surroundings<'a> {
    pub(super) identity: &'a Identity,
    pub(super) spec: &'a PodSpec,
    pub(super) volumes: &'a Volumes,
    pub(super) env: Vec<KeyValue>,
    pub(super) image: &'a ImageRecord,
    pub(super) attempt: u32,
    /// Files of the host that it gets besides its volumes, by path in it.
    pub(super) files: Vec<(String, PathBuf)>,
}

/// A container of a pod.
///
/// # Errors
/// The message of `CreateContainerConfigError`.
pub(super) fn container(
    container: &core::Container,
    around: Surroundings<'_>,
) -> Result<ContainerConfig, String> {
    let Surroundings { identity, spec, volumes, env, image, attempt, files } = around;
    if container.volume_devices.iter().flatten().next().is_some() {
        return Err("the fake can't honour volumeDevices".to_owned());
    }
    let get = |name: &str| env.iter().rev().find(|pair| pair.key == name).map(|pair| pair.value.as_str());
    let expanded = |words: &Option<Vec<String>>| -> Vec<String> {
        words.iter().flatten().map(|word| expand(word, get)).collect()
    };
    let (command, args) = (expanded(&container.command), expanded(&container.args));
    let mut mounts = Vec::new();
    for mount in container.volume_mounts.iter().flatten() {
        let sub_path = match (&mount.sub_path_expr, &mount.sub_path) {
            (Some(expression), _) => expand(expression, get),
            (None, path) => path.clone().unwrap_or_default(),
        };
        let propagation = match mount.mount_propagation.as_deref() {
            None | Some("None") => MountPropagation::PropagationPrivate,
            Some("HostToContainer") => MountPropagation::PropagationHostToContainer,
            Some("Bidirectional") => MountPropagation::PropagationBidirectional,
            Some(other) => return Err(format!("the fake can't honour mountPropagation {other}")),
        };
        if mount.recursive_read_only.as_deref() == Some("Enabled") {
            return Err("the fake can't honour recursiveReadOnly".to_owned());
        }
        mounts.push(Mount {
            container_path: mount.mount_path.clone(),
            host_path: volumes.path(&mount.name, &sub_path)?.to_string_lossy().into_owned(),
            readonly: mount.read_only == Some(true) || volumes.is_image(&mount.name),
            propagation: propagation.into(),
            ..Default::default()
        });
    }
    let taken: Vec<_> = mounts.iter().map(|mount| mount.container_path.clone()).collect();
    let files = files.into_iter().filter(|(path, _)| !taken.contains(path));
    mounts.extend(files.map(|(path, host)| Mount {
        container_path: path,
        host_path: host.to_string_lossy().into_owned(),
        ..Default::default()
    }));
    let linux = LinuxContainerConfig {
        resources: Some(resources(container, spec.resources.as_ref())?),
        security_context: Some(security(identity, spec, container, image)?),
    };
    Ok(ContainerConfig {
        metadata: Some(ContainerMetadata { name: container.name.clone(), attempt }),
        image: Some(ImageSpec { image: image.id.clone(), ..Default::default() }),
        command,
        args,
        working_dir: container.working_dir.clone().unwrap_or_default(),
        envs: env,
        mounts,
        labels: labels(identity, Some(&container.name)),
        log_path: format!("{}/{attempt}.log", container.name),
        stdin: container.stdin == Some(true),
        stdin_once: container.stdin_once == Some(true),
        tty: container.tty == Some(true),
        linux: Some(linux),
        ..Default::default()
    })
}

fn labels(identity: &Identity, container: Option<&str>) -> HashMap<String, String> {
    let mut labels = HashMap::from([
        ("io.kubernetes.pod.name".to_owned(), identity.name.clone()),
        ("io.kubernetes.pod.namespace".to_owned(), identity.namespace.clone()),
        ("io.kubernetes.pod.uid".to_owned(), identity.uid.clone()),
    ]);
    labels.extend(container.map(|name| ("io.kubernetes.container.name".to_owned(), name.to_owned())));
    labels
}

fn namespaces(spec: &PodSpec) -> NamespaceOption {
    let mode = |host: Option<bool>, own: NamespaceMode| -> i32 {
        if host == Some(true) { NamespaceMode::Node.into() } else { own.into() }
    };
    let shared = spec.share_process_namespace == Some(true);
    let own_processes = if shared { NamespaceMode::Pod } else { NamespaceMode::Container };
    NamespaceOption {
        network: mode(spec.host_network, NamespaceMode::Pod),
        pid: mode(spec.host_pid, own_processes),
        ipc: mode(spec.host_ipc, NamespaceMode::Pod),
        ..Default::default()
    }
}

/// Name resolution as the policy says. There is no cluster DNS: with `ClusterFirst` the host's is used, plus what the pod adds.
fn dns(spec: &PodSpec) -> Option<DnsConfig> {
    let own = spec.dns_config.clone().unwrap_or_default();
    let is_own = spec.dns_policy.as_deref() == Some("None");
    let options = own.options.unwrap_or_default().into_iter().filter_map(|option| {
        let name = option.name?;
        Some(option.value.map_or(name.clone(), |value| format!("{name}:{value}")))
    });
    let mut config = DnsConfig {
        servers: own.nameservers.unwrap_or_default(),
        searches: own.searches.unwrap_or_default(),
        options: options.collect(),
    };
    if config == DnsConfig::default() {
        return None;
    }
    if !is_own {
        let host = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        let servers =
            host.lines().filter_map(|line| line.strip_prefix("nameserver ").map(|it| it.trim().to_owned()));
        config.servers.splice(0..0, servers);
    }
    Some(config)
}

/// What a container may have. Where it says no limit, that of its whole pod is its own.
fn resources(
    container: &core::Container,
    of_pod: Option<&core::ResourceRequirements>,
) -> Result<LinuxContainerResources, String> {
    let resources = container.resources.clone().unwrap_or_default();
    let amount = |from: &Option<BTreeMap<String, _>>, name: &str| -> Result<Option<Quantity>, String> {
        let amount: Option<&k8s_openapi::apimachinery::pkg::api::resource::Quantity> =
            from.as_ref().and_then(|amounts| amounts.get(name));
        amount.map(|amount| amount.0.parse().map_err(|error| format!("{error}"))).transpose()
    };
    let milli = |quantity: Option<Quantity>| quantity.and_then(|it| it.to_milli().ok()).unwrap_or(0);
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let limit = |name: &str| match amount(&resources.limits, name)? {
        None => amount(of_pod.map_or(&None, |of_pod| &of_pod.limits), name),
        own => Ok(own),
    };
    let memory = limit("memory")?.and_then(|it| it.to_bytes().ok()).unwrap_or(0);
    let (limit, request) = (limit("cpu")?, amount(&resources.requests, "cpu")?);
    const PERIOD_MICROS: u64 = 100_000;
    const MIN_SHARES: u64 = 2;
    let limit_milli = milli(limit);
    Ok(LinuxContainerResources {
        cpu_period: if limit_milli > 0 { whole(PERIOD_MICROS) } else { 0 },
        cpu_quota: whole(limit_milli * PERIOD_MICROS / 1000),
        cpu_shares: whole((milli(request.or(limit)) * 1024 / 1000).max(MIN_SHARES)),
        memory_limit_in_bytes: whole(memory),
        ..Default::default()
    })
}

fn security(
    identity: &Identity,
    spec: &PodSpec,
    container: &core::Container,
    image: &ImageRecord,
) -> Result<LinuxContainerSecurityContext, String> {
    let pod = spec.security_context.clone().unwrap_or_default();
    let own = container.security_context.clone().unwrap_or_default();
    let user = own.run_as_user.or(pod.run_as_user);
    check_non_root(identity, container, &own, &pod, user, image)?;
    for (field, set) in [
        ("windowsOptions", own.windows_options.is_some() || pod.windows_options.is_some()),
        ("procMount", own.proc_mount.as_deref().is_some_and(|kind| kind != "Default")),
        ("appArmorProfile", is_profile(own.app_armor_profile.as_ref().map(|it| it.type_.as_str()))),
        ("fsGroup", pod.fs_group.is_some()),
        ("hostUsers", spec.host_users == Some(false)),
    ] {
        if set {
            return Err(format!("the fake can't honour securityContext.{field}"));
        }
    }
    let privileged = own.privileged == Some(true);
    let paths = |paths: &[&str]| -> Vec<String> {
        if privileged { Vec::new() } else { paths.iter().map(|path| (*path).to_owned()).collect() }
    };
    let capabilities = own.capabilities.clone().map(|it| Capability {
        add_capabilities: it.add.unwrap_or_default(),
        drop_capabilities: it.drop.unwrap_or_default(),
        ..Default::default()
    });
    let id = |value| Int64Value { value };
    let group = own.run_as_group.or(pod.run_as_group);
    Ok(LinuxContainerSecurityContext {
        capabilities,
        privileged,
        namespace_options: Some(namespaces(spec)),
        run_as_user: user.map(id).or_else(|| group.map(|_| id(image_uid(image).unwrap_or(0)))),
        run_as_group: group.map(id),
        readonly_rootfs: own.read_only_root_filesystem == Some(true),
        supplemental_groups: groups(&pod),
        no_new_privs: own.allow_privilege_escalation == Some(false),
        masked_paths: paths(&MASKED),
        readonly_paths: paths(&READ_ONLY),
        seccomp: seccomp(own.seccomp_profile.as_ref().or(pod.seccomp_profile.as_ref())),
        ..Default::default()
    })
}

fn is_profile(kind: Option<&str>) -> bool {
    kind.is_some_and(|kind| kind != "Unconfined" && kind != "RuntimeDefault")
}

fn groups(pod: &PodSecurityContext) -> Vec<i64> {
    pod.supplemental_groups.clone().unwrap_or_default()
}

fn seccomp(profile: Option<&SeccompProfile>) -> Option<SecurityProfile> {
    let (kind, path) = match profile {
        Some(profile) if profile.type_ == "RuntimeDefault" => (ProfileType::RuntimeDefault, String::new()),
        Some(profile) if profile.type_ == "Localhost" => {
            let path = profile.localhost_profile.clone().unwrap_or_default();
            (ProfileType::Localhost, format!("/var/lib/kubelet/seccomp/{path}"))
        }
        _ => (ProfileType::Unconfined, String::new()),
    };
    Some(SecurityProfile { profile_type: kind.into(), localhost_ref: path })
}

fn image_uid(image: &ImageRecord) -> Option<i64> {
    let user = image.config.user.as_deref().unwrap_or_default();
    user.split(':').next().unwrap_or_default().parse().ok()
}

fn check_non_root(
    identity: &Identity,
    container: &core::Container,
    own: &SecurityContext,
    pod: &PodSecurityContext,
    user: Option<i64>,
    image: &ImageRecord,
) -> Result<(), String> {
    if own.run_as_non_root.or(pod.run_as_non_root) != Some(true) {
        return Ok(());
    }
    let whom = format!("(pod: \"{}\", container: {})", identity.full_name(), container.name);
    let named = image.config.user.as_deref().unwrap_or_default();
    match user.or_else(|| if named.is_empty() { Some(0) } else { image_uid(image) }) {
        Some(0) if user.is_some() => Err(format!("container's runAsUser breaks non-root policy {whom}")),
        Some(0) => Err(format!("container has runAsNonRoot and image will run as root {whom}")),
        Some(_) => Ok(()),
        None => Err(format!(
            "container has runAsNonRoot and image has non-numeric user ({named}), cannot verify user is non-root {whom}"
        )),
    }
}

/// The hosts file of a pod that asks for names of its own.
pub(super) fn hosts(spec: &PodSpec, hostname: &str, ip: Option<&str>) -> String {
    let mut text = "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
                    fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
        .to_owned();
    if let Some(ip) = ip {
        text += &format!("{ip}\t{hostname}\n");
    }
    if spec.host_aliases.iter().flatten().next().is_some() {
        text += "\n# Entries added by HostAliases.\n";
    }
    for alias in spec.host_aliases.iter().flatten() {
        text += &format!("{}\t{}\n", alias.ip, alias.hostnames.clone().unwrap_or_default().join("\t"));
    }
    text
}
