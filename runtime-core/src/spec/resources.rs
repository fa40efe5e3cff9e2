//! Resources, with their units in their types.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Bytes, Micros, MilliCpu};

/// What a container shall get and may use, in Kubernetes' terms; `linux` says it in the kernel's.
///
/// Where both say something, the kernel's terms win: they are the exact ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Resources {
    /// What it shall get.
    #[serde(default)]
    pub requests: ResourceAmounts,
    /// What it may use at most.
    #[serde(default)]
    pub limits: ResourceAmounts,
    /// The same in terms of Linux cgroups.
    #[serde(default)]
    pub linux: LinuxResources,
}

/// Amounts of the two resources that every system knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceAmounts {
    /// Processor time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<MilliCpu>,
    /// Memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
}

/// Resources in terms of Linux cgroups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct LinuxResources {
    /// The period of the CFS scheduler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_period: Option<Micros>,
    /// Processor time in each period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<CpuQuota>,
    /// The relative weight; 1024 is one processor's worth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_shares: Option<u64>,
    /// The most memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<Bytes>,
    /// The most memory and swap together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_swap_limit: Option<SwapLimit>,
    /// From -1000 (never killed for memory) to 1000 (killed first).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i16>,
    /// Processors it may run on, such as `0-2,7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpuset_cpus: Option<String>,
    /// Memory nodes it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpuset_mems: Option<String>,
    /// Huge pages, by page size.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hugepage_limits: Vec<HugepageLimit>,
    /// Files of cgroup v2 and what to write into them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unified: BTreeMap<String, String>,
}

/// Processor time in each period of the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CpuQuota {
    /// No limit.
    Unlimited,
    /// This much.
    Micros(u64),
}

/// A limit of memory and swap together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SwapLimit {
    /// No limit.
    Unlimited,
    /// This much.
    Bytes(u64),
}

/// A limit of huge pages of one size.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HugepageLimit {
    /// The page size as the kernel writes it: `2MB`, `1GB`.
    pub page_size: String,
    /// The most memory in such pages.
    pub limit: Bytes,
}

impl Resources {
    /// Limits the memory.
    #[must_use]
    pub fn with_memory_limit(mut self, limit: Bytes) -> Self {
        self.limits.memory = Some(limit);
        self
    }

    /// Limits the processor time.
    #[must_use]
    pub fn with_cpu_limit(mut self, limit: MilliCpu) -> Self {
        self.limits.cpu = Some(limit);
        self
    }

    /// Asks for processor time.
    #[must_use]
    pub fn with_cpu_request(mut self, request: MilliCpu) -> Self {
        self.requests.cpu = Some(request);
        self
    }

    /// All of it in the kernel's terms, as the kubelet translates: shares from the request (else the limit), at least
    /// 2; quota from the limit over a period of 100 ms, at least 1 ms; memory from the limit.
    #[must_use]
    pub fn to_linux(&self) -> LinuxResources {
        const PERIOD: u64 = 100_000;
        const MIN_QUOTA: u64 = 1_000;
        const MIN_SHARES: u64 = 2;
        const MAX_SHARES: u64 = 262_144;
        let mut linux = self.linux.clone();
        let share = self.requests.cpu.or(self.limits.cpu);
        linux.cpu_shares = linux
            .cpu_shares
            .or_else(|| share.map(|cpu| (cpu.0.saturating_mul(1024) / 1000).clamp(MIN_SHARES, MAX_SHARES)));
        if linux.cpu_quota.is_none()
            && let Some(limit) = self.limits.cpu.filter(|limit| limit.0 > 0)
        {
            let period = linux.cpu_period.get_or_insert(Micros(PERIOD)).0;
            let quota = (u128::from(limit.0) * u128::from(period) / 1000).max(u128::from(MIN_QUOTA));
            linux.cpu_quota = Some(CpuQuota::Micros(u64::try_from(quota).unwrap_or(u64::MAX)));
        }
        linux.memory_limit = linux.memory_limit.or(self.limits.memory);
        linux
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn translates_as_the_kubelet_does() {
        let resources = Resources::default()
            .with_cpu_request(MilliCpu(250))
            .with_cpu_limit(MilliCpu(1500))
            .with_memory_limit(Bytes::mib(64));
        let linux = resources.to_linux();
        assert_eq!(linux.cpu_shares, Some(256));
        assert_eq!(linux.cpu_quota, Some(CpuQuota::Micros(150_000)));
        assert_eq!(linux.cpu_period, Some(Micros(100_000)));
        assert_eq!(linux.memory_limit, Some(Bytes(64 << 20)));
        assert_eq!(Resources::default().to_linux(), LinuxResources::default());
    }

    #[test]
    fn the_kernels_terms_win_and_minimums_hold() {
        let mut resources = Resources::default().with_cpu_limit(MilliCpu(1));
        assert_eq!(resources.to_linux().cpu_shares, Some(2));
        assert_eq!(resources.to_linux().cpu_quota, Some(CpuQuota::Micros(1_000)));
        resources.linux.cpu_shares = Some(7);
        resources.linux.cpu_quota = Some(CpuQuota::Unlimited);
        assert_eq!(resources.to_linux().cpu_shares, Some(7));
        assert_eq!(resources.to_linux().cpu_quota, Some(CpuQuota::Unlimited));
    }
}
