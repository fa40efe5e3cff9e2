//! Resources.

use k8s_cri::v1 as cri;
use runtime_core::{
    Error, Result,
    spec::{Bytes, CpuQuota, HugepageLimit, LinuxResources, Micros, Resources, SwapLimit},
};

use super::said;

pub(super) fn to_cri(resources: &Resources) -> Result<cri::LinuxContainerResources> {
    let linux = resources.to_linux();
    let cpu_quota = match linux.cpu_quota {
        None => 0,
        Some(CpuQuota::Unlimited) => -1,
        Some(CpuQuota::Micros(quota)) => signed("linux.cpuQuota", quota)?,
    };
    let memory_swap_limit_in_bytes = match linux.memory_swap_limit {
        None => 0,
        Some(SwapLimit::Unlimited) => -1,
        Some(SwapLimit::Bytes(limit)) => signed("linux.memorySwapLimit", limit)?,
    };
    Ok(cri::LinuxContainerResources {
        cpu_period: signed("linux.cpuPeriod", linux.cpu_period.unwrap_or_default().0)?,
        cpu_quota,
        cpu_shares: signed("linux.cpuShares", linux.cpu_shares.unwrap_or_default())?,
        memory_limit_in_bytes: signed("linux.memoryLimit", linux.memory_limit.unwrap_or_default().0)?,
        oom_score_adj: linux.oom_score_adj.unwrap_or_default().into(),
        cpuset_cpus: linux.cpuset_cpus.unwrap_or_default(),
        cpuset_mems: linux.cpuset_mems.unwrap_or_default(),
        hugepage_limits: linux
            .hugepage_limits
            .into_iter()
            .map(|limit| cri::HugepageLimit { page_size: limit.page_size, limit: limit.limit.0 })
            .collect(),
        unified: linux.unified.into_iter().collect(),
        memory_swap_limit_in_bytes,
    })
}

/// What to send to change some resources of a container that has others now.
///
/// Runtimes leave alone what is zero or empty, except that containerd sets the limit of memory and swap to that of memory
/// whenever this one is changed. So where they differ, the former is said again.
///
/// # Errors
/// `InvalidArgument` names a number that is out of range.
pub(crate) fn update_of(
    resources: &Resources,
    before: &cri::LinuxContainerResources,
) -> Result<cri::LinuxContainerResources> {
    let mut change = to_cri(resources)?;
    let has_own_swap = before.memory_swap_limit_in_bytes != before.memory_limit_in_bytes;
    if change.memory_limit_in_bytes != 0 && change.memory_swap_limit_in_bytes == 0 && has_own_swap {
        change.memory_swap_limit_in_bytes = before.memory_swap_limit_in_bytes;
    }
    Ok(change)
}

/// The resources of a CRI message, in the kernel's terms.
///
/// # Errors
/// `InvalidArgument` names a number that is out of range.
pub fn linux_resources(message: cri::LinuxContainerResources) -> Result<LinuxResources> {
    let mut linux = LinuxResources::default();
    linux.cpu_period = amount("linux.cpuPeriod", message.cpu_period)?.map(Micros);
    linux.cpu_quota = match message.cpu_quota {
        -1 => Some(CpuQuota::Unlimited),
        quota => amount("linux.cpuQuota", quota)?.map(CpuQuota::Micros),
    };
    linux.cpu_shares = amount("linux.cpuShares", message.cpu_shares)?;
    linux.memory_limit = amount("linux.memoryLimit", message.memory_limit_in_bytes)?.map(Bytes);
    linux.memory_swap_limit = match message.memory_swap_limit_in_bytes {
        -1 => Some(SwapLimit::Unlimited),
        limit => amount("linux.memorySwapLimit", limit)?.map(SwapLimit::Bytes),
    };
    let score = i16::try_from(message.oom_score_adj)
        .map_err(|_| Error::invalid("linux.oomScoreAdj", "is not between -1000 and 1000"))?;
    linux.oom_score_adj = (score != 0).then_some(score);
    linux.cpuset_cpus = said(message.cpuset_cpus);
    linux.cpuset_mems = said(message.cpuset_mems);
    linux.hugepage_limits = message
        .hugepage_limits
        .into_iter()
        .map(|limit| HugepageLimit { page_size: limit.page_size, limit: Bytes(limit.limit) })
        .collect();
    linux.unified = message.unified.into_iter().collect();
    Ok(linux)
}

pub(super) fn from_cri(message: cri::LinuxContainerResources) -> Result<Resources> {
    let mut resources = Resources::default();
    resources.linux = linux_resources(message)?;
    Ok(resources)
}

pub(super) fn signed(field: &str, amount: u64) -> Result<i64> {
    i64::try_from(amount).map_err(|_| Error::invalid(field, format!("is more than {}", i64::MAX)))
}

/// An amount, of which zero means that nothing is said.
pub(super) fn amount(field: &str, amount: i64) -> Result<Option<u64>> {
    let amount = u64::try_from(amount).map_err(|_| Error::invalid(field, format!("{amount} is negative")))?;
    Ok((amount != 0).then_some(amount))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_says_only_what_is_set_and_keeps_a_swap_limit_of_its_own() {
        let resources = Resources::default().with_memory_limit(Bytes(100));
        let only = cri::LinuxContainerResources { memory_limit_in_bytes: 100, ..Default::default() };
        let of = |memory, swap| cri::LinuxContainerResources {
            memory_limit_in_bytes: memory,
            memory_swap_limit_in_bytes: swap,
            cpu_shares: 7,
            ..Default::default()
        };
        for (before, swap) in [(of(0, 0), 0), (of(50, 50), 0), (of(50, 80), 80), (of(50, -1), -1)] {
            let expected = cri::LinuxContainerResources { memory_swap_limit_in_bytes: swap, ..only.clone() };
            assert_eq!(update_of(&resources, &before).unwrap(), expected);
        }
        assert_eq!(update_of(&Resources::default(), &of(50, 80)).unwrap(), Default::default());
    }
}
