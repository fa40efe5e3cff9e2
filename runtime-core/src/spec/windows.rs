//! What only Windows pods and containers have, as CRI carries it.

use serde::{Deserialize, Serialize};

use super::{Bytes, NamespaceMode};

/// Options of a Windows pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct WindowsPodOptions {
    /// Who it runs as.
    pub security: WindowsSecurity,
    /// With whom the network is shared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NamespaceMode>,
}

/// Options of a Windows container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct WindowsContainerOptions {
    /// Who it runs as.
    pub security: WindowsSecurity,
    /// What it may use.
    pub resources: WindowsResources,
}

/// Who a Windows pod or container runs as.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WindowsSecurity {
    /// User name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_username: Option<String>,
    /// Group managed service account, as its credential spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential_spec: Option<String>,
    /// Runs on the host itself.
    pub host_process: bool,
}

/// Resources of a Windows container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WindowsResources {
    /// Relative weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_shares: Option<u64>,
    /// Processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_count: Option<u64>,
    /// Ten-thousandths of all processor time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_maximum: Option<u64>,
    /// The most memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<Bytes>,
    /// The size of the root file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rootfs_size: Option<Bytes>,
    /// Processors it may run on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub affinity_cpus: Vec<WindowsCpuAffinity>,
}

/// Processors of one group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WindowsCpuAffinity {
    /// One bit a processor.
    pub mask: u64,
    /// The group.
    pub group: u32,
}
