//! Users, capabilities, profiles and namespaces.
//!
//! What a Kubernetes pod says of users and groups is meant for its containers, and wharf's pod says it of the sandbox's own
//! process. So such a word of a pod becomes one of each container that has none of its own, and Kubernetes' groups, which only a pod
//! has, are those that all its containers ask for.

use k8s_openapi::api::core::v1 as k8s;
use runtime_core::{
    Error, ErrorKind, Result,
    spec::{
        ContainerSecurity, LinuxCapabilities, NamespaceMode, Namespaces, PodSecurity, PodSpec,
        SeLinuxOptions, SecurityProfile, SupplementalGroupsPolicy, UserNamespace,
    },
};

use super::{enums, flag, refuse, said};
use crate::options::{K8sContainerSecurity, K8sPodSecurity};

/// The security context of a pod, with the groups of its containers.
pub(super) fn pod_to_k8s(
    spec: &PodSpec,
    options: &K8sPodSecurity,
) -> Result<Option<k8s::PodSecurityContext>> {
    let PodSecurity {
        namespaces: _,
        selinux,
        run_as_user,
        run_as_group,
        read_only_rootfs,
        supplemental_groups,
        supplemental_groups_policy: _,
        privileged: _,
        seccomp,
        apparmor,
        seccomp_profile_path,
        ..
    } = &spec.security;
    refuse(&[
        ("security.runAsUser", run_as_user.is_some()),
        ("security.runAsGroup", run_as_group.is_some()),
        ("security.readOnlyRootfs", *read_only_rootfs),
        ("security.supplementalGroups", !supplemental_groups.is_empty()),
        ("security.seccompProfilePath", seccomp_profile_path.is_some()),
    ])?;
    let K8sPodSecurity {
        fs_group,
        fs_group_change_policy,
        run_as_non_root,
        se_linux_change_policy,
        windows_options,
    } = options.clone();
    let sysctls =
        spec.sysctls.iter().map(|(name, value)| k8s::Sysctl { name: name.clone(), value: value.clone() });
    let context = k8s::PodSecurityContext {
        app_armor_profile: apparmor.as_ref().map(to_apparmor),
        fs_group,
        fs_group_change_policy,
        run_as_group: None,
        run_as_non_root,
        run_as_user: None,
        se_linux_change_policy,
        se_linux_options: selinux.as_ref().map(to_selinux),
        seccomp_profile: seccomp.as_ref().map(to_seccomp),
        supplemental_groups: said(groups(spec)?),
        supplemental_groups_policy: is_strict(spec)?.then(|| STRICT.to_owned()),
        sysctls: said(sysctls.collect()),
        windows_options,
    };
    Ok((context != k8s::PodSecurityContext::default()).then_some(context))
}

const STRICT: &str = "Strict";
const MERGE: &str = "Merge";

/// The groups of all containers, which must be the same.
fn groups(spec: &PodSpec) -> Result<Vec<i64>> {
    let mut all =
        spec.all_containers().map(|(path, container)| (path, &container.security.supplemental_groups));
    let Some((_, first)) = all.next() else { return Ok(Vec::new()) };
    match all.find(|(_, groups)| *groups != first) {
        Some((path, _)) => Err(differs(&path, "supplementalGroups")),
        None => Ok(first.iter().copied().map(i64::from).collect()),
    }
}

/// Whether the groups of images are left out, for all containers or none.
fn is_strict(spec: &PodSpec) -> Result<bool> {
    let strict = SupplementalGroupsPolicy::Strict;
    if spec.security.supplemental_groups_policy == strict {
        return Ok(true);
    }
    let mut all = spec
        .all_containers()
        .map(|(path, container)| (path, container.security.supplemental_groups_policy == strict));
    let Some((_, first)) = all.next() else { return Ok(false) };
    match all.find(|(_, is_strict)| *is_strict != first) {
        Some((path, _)) => Err(differs(&path, "supplementalGroupsPolicy")),
        None => Ok(first),
    }
}

fn differs(path: &str, field: &str) -> Error {
    let message = "Kubernetes has one for all containers of a pod, and another container's differs";
    Error::new(ErrorKind::Unsupported, message).with_field(format!("{path}.security.{field}"))
}

/// What a Kubernetes pod says of all its containers.
#[derive(Debug, Default)]
pub(super) struct ForContainers {
    run_as_user: Option<i64>,
    run_as_group: Option<i64>,
    supplemental_groups: Vec<u32>,
}

/// Everything that a pod's security context says: of the pod, of its containers, of the kernel's parameters, and the rest.
pub(super) struct PodContext {
    pub(super) security: PodSecurity,
    pub(super) for_containers: ForContainers,
    pub(super) sysctls: Vec<k8s::Sysctl>,
    pub(super) options: K8sPodSecurity,
}

pub(super) fn pod_from_k8s(context: Option<k8s::PodSecurityContext>) -> Result<PodContext> {
    let k8s::PodSecurityContext {
        app_armor_profile,
        fs_group,
        fs_group_change_policy,
        run_as_group,
        run_as_non_root,
        run_as_user,
        se_linux_change_policy,
        se_linux_options,
        seccomp_profile,
        supplemental_groups,
        supplemental_groups_policy,
        sysctls,
        windows_options,
    } = context.unwrap_or_default();
    let mut security = PodSecurity::default();
    security.apparmor = app_armor_profile.map(from_apparmor).transpose()?;
    security.seccomp = seccomp_profile.map(from_seccomp).transpose()?;
    security.selinux = se_linux_options.map(from_selinux);
    security.supplemental_groups_policy = match supplemental_groups_policy.as_deref() {
        None | Some(MERGE) => SupplementalGroupsPolicy::Merge,
        Some(STRICT) => SupplementalGroupsPolicy::Strict,
        Some(word) => return Err(enums::unknown("supplementalGroupsPolicy", word, &[MERGE, STRICT])),
    };
    let groups = supplemental_groups.unwrap_or_default().into_iter();
    let supplemental_groups =
        groups.map(|group| id("supplementalGroups", group)).collect::<Result<Vec<_>>>()?;
    Ok(PodContext {
        security,
        for_containers: ForContainers { run_as_user, run_as_group, supplemental_groups },
        sysctls: sysctls.unwrap_or_default(),
        options: K8sPodSecurity {
            fs_group,
            fs_group_change_policy,
            run_as_non_root,
            se_linux_change_policy,
            windows_options,
        },
    })
}

pub(super) fn container_to_k8s(
    security: &ContainerSecurity,
    pod: &PodSecurity,
    options: &K8sContainerSecurity,
) -> Result<Option<k8s::SecurityContext>> {
    let ContainerSecurity {
        capabilities: LinuxCapabilities { add, drop, add_ambient },
        privileged,
        namespaces,
        selinux,
        run_as_user,
        run_as_group,
        run_as_username,
        read_only_rootfs,
        supplemental_groups: _,
        supplemental_groups_policy: _,
        no_new_privs,
        masked_paths,
        readonly_paths,
        seccomp,
        apparmor,
        apparmor_profile,
        seccomp_profile_path,
        ..
    } = security;
    refuse(&[
        ("capabilities.addAmbient", !add_ambient.is_empty()),
        // A container that says what its pod says has no namespaces of its own.
        ("namespaces", namespaces.as_ref().is_some_and(|own| *own != pod.namespaces)),
        ("runAsUsername", run_as_username.is_some()),
        ("maskedPaths", masked_paths.is_some()),
        ("readonlyPaths", readonly_paths.is_some()),
        ("apparmorProfile", apparmor_profile.is_some()),
        ("seccompProfilePath", seccomp_profile_path.is_some()),
    ])?;
    let K8sContainerSecurity { proc_mount, run_as_non_root, run_as_group: group_alone, windows_options } =
        options.clone();
    let capabilities = k8s::Capabilities { add: said(add.clone()), drop: said(drop.clone()) };
    let context = k8s::SecurityContext {
        allow_privilege_escalation: no_new_privs.then_some(false),
        app_armor_profile: apparmor.as_ref().map(to_apparmor),
        capabilities: (capabilities != k8s::Capabilities::default()).then_some(capabilities),
        privileged: flag(*privileged),
        proc_mount,
        read_only_root_filesystem: flag(*read_only_rootfs),
        run_as_group: run_as_group.map(i64::from).or(group_alone),
        run_as_non_root,
        run_as_user: run_as_user.map(i64::from),
        se_linux_options: selinux.as_ref().map(to_selinux),
        seccomp_profile: seccomp.as_ref().map(to_seccomp),
        windows_options,
    };
    Ok((context != k8s::SecurityContext::default()).then_some(context))
}

pub(super) fn container_from_k8s(
    context: Option<k8s::SecurityContext>,
    pod: &ForContainers,
) -> Result<(ContainerSecurity, K8sContainerSecurity)> {
    let k8s::SecurityContext {
        allow_privilege_escalation,
        app_armor_profile,
        capabilities,
        privileged,
        proc_mount,
        read_only_root_filesystem,
        run_as_group,
        run_as_non_root,
        run_as_user,
        se_linux_options,
        seccomp_profile,
        windows_options,
    } = context.unwrap_or_default();
    let k8s::Capabilities { add, drop } = capabilities.unwrap_or_default();
    let mut security = ContainerSecurity::default();
    security.no_new_privs = allow_privilege_escalation == Some(false);
    security.apparmor = app_armor_profile.map(from_apparmor).transpose()?;
    security.capabilities.add = add.unwrap_or_default();
    security.capabilities.drop = drop.unwrap_or_default();
    security.privileged = privileged.unwrap_or_default();
    security.read_only_rootfs = read_only_root_filesystem.unwrap_or_default();
    security.run_as_user = run_as_user.or(pod.run_as_user).map(|user| id("runAsUser", user)).transpose()?;
    security.selinux = se_linux_options.map(from_selinux);
    security.seccomp = seccomp_profile.map(from_seccomp).transpose()?;
    security.supplemental_groups.clone_from(&pod.supplemental_groups);
    let mut options =
        K8sContainerSecurity { proc_mount, run_as_group: None, run_as_non_root, windows_options };
    let group = run_as_group.or(pod.run_as_group);
    if security.run_as_user.is_some() {
        security.run_as_group = group.map(|group| id("runAsGroup", group)).transpose()?;
    } else {
        options.run_as_group = group;
    }
    Ok((security, options))
}

/// The fields of a pod that say with whom it shares namespaces.
#[derive(Debug, Default, PartialEq)]
pub(super) struct HostFields {
    pub(super) host_network: Option<bool>,
    pub(super) host_pid: Option<bool>,
    pub(super) host_ipc: Option<bool>,
    pub(super) host_users: Option<bool>,
    pub(super) share_process_namespace: Option<bool>,
}

pub(super) fn namespaces_to_k8s(namespaces: &Namespaces) -> Result<HostFields> {
    use NamespaceMode::{Container, Node, Pod, Target};
    let Namespaces { network, pid, ipc, target, user } = namespaces;
    let host_users = match user {
        None => None,
        Some(UserNamespace { mode: Pod, uids, gids }) if uids.is_empty() && gids.is_empty() => Some(false),
        Some(UserNamespace { mode: Node, uids, gids }) if uids.is_empty() && gids.is_empty() => Some(true),
        Some(_) => {
            refuse(&[("security.namespaces.user", true)])?;
            None
        }
    };
    refuse(&[
        ("security.namespaces.network", matches!(network, Container | Target)),
        ("security.namespaces.pid", *pid == Target),
        ("security.namespaces.ipc", matches!(ipc, Container | Target)),
        ("security.namespaces.target", target.is_some()),
    ])?;
    Ok(HostFields {
        host_network: flag(*network == Node),
        host_pid: flag(*pid == Node),
        host_ipc: flag(*ipc == Node),
        host_users,
        share_process_namespace: flag(*pid == Pod),
    })
}

pub(super) fn namespaces_from_k8s(fields: &HostFields) -> Result<Namespaces> {
    use NamespaceMode::{Node, Pod};
    let is = |field: Option<bool>| field.unwrap_or_default();
    let mut namespaces = Namespaces::default();
    if is(fields.host_network) {
        namespaces.network = Node;
    }
    if is(fields.host_ipc) {
        namespaces.ipc = Node;
    }
    namespaces.pid = match (is(fields.host_pid), is(fields.share_process_namespace)) {
        (true, true) => {
            return Err(Error::invalid("shareProcessNamespace", "can't be given together with hostPID"));
        }
        (true, false) => Node,
        (false, true) => Pod,
        (false, false) => namespaces.pid,
    };
    namespaces.user = fields
        .host_users
        .map(|host| UserNamespace { mode: if host { Node } else { Pod }, ..UserNamespace::default() });
    Ok(namespaces)
}

fn to_selinux(options: &SeLinuxOptions) -> k8s::SELinuxOptions {
    let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    k8s::SELinuxOptions {
        level: text(&options.level),
        role: text(&options.role),
        type_: text(&options.kind),
        user: text(&options.user),
    }
}

fn from_selinux(message: k8s::SELinuxOptions) -> SeLinuxOptions {
    SeLinuxOptions {
        level: message.level.unwrap_or_default(),
        role: message.role.unwrap_or_default(),
        kind: message.type_.unwrap_or_default(),
        user: message.user.unwrap_or_default(),
    }
}

const PROFILES: [&str; 3] = ["RuntimeDefault", "Unconfined", "Localhost"];

fn to_profile(profile: &SecurityProfile) -> (String, Option<String>) {
    let [runtime_default, unconfined, localhost] = PROFILES;
    match profile {
        SecurityProfile::RuntimeDefault => (runtime_default.to_owned(), None),
        SecurityProfile::Unconfined => (unconfined.to_owned(), None),
        SecurityProfile::Localhost(name) => (localhost.to_owned(), Some(name.clone())),
    }
}

fn from_profile(field: &str, kind: &str, name: Option<String>) -> Result<SecurityProfile> {
    match PROFILES.iter().position(|known| *known == kind) {
        Some(0) => Ok(SecurityProfile::RuntimeDefault),
        Some(1) => Ok(SecurityProfile::Unconfined),
        Some(_) => Ok(SecurityProfile::Localhost(name.unwrap_or_default())),
        None => Err(enums::unknown(&format!("{field}.type"), kind, &PROFILES)),
    }
}

fn to_seccomp(profile: &SecurityProfile) -> k8s::SeccompProfile {
    let (type_, localhost_profile) = to_profile(profile);
    k8s::SeccompProfile { localhost_profile, type_ }
}

fn from_seccomp(message: k8s::SeccompProfile) -> Result<SecurityProfile> {
    from_profile("seccompProfile", &message.type_, message.localhost_profile)
}

fn to_apparmor(profile: &SecurityProfile) -> k8s::AppArmorProfile {
    let (type_, localhost_profile) = to_profile(profile);
    k8s::AppArmorProfile { localhost_profile, type_ }
}

fn from_apparmor(message: k8s::AppArmorProfile) -> Result<SecurityProfile> {
    from_profile("appArmorProfile", &message.type_, message.localhost_profile)
}

fn id(field: &str, number: i64) -> Result<u32> {
    u32::try_from(number).map_err(|_| Error::invalid(field, format!("{number} is not an id")))
}
