//! List filters, as containerd applies them.

use std::collections::HashMap;

use k8s_cri::v1::{Container, ContainerFilter, PodSandbox, PodSandboxFilter};

use super::ids;

/// Keeps the sandboxes that the filter wants. A prefix of an id counts where it fits one of them only.
pub(super) fn sandboxes(mut all: Vec<PodSandbox>, filter: Option<&PodSandboxFilter>) -> Vec<PodSandbox> {
    let Some(filter) = filter else { return all };
    if !filter.id.is_empty() {
        let wanted = ids::find(all.iter().map(|sandbox| sandbox.id.as_str()), &filter.id).owned();
        all.retain(|sandbox| Some(&sandbox.id) == wanted.as_ref());
    }
    all.retain(|sandbox| {
        filter.state.is_none_or(|wanted| wanted.state == sandbox.state)
            && selects(&filter.label_selector, &sandbox.labels)
    });
    all
}

/// Keeps the containers that the filter wants; `sandbox_ids` are what a sandbox prefix is looked up in.
pub(super) fn containers<'a>(
    mut all: Vec<Container>,
    sandbox_ids: impl Iterator<Item = &'a str>,
    filter: Option<&ContainerFilter>,
) -> Vec<Container> {
    let Some(filter) = filter else { return all };
    if !filter.id.is_empty() {
        let wanted = ids::find(all.iter().map(|container| container.id.as_str()), &filter.id).owned();
        all.retain(|container| Some(&container.id) == wanted.as_ref());
    }
    if !filter.pod_sandbox_id.is_empty() {
        let wanted = ids::find(sandbox_ids, &filter.pod_sandbox_id).owned();
        all.retain(|container| Some(&container.pod_sandbox_id) == wanted.as_ref());
    }
    all.retain(|container| {
        filter.state.is_none_or(|wanted| wanted.state == container.state)
            && selects(&filter.label_selector, &container.labels)
    });
    all
}

/// Whether every pair of the selector is among the labels.
pub(super) fn selects(selector: &HashMap<String, String>, labels: &HashMap<String, String>) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}
