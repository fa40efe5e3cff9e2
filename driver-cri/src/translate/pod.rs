//! Pods.

use std::path::PathBuf;

use k8s_cri::v1 as cri;
use runtime_core::{
    Error, Result,
    spec::{DnsConfig, PodSpec, PortMapping},
};

use super::{enums, resources, said, security, windows};

/// The CRI sandbox of a pod, without its containers.
///
/// # Errors
/// `InvalidArgument` names what CRI can't carry.
pub fn pod_config(spec: &PodSpec) -> Result<cri::PodSandboxConfig> {
    let log_directory = match &spec.log_directory {
        None => String::new(),
        Some(path) => path.to_str().ok_or_else(|| Error::invalid("logDirectory", "is not UTF-8"))?.to_owned(),
    };
    let in_field = |name: &'static str| move |error: Error| error.in_field(name);
    let overhead = spec.overhead.as_ref().map(resources::to_cri).transpose().map_err(in_field("overhead"))?;
    let of_pod = spec.resources.as_ref().map(resources::to_cri).transpose().map_err(in_field("resources"))?;
    Ok(cri::PodSandboxConfig {
        metadata: Some(cri::PodSandboxMetadata {
            name: spec.name.clone(),
            uid: spec.uid.clone().unwrap_or_default(),
            namespace: spec.namespace_or_default().to_owned(),
            attempt: spec.attempt,
        }),
        hostname: spec.hostname.clone().unwrap_or_default(),
        log_directory,
        dns_config: spec.dns.clone().map(|DnsConfig { servers, searches, options }| cri::DnsConfig {
            servers,
            searches,
            options,
        }),
        port_mappings: spec.ports.iter().map(port).collect(),
        labels: spec.labels.clone().into_iter().collect(),
        annotations: spec.annotations.clone().into_iter().collect(),
        linux: Some(cri::LinuxPodSandboxConfig {
            cgroup_parent: spec.cgroup_parent.clone().unwrap_or_default(),
            security_context: Some(security::pod_to_cri(&spec.security)),
            sysctls: spec.sysctls.clone().into_iter().collect(),
            overhead,
            resources: of_pod,
        }),
        windows: spec.windows.as_ref().map(windows::pod_to_cri),
    })
}

/// The pod of a CRI sandbox, without containers.
///
/// # Errors
/// `InvalidArgument` names a field with a value that CRI doesn't define.
pub fn pod_spec(message: cri::PodSandboxConfig) -> Result<PodSpec> {
    let metadata = message.metadata.unwrap_or_default();
    let linux = message.linux.unwrap_or_default();
    let mut spec = PodSpec::new(metadata.name).with_namespace(metadata.namespace);
    spec.uid = said(metadata.uid);
    spec.attempt = metadata.attempt;
    spec.hostname = said(message.hostname);
    spec.log_directory = said(message.log_directory).map(PathBuf::from);
    spec.dns = message.dns_config.map(|cri::DnsConfig { servers, searches, options }| DnsConfig {
        servers,
        searches,
        options,
    });
    spec.ports = message.port_mappings.into_iter().map(from_port).collect::<Result<_>>()?;
    spec.labels = message.labels.into_iter().collect();
    spec.annotations = message.annotations.into_iter().collect();
    spec.cgroup_parent = said(linux.cgroup_parent);
    spec.sysctls = linux.sysctls.into_iter().collect();
    spec.security = security::pod_from_cri(linux.security_context.unwrap_or_default())?;
    spec.overhead = linux.overhead.map(resources::from_cri).transpose()?;
    spec.resources = linux.resources.map(resources::from_cri).transpose()?;
    spec.windows = message.windows.map(windows::pod_from_cri).transpose()?;
    Ok(spec)
}

fn port(port: &PortMapping) -> cri::PortMapping {
    cri::PortMapping {
        protocol: enums::to_protocol(port.protocol),
        container_port: port.container_port.into(),
        host_port: port.host_port.into(),
        host_ip: port.host_ip.map(|ip| ip.to_string()).unwrap_or_default(),
    }
}

fn from_port(message: cri::PortMapping) -> Result<PortMapping> {
    let number = |field, number: i32| {
        u16::try_from(number).map_err(|_| Error::invalid(field, format!("{number} is not a port")))
    };
    let host_ip = said(message.host_ip)
        .map(|ip| ip.parse().map_err(|error| Error::invalid("ports.hostIp", error)))
        .transpose()?;
    Ok(PortMapping {
        container_port: number("ports.containerPort", message.container_port)?,
        host_port: number("ports.hostPort", message.host_port)?,
        host_ip,
        protocol: enums::from_protocol("ports.protocol", message.protocol)?,
    })
}
