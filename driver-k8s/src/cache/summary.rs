//! What is kept of a pod.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use runtime_core::{ContainerPhase, ContainerSummary, PodPhase, PodSummary, marks};

use crate::id::PodKey;

/// `None` for what is no pod of a server: they all have a name and a uid.
pub(super) fn pod_summary(pod: &Pod) -> Option<PodSummary> {
    let metadata = &pod.metadata;
    let key = PodKey {
        namespace: metadata.namespace.clone()?,
        name: metadata.name.clone()?,
        uid: metadata.uid.clone()?,
    };
    let phase = match pod.status.as_ref()?.phase.as_deref() {
        Some("Pending") => PodPhase::Pending,
        Some("Running") => PodPhase::Running,
        Some("Succeeded") => PodPhase::Succeeded,
        Some("Failed") => PodPhase::Failed,
        _ => PodPhase::Unknown,
    };
    let mut summary = PodSummary::new(key.id(), key.name, key.namespace, phase);
    let visible = |map: &Option<BTreeMap<String, String>>| marks::visible(map.clone().unwrap_or_default());
    (summary.labels, summary.annotations) = (visible(&metadata.labels), visible(&metadata.annotations));
    Some(summary)
}

pub(super) fn container_summaries(pod: &Pod) -> Vec<ContainerSummary> {
    let Some(id) = pod_summary(pod).map(|summary| summary.id) else { return Vec::new() };
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let summary = |status: &ContainerStatus| {
        let state = status.state.clone().unwrap_or_default();
        let phase = match (state.running, state.terminated) {
            (Some(_), _) => ContainerPhase::Running,
            (_, Some(_)) => ContainerPhase::Exited,
            _ => ContainerPhase::Created,
        };
        let id_of = format!("{id}/{}", status.name);
        let mut summary = ContainerSummary::new(id_of.into(), &status.name, phase);
        summary.pod = Some(id.clone());
        summary
    };
    statuses.map(summary).collect()
}
