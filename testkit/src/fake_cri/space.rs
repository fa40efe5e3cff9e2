//! What the containers of a sandbox share: from its configuration to the engine's terms, and what containerd refuses.

use k8s_cri::v1::*;
use tonic::Status;

use super::fake::Fake;
use super::refusal::{start_failed, unsupported};
use crate::engine::{Engine, Isolation, PidSpace, PodNetwork, PodProcess, PodSpace, PublishedPort, User};

/// Sysctls of the namespace of inter-process communication, not of the whole host.
const IPC_SYSCTLS: [&str; 4] = ["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."];

/// The space that a sandbox asks for. Without walls there is none, and what needs one is refused.
pub(super) fn of_sandbox(config: &PodSandboxConfig, engine: &Engine) -> Result<PodSpace, Status> {
    let linux = config.linux.clone().unwrap_or_default();
    let security = linux.security_context.unwrap_or_default();
    let options = security.namespace_options.clone().unwrap_or_default();
    let own_network = options.network() != NamespaceMode::Node && engine.has_networks();
    let own_ipc = options.ipc() != NamespaceMode::Node && engine.isolation() == Isolation::Chroot;
    for name in linux.sysctls.keys() {
        let own = if name.starts_with("net.") {
            own_network
        } else if IPC_SYSCTLS.iter().any(|known| name.starts_with(known)) {
            own_ipc
        } else {
            let why = format!("sysctl {name:?} is not in a separate kernel namespace");
            return Err(Status::unknown(start_failed(&why)));
        };
        if !own {
            return Err(unsupported("linux.sysctls"));
        }
    }
    let user = security.run_as_user.as_ref().map(|user| {
        let id = |value: &Int64Value| u32::try_from(value.value).unwrap_or(u32::MAX);
        // The sandbox's image knows no users, so a user's group is 0.
        User::Id { uid: id(user), gid: Some(security.run_as_group.as_ref().map_or(0, id)) }
    });
    let groups = security.supplemental_groups.iter().filter_map(|group| u32::try_from(*group).ok());
    let process = PodProcess { user, supplementary_groups: groups.collect() };
    let own_process = engine.isolation() == Isolation::Chroot && options.pid() != NamespaceMode::Node;
    Ok(PodSpace {
        network: own_network.then(|| ports(config)).transpose()?.map(|ports| PodNetwork { ports }),
        ipc: own_ipc,
        process: own_process.then_some(process),
        sysctls: linux.sysctls.into_iter().collect(),
    })
}

impl Fake {
    /// The process tree of a container of a sandbox.
    pub(super) fn pids(
        &self,
        config: &ContainerConfig,
        sandbox: &PodSandboxConfig,
    ) -> Result<PidSpace, Status> {
        let options = |linux: Option<NamespaceOption>| linux.unwrap_or_default();
        let own = config.linux.as_ref().and_then(|linux| linux.security_context.as_ref());
        let own = options(own.and_then(|security| security.namespace_options.clone()));
        let pod = sandbox.linux.as_ref().and_then(|linux| linux.security_context.as_ref());
        let pod = options(pod.and_then(|security| security.namespace_options.clone()));
        Ok(match own.pid() {
            NamespaceMode::Container => PidSpace::Container,
            NamespaceMode::Pod if pod.pid() != NamespaceMode::Node => PidSpace::Pod,
            NamespaceMode::Pod | NamespaceMode::Node => PidSpace::Host,
            NamespaceMode::Target => {
                let context = format!("invalid target container: {:?}", own.target_id);
                PidSpace::Target(self.container_in(&own.target_id, &context)?.0.id)
            }
        })
    }
}

fn ports(config: &PodSandboxConfig) -> Result<Vec<PublishedPort>, Status> {
    let published = config.port_mappings.iter().filter(|port| port.host_port > 0);
    published
        .map(|port| {
            if port.protocol() != Protocol::Tcp {
                return Err(unsupported("port_mappings.protocol other than TCP"));
            }
            let number = |number: i32| {
                u16::try_from(number).map_err(|_| Status::unknown(format!("invalid port number: {number}")))
            };
            let host_ip = match port.host_ip.as_str() {
                "" => None,
                ip => Some(ip.parse().map_err(|_| Status::unknown(format!("invalid host IP: {ip:?}")))?),
            };
            let (host_port, port) = (number(port.host_port)?, number(port.container_port)?);
            Ok(PublishedPort { host_ip, host_port, port })
        })
        .collect()
}
