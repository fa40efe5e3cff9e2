//! What is kept of a pod's spec, for containers that are added to it later.

use runtime_core::spec::{DnsConfig, PodSecurity, PodSpec};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::Pod;

/// Kept with the engine's pod.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Kept {
    pub(super) security: PodSecurity,
    pub(super) dns: Option<DnsConfig>,
}

impl Kept {
    /// What is to be kept, as the engine keeps it.
    pub(super) fn of(spec: &PodSpec) -> Value {
        let kept = Self { security: spec.security.clone(), dns: spec.dns.clone() };
        serde_json::to_value(kept).unwrap_or_default()
    }

    /// What was kept; nothing for a pod that another has made.
    pub(super) fn in_pod(pod: &Pod) -> Self {
        Self::deserialize(&pod.launch.config).unwrap_or_default()
    }
}
