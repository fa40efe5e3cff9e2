//! What a sandbox or container asks for that containerd refuses, or that a real runtime honours and the engine can't.

use std::path::Path;

use k8s_cri::v1::security_profile::ProfileType;
use k8s_cri::v1::*;
use tonic::Status;

use super::refusal::{start_failed, unsupported};

/// Sysctls that belong to a namespace and not to the whole host.
const NAMESPACED_SYSCTLS: [&str; 4] = ["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."];

pub(super) fn check_sandbox(config: &PodSandboxConfig) -> Result<(), Status> {
    if config.port_mappings.iter().any(|port| port.host_port != 0 && port.host_port != port.container_port) {
        return Err(unsupported("port_mappings to another port: sandboxes share the host's network"));
    }
    let Some(linux) = &config.linux else { return Ok(()) };
    if let Some(name) = linux.sysctls.keys().next() {
        let namespaced =
            name.starts_with("net.") || NAMESPACED_SYSCTLS.iter().any(|known| name.starts_with(known));
        if !namespaced {
            let why = format!("sysctl {name:?} is not in a separate kernel namespace");
            return Err(Status::unknown(start_failed(&why)));
        }
        return Err(unsupported("linux.sysctls"));
    }
    let Some(security) = &linux.security_context else { return Ok(()) };
    check_namespaces(security.namespace_options.as_ref())?;
    check_profiles(security.seccomp.as_ref(), security.apparmor.as_ref())
}

/// `privileged` is whether the container's sandbox is.
pub(super) fn check_container(config: &ContainerConfig, privileged: bool) -> Result<(), Status> {
    let name = config.metadata.as_ref().map_or("", |metadata| &metadata.name);
    let spec = |why: &str| Status::unknown(format!("failed to generate container {name:?} spec: {why}"));
    if let Some(device) = config.devices.first() {
        let path = &device.host_path;
        if !Path::new(path).exists() {
            return Err(spec(&format!("failed to generate spec: lstat {path}: no such file or directory")));
        }
        return Err(unsupported("devices"));
    }
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
    let changes_capabilities = |capabilities: &Capability| {
        let known = |name: &String| KNOWN_CAPABILITIES.contains(&name.trim_start_matches("CAP_"));
        !capabilities.drop_capabilities.is_empty() || capabilities.add_capabilities.iter().any(known)
    };
    let wanted = [
        ("capabilities", security.capabilities.as_ref().is_some_and(changes_capabilities)),
        ("no_new_privs", security.no_new_privs),
        ("masked_paths", !security.masked_paths.is_empty()),
        ("readonly_paths", !security.readonly_paths.is_empty()),
    ];
    if let Some((field, _)) = wanted.iter().find(|(_, wanted)| *wanted) {
        return Err(unsupported(&format!("linux.security_context.{field}")));
    }
    check_namespaces(security.namespace_options.as_ref())?;
    check_profiles(security.seccomp.as_ref(), security.apparmor.as_ref())
}

/// Each container has a process tree of its own, which is all that can be had for `POD` and `CONTAINER`.
fn check_namespaces(options: Option<&NamespaceOption>) -> Result<(), Status> {
    match options.map(NamespaceOption::pid) {
        Some(NamespaceMode::Node) => Err(unsupported("pid namespace NODE")),
        Some(NamespaceMode::Target) => Err(unsupported("pid namespace TARGET")),
        _ => Ok(()),
    }
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

/// Others are accepted and mean nothing.
const KNOWN_CAPABILITIES: [&str; 42] = [
    "ALL",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];
