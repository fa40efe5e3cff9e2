//! Namespaces, users, capabilities and profiles.

use k8s_cri::v1 as cri;
use runtime_core::{
    Error, Result,
    spec::{
        ContainerSecurity, LinuxCapabilities, Namespaces, PodSecurity, SeLinuxOptions, SecurityProfile,
        UserNamespace,
    },
};

use super::{enums, mount, said};
use cri::security_profile::ProfileType;

#[allow(deprecated, reason = "all that CRI carries is carried")]
pub(super) fn pod_to_cri(security: &PodSecurity) -> cri::LinuxSandboxSecurityContext {
    cri::LinuxSandboxSecurityContext {
        namespace_options: Some(namespaces(&security.namespaces)),
        selinux_options: security.selinux.as_ref().map(selinux),
        run_as_user: security.run_as_user.map(id),
        run_as_group: security.run_as_group.map(id),
        readonly_rootfs: security.read_only_rootfs,
        supplemental_groups: security.supplemental_groups.iter().copied().map(i64::from).collect(),
        supplemental_groups_policy: enums::to_groups_policy(security.supplemental_groups_policy),
        privileged: security.privileged,
        seccomp: security.seccomp.as_ref().map(profile),
        apparmor: security.apparmor.as_ref().map(profile),
        seccomp_profile_path: security.seccomp_profile_path.clone().unwrap_or_default(),
    }
}

#[allow(deprecated, reason = "all that CRI carries is carried")]
pub(super) fn pod_from_cri(message: cri::LinuxSandboxSecurityContext) -> Result<PodSecurity> {
    let mut security = PodSecurity::default();
    if let Some(options) = message.namespace_options {
        security.namespaces = from_namespaces(options)?;
    }
    security.selinux = message.selinux_options.map(from_selinux);
    security.run_as_user = from_id("security.runAsUser", message.run_as_user)?;
    security.run_as_group = from_id("security.runAsGroup", message.run_as_group)?;
    security.read_only_rootfs = message.readonly_rootfs;
    security.supplemental_groups = from_groups(message.supplemental_groups)?;
    security.supplemental_groups_policy =
        enums::from_groups_policy("security.supplementalGroupsPolicy", message.supplemental_groups_policy)?;
    security.privileged = message.privileged;
    security.seccomp =
        message.seccomp.map(|seccomp| from_profile("security.seccomp", seccomp)).transpose()?;
    security.apparmor =
        message.apparmor.map(|apparmor| from_profile("security.apparmor", apparmor)).transpose()?;
    security.seccomp_profile_path = said(message.seccomp_profile_path);
    Ok(security)
}

/// What the container doesn't say of namespaces and profiles is taken from its pod.
#[allow(deprecated, reason = "all that CRI carries is carried")]
pub(super) fn container_to_cri(
    security: &ContainerSecurity,
    pod: &PodSecurity,
) -> cri::LinuxContainerSecurityContext {
    let LinuxCapabilities { add, drop, add_ambient } = security.capabilities.clone();
    let said_of_capabilities = !(add.is_empty() && drop.is_empty() && add_ambient.is_empty());
    // One said in the old way is said.
    let seccomp = match security.seccomp_profile_path {
        Some(_) => security.seccomp.as_ref(),
        None => security.seccomp.as_ref().or(pod.seccomp.as_ref()),
    };
    let apparmor = match security.apparmor_profile {
        Some(_) => security.apparmor.as_ref(),
        None => security.apparmor.as_ref().or(pod.apparmor.as_ref()),
    };
    cri::LinuxContainerSecurityContext {
        capabilities: said_of_capabilities.then_some(cri::Capability {
            add_capabilities: add,
            drop_capabilities: drop,
            add_ambient_capabilities: add_ambient,
        }),
        privileged: security.privileged,
        namespace_options: Some(namespaces(security.namespaces.as_ref().unwrap_or(&pod.namespaces))),
        selinux_options: security.selinux.as_ref().or(pod.selinux.as_ref()).map(selinux),
        run_as_user: security.run_as_user.map(id),
        run_as_group: security.run_as_group.map(id),
        run_as_username: security.run_as_username.clone().unwrap_or_default(),
        readonly_rootfs: security.read_only_rootfs,
        supplemental_groups: security.supplemental_groups.iter().copied().map(i64::from).collect(),
        supplemental_groups_policy: enums::to_groups_policy(security.supplemental_groups_policy),
        no_new_privs: security.no_new_privs,
        masked_paths: security.paths_to_mask(),
        readonly_paths: security.paths_to_protect(),
        seccomp: seccomp.map(profile),
        apparmor: apparmor.map(profile),
        apparmor_profile: security.apparmor_profile.clone().unwrap_or_default(),
        seccomp_profile_path: security.seccomp_profile_path.clone().unwrap_or_default(),
    }
}

#[allow(deprecated, reason = "all that CRI carries is carried")]
pub(super) fn container_from_cri(message: cri::LinuxContainerSecurityContext) -> Result<ContainerSecurity> {
    let capabilities = message.capabilities.unwrap_or_default();
    let mut security = ContainerSecurity::default();
    security.capabilities = LinuxCapabilities {
        add: capabilities.add_capabilities,
        drop: capabilities.drop_capabilities,
        add_ambient: capabilities.add_ambient_capabilities,
    };
    security.privileged = message.privileged;
    security.namespaces = message.namespace_options.map(from_namespaces).transpose()?;
    security.selinux = message.selinux_options.map(from_selinux);
    security.run_as_user = from_id("security.runAsUser", message.run_as_user)?;
    security.run_as_group = from_id("security.runAsGroup", message.run_as_group)?;
    security.run_as_username = said(message.run_as_username);
    security.read_only_rootfs = message.readonly_rootfs;
    security.supplemental_groups = from_groups(message.supplemental_groups)?;
    security.supplemental_groups_policy =
        enums::from_groups_policy("security.supplementalGroupsPolicy", message.supplemental_groups_policy)?;
    security.no_new_privs = message.no_new_privs;
    security.masked_paths = Some(message.masked_paths);
    security.readonly_paths = Some(message.readonly_paths);
    security.seccomp =
        message.seccomp.map(|seccomp| from_profile("security.seccomp", seccomp)).transpose()?;
    security.apparmor =
        message.apparmor.map(|apparmor| from_profile("security.apparmor", apparmor)).transpose()?;
    security.apparmor_profile = said(message.apparmor_profile);
    security.seccomp_profile_path = said(message.seccomp_profile_path);
    Ok(security)
}

fn namespaces(namespaces: &Namespaces) -> cri::NamespaceOption {
    cri::NamespaceOption {
        network: enums::to_namespace(namespaces.network),
        pid: enums::to_namespace(namespaces.pid),
        ipc: enums::to_namespace(namespaces.ipc),
        target_id: namespaces.target.clone().unwrap_or_default(),
        userns_options: namespaces.user.as_ref().map(|user| cri::UserNamespace {
            mode: enums::to_namespace(user.mode),
            uids: user.uids.iter().map(mount::id_mapping).collect(),
            gids: user.gids.iter().map(mount::id_mapping).collect(),
        }),
    }
}

pub(super) fn from_namespaces(message: cri::NamespaceOption) -> Result<Namespaces> {
    let user = message.userns_options.map(|user| {
        Ok::<_, Error>(UserNamespace {
            mode: enums::from_namespace("security.namespaces.user.mode", user.mode)?,
            uids: user.uids.into_iter().map(mount::from_id_mapping).collect(),
            gids: user.gids.into_iter().map(mount::from_id_mapping).collect(),
        })
    });
    Ok(Namespaces {
        network: enums::from_namespace("security.namespaces.network", message.network)?,
        pid: enums::from_namespace("security.namespaces.pid", message.pid)?,
        ipc: enums::from_namespace("security.namespaces.ipc", message.ipc)?,
        target: said(message.target_id),
        user: user.transpose()?,
    })
}

fn selinux(options: &SeLinuxOptions) -> cri::SeLinuxOption {
    let SeLinuxOptions { user, role, kind, level } = options.clone();
    cri::SeLinuxOption { user, role, r#type: kind, level }
}

fn from_selinux(message: cri::SeLinuxOption) -> SeLinuxOptions {
    SeLinuxOptions { user: message.user, role: message.role, kind: message.r#type, level: message.level }
}

fn profile(profile: &SecurityProfile) -> cri::SecurityProfile {
    let (kind, localhost_ref) = match profile {
        SecurityProfile::RuntimeDefault => (ProfileType::RuntimeDefault, String::new()),
        SecurityProfile::Unconfined => (ProfileType::Unconfined, String::new()),
        SecurityProfile::Localhost(name) => (ProfileType::Localhost, name.clone()),
    };
    cri::SecurityProfile { profile_type: kind.into(), localhost_ref }
}

fn from_profile(field: &str, message: cri::SecurityProfile) -> Result<SecurityProfile> {
    match ProfileType::try_from(message.profile_type) {
        Ok(ProfileType::RuntimeDefault) => Ok(SecurityProfile::RuntimeDefault),
        Ok(ProfileType::Unconfined) => Ok(SecurityProfile::Unconfined),
        Ok(ProfileType::Localhost) => Ok(SecurityProfile::Localhost(message.localhost_ref)),
        Err(_) => Err(enums::unknown(field, message.profile_type)),
    }
}

fn id(id: u32) -> cri::Int64Value {
    cri::Int64Value { value: id.into() }
}

fn from_id(field: &str, message: Option<cri::Int64Value>) -> Result<Option<u32>> {
    message.map(|id| u32_of(field, id.value)).transpose()
}

fn from_groups(groups: Vec<i64>) -> Result<Vec<u32>> {
    groups.into_iter().map(|group| u32_of("security.supplementalGroups", group)).collect()
}

fn u32_of(field: &str, number: i64) -> Result<u32> {
    u32::try_from(number).map_err(|_| Error::invalid(field, format!("{number} is not an id")))
}
