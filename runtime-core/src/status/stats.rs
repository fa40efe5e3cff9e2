//! What pods and containers use.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ContainerId, FilesystemUsage, PodId,
    spec::{Bytes, Extensions},
};

/// What a container uses. What the system does not measure is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ContainerStats {
    /// Which container.
    pub id: ContainerId,
    /// Its name.
    pub name: String,
    /// The pod that it is in.
    pub pod: Option<PodId>,
    /// Processors.
    pub cpu: Option<CpuStats>,
    /// Memory.
    pub memory: Option<MemoryStats>,
    /// What it has written over its image.
    pub writable_layer: Option<FilesystemUsage>,
}

/// What a pod uses, its containers and what the pod itself costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PodStats {
    /// Which pod.
    pub id: PodId,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Processors.
    pub cpu: Option<CpuStats>,
    /// Memory.
    pub memory: Option<MemoryStats>,
    /// The network, one entry an interface; the default one first.
    pub network: Vec<InterfaceStats>,
    /// How many processes there are.
    pub processes: Option<u64>,
    /// Its containers that run.
    pub containers: Vec<ContainerStats>,
    /// What only this system measures, in a type of its driver's.
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

/// Use of processors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CpuStats {
    /// When that was measured.
    pub measured_at: Option<Timestamp>,
    /// Time on processors since the start, in nanoseconds.
    pub usage_nanos: Option<u64>,
    /// Use at that moment, in billionths of one processor.
    pub usage_nano_cores: Option<u64>,
}

/// Use of memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MemoryStats {
    /// When that was measured.
    pub measured_at: Option<Timestamp>,
    /// What can't be taken back without pain: what limits are compared with.
    pub working_set: Option<Bytes>,
    /// All, caches too.
    pub usage: Option<Bytes>,
    /// What is left until the limit.
    pub available: Option<Bytes>,
    /// Memory of the processes themselves.
    pub rss: Option<Bytes>,
    /// Page faults since the start.
    pub page_faults: Option<u64>,
    /// Those that had to read from a disk.
    pub major_page_faults: Option<u64>,
    /// What is on a disk instead.
    pub swap_usage: Option<Bytes>,
    /// What is left until the limit of that.
    pub swap_available: Option<Bytes>,
}

/// Use of a network interface, since its start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InterfaceStats {
    /// Its name in the pod.
    pub name: String,
    /// Bytes received.
    pub received: Option<Bytes>,
    /// Errors while receiving.
    pub receive_errors: Option<u64>,
    /// Bytes sent.
    pub sent: Option<Bytes>,
    /// Errors while sending.
    pub send_errors: Option<u64>,
}

impl ContainerStats {
    /// A container of which nothing is measured yet.
    #[must_use]
    pub fn new(id: ContainerId, name: impl Into<String>) -> Self {
        Self { id, name: name.into(), pod: None, cpu: None, memory: None, writable_layer: None }
    }
}

impl PodStats {
    /// A pod of which nothing is measured yet.
    #[must_use]
    pub fn new(id: PodId, name: impl Into<String>, namespace: impl Into<String>) -> Self {
        Self {
            id,
            name: name.into(),
            namespace: namespace.into(),
            cpu: None,
            memory: None,
            network: Vec::new(),
            processes: None,
            containers: Vec::new(),
            extensions: Extensions::default(),
        }
    }
}
