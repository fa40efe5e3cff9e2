//! What a sandbox or container asks for that containerd refuses, or that a real runtime honours and the engine can't.

use std::path::Path;

use k8s_cri::v1::security_profile::ProfileType;
use k8s_cri::v1::*;
use tonic::Status;

use super::refusal::unsupported;
use crate::engine::{Isolation, LinuxCapabilities, Privileges};

pub(super) fn check_sandbox(config: &PodSandboxConfig, own_network: bool) -> Result<(), Status> {
    let moved = |port: &PortMapping| port.host_port != 0 && port.host_port != port.container_port;
    if !own_network && config.port_mappings.iter().any(moved) {
        return Err(unsupported("port_mappings to another port: sandboxes share the host's network"));
    }
    let Some(security) = config.linux.as_ref().and_then(|linux| linux.security_context.as_ref()) else {
        return Ok(());
    };
    check_profiles(security.seccomp.as_ref(), security.apparmor.as_ref())
}

/// `privileged` is whether the container's sandbox is.
pub(super) fn check_container(
    config: &ContainerConfig,
    privileged: bool,
    isolation: Isolation,
) -> Result<(), Status> {
    let name = config.metadata.as_ref().map_or("", |metadata| &metadata.name);
    let spec = |why: &str| Status::unknown(format!("failed to generate container {name:?} spec: {why}"));
    let Some(security) = config.linux.as_ref().and_then(|linux| linux.security_context.as_ref()) else {
        return Ok(());
    };
    if security.privileged && !privileged {
        return Err(spec("no privileged container allowed in sandbox"));
    }
    if security.run_as_user.is_some_and(|user| user.value < 0) {
        return Err(Status::unknown(
            "failed to create containerd container: mount callback failed: no users found",
        ));
    }
    if let Some(group) = security.run_as_group
        && security.run_as_user.is_none()
        && security.run_as_username.is_empty()
    {
        return Err(Status::unknown(format!(
            "failed to get container spec opts: failed to generate user string: user group \"{}\" is specified \
             without user",
            group.value
        )));
    }
    let wanted = [
        ("capabilities", security.capabilities.as_ref().is_some_and(changes_capabilities)),
        ("no_new_privs", security.no_new_privs),
        ("namespace_options.pid", pids_of_others(security.namespace_options.as_ref())),
    ];
    if isolation == Isolation::None
        && let Some((field, _)) = wanted.iter().find(|(_, wanted)| *wanted)
    {
        return Err(unsupported(&format!("linux.security_context.{field}")));
    }
    check_profiles(security.seccomp.as_ref(), security.apparmor.as_ref())
}

/// What the container's processes may do, as runc sets it. Without walls it is what the engine may.
pub(super) fn privileges(security: &LinuxContainerSecurityContext, isolation: Isolation) -> Privileges {
    if isolation == Isolation::None {
        return Privileges::default();
    }
    let capabilities = if security.privileged {
        LinuxCapabilities::ALL
    } else {
        let Capability { add_capabilities, drop_capabilities, .. } =
            security.capabilities.clone().unwrap_or_default();
        LinuxCapabilities::usual_with(&add_capabilities, &drop_capabilities)
    };
    let default = |profile: &SecurityProfile| profile.profile_type() == ProfileType::RuntimeDefault;
    let filtered = !security.privileged && security.seccomp.as_ref().is_some_and(default);
    Privileges { capabilities: Some(capabilities), no_new_privs: security.no_new_privs, filtered }
}

fn changes_capabilities(capabilities: &Capability) -> bool {
    let known = |name: &String| LinuxCapabilities::named(&name.to_ascii_uppercase()).is_some();
    !capabilities.drop_capabilities.is_empty() || capabilities.add_capabilities.iter().any(known)
}

/// Without walls every container has what can be had of a process tree of its own.
fn pids_of_others(options: Option<&NamespaceOption>) -> bool {
    let mode = options.map(NamespaceOption::pid);
    matches!(mode, Some(NamespaceMode::Node | NamespaceMode::Target))
}

fn check_profiles(
    seccomp: Option<&SecurityProfile>,
    apparmor: Option<&SecurityProfile>,
) -> Result<(), Status> {
    let localhost = |profile: &&SecurityProfile| profile.profile_type() == ProfileType::Localhost;
    if apparmor.filter(localhost).is_some() {
        return Err(Status::unknown(
            "failed to get container spec opts: failed to generate apparmor spec opts: apparmor is not supported",
        ));
    }
    let Some(profile) = seccomp.filter(localhost) else { return Ok(()) };
    let path = &profile.localhost_ref;
    if Path::new(path).exists() {
        return Err(unsupported("seccomp profiles"));
    }
    Err(Status::unknown(format!(
        "failed to create containerd container: cannot load seccomp profile {path:?}: open {path}: no such file or \
         directory"
    )))
}
