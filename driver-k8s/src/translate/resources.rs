//! Resources.
//!
//! Processors and memory are Kubernetes' own terms, exactly both ways: thousandths of a processor, and bytes. Of the kernel's
//! terms a limit of memory is one of those. The others have no place in a pod: shares and quotas are made by the kubelet, which rounds,
//! and over a period of its own.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{ResourceClaim, ResourceRequirements},
    apimachinery::pkg::api::resource::Quantity as Text,
};
use runtime_core::{
    Error, Result,
    helpers::quantity::Quantity,
    spec::{Bytes, LinuxResources, MilliCpu, ResourceAmounts, Resources},
};

use super::{refuse, said};

/// What Kubernetes has beside processors and memory.
#[derive(Debug, Default)]
pub(super) struct Others {
    pub(super) requests: BTreeMap<String, Text>,
    pub(super) limits: BTreeMap<String, Text>,
    pub(super) claims: Vec<ResourceClaim>,
}

pub(super) fn to_k8s(resources: &Resources, others: Others) -> Result<Option<ResourceRequirements>> {
    let LinuxResources {
        cpu_period,
        cpu_quota,
        cpu_shares,
        memory_limit,
        memory_swap_limit,
        oom_score_adj,
        cpuset_cpus,
        cpuset_mems,
        hugepage_limits,
        unified,
        ..
    } = &resources.linux;
    refuse(&[
        ("linux.cpuPeriod", cpu_period.is_some()),
        ("linux.cpuQuota", cpu_quota.is_some()),
        ("linux.cpuShares", cpu_shares.is_some()),
        ("linux.memorySwapLimit", memory_swap_limit.is_some()),
        ("linux.oomScoreAdj", oom_score_adj.is_some()),
        ("linux.cpusetCpus", cpuset_cpus.is_some()),
        ("linux.cpusetMems", cpuset_mems.is_some()),
        ("linux.hugepageLimits", !hugepage_limits.is_empty()),
        ("linux.unified", !unified.is_empty()),
    ])?;
    let limits = ResourceAmounts { memory: memory_limit.or(resources.limits.memory), ..resources.limits };
    let Others { requests: mut all_requests, limits: mut all_limits, claims } = others;
    all_requests.extend(amounts("requests", resources.requests)?);
    all_limits.extend(amounts("limits", limits)?);
    let made =
        ResourceRequirements { claims: said(claims), limits: said(all_limits), requests: said(all_requests) };
    Ok((made != ResourceRequirements::default()).then_some(made))
}

pub(super) fn from_k8s(message: Option<ResourceRequirements>) -> Result<(Resources, Others)> {
    let ResourceRequirements { claims, limits, requests } = message.unwrap_or_default();
    let mut others = Others {
        requests: requests.unwrap_or_default(),
        limits: limits.unwrap_or_default(),
        claims: claims.unwrap_or_default(),
    };
    let mut resources = Resources::default();
    resources.requests = take("requests", &mut others.requests)?;
    resources.limits = take("limits", &mut others.limits)?;
    Ok((resources, others))
}

/// An amount of bytes as Kubernetes writes it.
pub(super) fn bytes(field: &str, amount: Bytes) -> Result<Text> {
    let quantity = Quantity::from_bytes(amount.0).map_err(|error| Error::invalid(field, error))?;
    Ok(Text(quantity.to_string()))
}

/// Reads an amount of bytes.
pub(super) fn from_bytes(field: &str, text: &Text) -> Result<Bytes> {
    let read = text.0.parse::<Quantity>().and_then(|quantity| quantity.to_bytes());
    read.map(Bytes).map_err(|error| Error::invalid(field, error))
}

fn amounts(field: &str, amounts: ResourceAmounts) -> Result<BTreeMap<String, Text>> {
    let mut map = BTreeMap::new();
    if let Some(cpu) = amounts.cpu {
        let field = format!("{field}.cpu");
        let milli =
            i64::try_from(cpu.0).map_err(|_| Error::invalid(&field, "is more than can be counted"))?;
        map.insert("cpu".to_owned(), Text(Quantity::from_milli(milli).to_string()));
    }
    if let Some(memory) = amounts.memory {
        map.insert("memory".to_owned(), bytes(&format!("{field}.memory"), memory)?);
    }
    Ok(map)
}

fn take(field: &str, map: &mut BTreeMap<String, Text>) -> Result<ResourceAmounts> {
    let cpu = map.remove("cpu").map(|text| {
        let read = text.0.parse::<Quantity>().and_then(|quantity| quantity.to_milli());
        read.map(MilliCpu).map_err(|error| Error::invalid(format!("{field}.cpu"), error))
    });
    let memory = map.remove("memory").map(|text| from_bytes(&format!("{field}.memory"), &text));
    Ok(ResourceAmounts { cpu: cpu.transpose()?, memory: memory.transpose()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_both_ways() {
        let mut resources = Resources::default()
            .with_cpu_request(MilliCpu(250))
            .with_cpu_limit(MilliCpu(1500))
            .with_memory_limit(Bytes(100_000_001));
        resources.requests.memory = Some(Bytes::mib(64));
        let made = to_k8s(&resources, Others::default()).unwrap().unwrap();
        let text = |map: &Option<BTreeMap<String, Text>>, name| map.as_ref().unwrap()[name].0.clone();
        assert_eq!(text(&made.requests, "cpu"), "250m");
        assert_eq!(text(&made.requests, "memory"), "64Mi");
        assert_eq!(text(&made.limits, "cpu"), "1500m");
        assert_eq!(text(&made.limits, "memory"), "100000001");
        assert_eq!(from_k8s(Some(made)).unwrap().0, resources);
        assert_eq!(to_k8s(&Resources::default(), Others::default()).unwrap(), None);
    }

    #[test]
    fn amounts_that_are_none_are_named() {
        let limits = BTreeMap::from([("memory".to_owned(), Text("64MiB".to_owned()))]);
        let message = ResourceRequirements { limits: Some(limits), ..Default::default() };
        assert_eq!(from_k8s(Some(message)).unwrap_err().field(), Some("limits.memory"));
    }

    #[test]
    fn the_kernels_terms_have_no_place_but_the_limit_of_memory() {
        let mut resources = Resources::default();
        resources.linux.memory_limit = Some(Bytes::mib(1));
        let made = to_k8s(&resources, Others::default()).unwrap().unwrap();
        assert_eq!(made.limits.unwrap()["memory"].0, "1Mi");
        resources.linux.cpu_shares = Some(512);
        let error = to_k8s(&resources, Others::default()).unwrap_err();
        assert!(error.message().contains("linux.cpuShares"), "{error}");
    }
}
