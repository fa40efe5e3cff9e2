//! What only Windows pods and containers have.

use k8s_cri::v1 as cri;
use runtime_core::{
    Result,
    spec::{
        Bytes, WindowsContainerOptions, WindowsCpuAffinity, WindowsPodOptions, WindowsResources,
        WindowsSecurity,
    },
};

use super::{
    enums,
    resources::{amount, signed},
    said,
};

pub(super) fn pod_to_cri(options: &WindowsPodOptions) -> cri::WindowsPodSandboxConfig {
    let security = options.security.clone();
    cri::WindowsPodSandboxConfig {
        security_context: Some(cri::WindowsSandboxSecurityContext {
            run_as_username: security.run_as_username.unwrap_or_default(),
            credential_spec: security.credential_spec.unwrap_or_default(),
            host_process: security.host_process,
            namespace_options: options
                .network
                .map(|mode| cri::WindowsNamespaceOption { network: enums::to_namespace(mode) }),
        }),
    }
}

pub(super) fn pod_from_cri(message: cri::WindowsPodSandboxConfig) -> Result<WindowsPodOptions> {
    let security = message.security_context.unwrap_or_default();
    let mut options = WindowsPodOptions::default();
    options.network = security
        .namespace_options
        .map(|namespaces| enums::from_namespace("windows.network", namespaces.network))
        .transpose()?;
    options.security = WindowsSecurity {
        run_as_username: said(security.run_as_username),
        credential_spec: said(security.credential_spec),
        host_process: security.host_process,
    };
    Ok(options)
}

pub(super) fn container_to_cri(options: &WindowsContainerOptions) -> Result<cri::WindowsContainerConfig> {
    let WindowsContainerOptions { security, resources, .. } = options.clone();
    Ok(cri::WindowsContainerConfig {
        resources: Some(resources_to_cri(resources)?),
        security_context: Some(cri::WindowsContainerSecurityContext {
            run_as_username: security.run_as_username.unwrap_or_default(),
            credential_spec: security.credential_spec.unwrap_or_default(),
            host_process: security.host_process,
        }),
    })
}

pub(super) fn container_from_cri(message: cri::WindowsContainerConfig) -> Result<WindowsContainerOptions> {
    let security = message.security_context.unwrap_or_default();
    let mut options = WindowsContainerOptions::default();
    options.resources = resources_from_cri(message.resources.unwrap_or_default())?;
    options.security = WindowsSecurity {
        run_as_username: said(security.run_as_username),
        credential_spec: said(security.credential_spec),
        host_process: security.host_process,
    };
    Ok(options)
}

fn resources_to_cri(resources: WindowsResources) -> Result<cri::WindowsContainerResources> {
    let bytes = |field, amount: Option<Bytes>| signed(field, amount.unwrap_or_default().0);
    Ok(cri::WindowsContainerResources {
        cpu_shares: signed("windows.resources.cpuShares", resources.cpu_shares.unwrap_or_default())?,
        cpu_count: signed("windows.resources.cpuCount", resources.cpu_count.unwrap_or_default())?,
        cpu_maximum: signed("windows.resources.cpuMaximum", resources.cpu_maximum.unwrap_or_default())?,
        memory_limit_in_bytes: bytes("windows.resources.memoryLimit", resources.memory_limit)?,
        rootfs_size_in_bytes: bytes("windows.resources.rootfsSize", resources.rootfs_size)?,
        affinity_cpus: resources
            .affinity_cpus
            .into_iter()
            .map(|cpus| cri::WindowsCpuGroupAffinity { cpu_mask: cpus.mask, cpu_group: cpus.group })
            .collect(),
    })
}

fn resources_from_cri(message: cri::WindowsContainerResources) -> Result<WindowsResources> {
    Ok(WindowsResources {
        cpu_shares: amount("windows.resources.cpuShares", message.cpu_shares)?,
        cpu_count: amount("windows.resources.cpuCount", message.cpu_count)?,
        cpu_maximum: amount("windows.resources.cpuMaximum", message.cpu_maximum)?,
        memory_limit: amount("windows.resources.memoryLimit", message.memory_limit_in_bytes)?.map(Bytes),
        rootfs_size: amount("windows.resources.rootfsSize", message.rootfs_size_in_bytes)?.map(Bytes),
        affinity_cpus: message
            .affinity_cpus
            .into_iter()
            .map(|cpus| WindowsCpuAffinity { mask: cpus.cpu_mask, group: cpus.cpu_group })
            .collect(),
    })
}
