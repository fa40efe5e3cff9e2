//! From what a Kubernetes pod reports to wharf's status types. Containers are found by name, never by their place in a list.

use std::net::IpAddr;

use jiff::Timestamp;
use k8s_openapi::{api::core::v1 as k8s, apimachinery::pkg::apis::meta::v1::Time};
use runtime_core::{
    ContainerPhase, ContainerStatus, ContainerSummary, ExitCause, ExitStatus, ImageId, PodPhase, PodStatus,
    PodSummary, marks::visible,
};

use super::{
    failure::reasons,
    kept::{Kept, is_stopped},
    resources,
};
use crate::id::PodKey;

/// The names by which a pod is asked for.
pub(crate) fn key(pod: &k8s::Pod) -> PodKey {
    let metadata = &pod.metadata;
    PodKey {
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
        uid: metadata.uid.clone().unwrap_or_default(),
    }
}

pub(crate) fn pod_phase(pod: &k8s::Pod) -> PodPhase {
    match system_phase(pod) {
        // That is how a pod ends that was stopped, whatever its containers made of it.
        _ if is_over(pod) && is_stopped(pod) => PodPhase::Stopped,
        // Kubernetes itself will say so after a while.
        _ if will_never_run(pod) => PodPhase::Failed,
        "" | "Pending" => PodPhase::Pending,
        "Running" => PodPhase::Running,
        "Succeeded" => PodPhase::Succeeded,
        "Failed" => PodPhase::Failed,
        _ => PodPhase::Unknown,
    }
}

/// Whether a pod has ended, or will never run.
pub(crate) fn is_over(pod: &k8s::Pod) -> bool {
    matches!(system_phase(pod), "Succeeded" | "Failed") || will_never_run(pod)
}

/// Whether a pod is being deleted that no node has taken: none will any more.
fn will_never_run(pod: &k8s::Pod) -> bool {
    let has_node = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    pod.metadata.deletion_timestamp.is_some() && !has_node && matches!(system_phase(pod), "" | "Pending")
}

/// The phase in Kubernetes' own word; empty before there is one.
pub(super) fn system_phase(pod: &k8s::Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

pub(crate) fn pod_summary(pod: &k8s::Pod) -> PodSummary {
    let key = key(pod);
    let kept = Kept::of(pod);
    let mut summary = PodSummary::new(key.id(), key.name, key.namespace, pod_phase(pod));
    summary.attempt = kept.as_ref().map(|kept| kept.attempt);
    summary.uid = Some(kept.and_then(|kept| kept.uid).unwrap_or(key.uid));
    summary.created_at = time(pod.metadata.creation_timestamp.as_ref());
    summary.labels = visible(pod.metadata.labels.clone().unwrap_or_default());
    summary.annotations = visible(pod.metadata.annotations.clone().unwrap_or_default());
    summary
}

pub(crate) fn pod_status(pod: &k8s::Pod) -> PodStatus {
    let mut status = PodStatus::new(pod_summary(pod), system_phase(pod));
    let reported = pod.status.clone().unwrap_or_default();
    (status.reason, status.message) = (reported.reason, reported.message);
    if status.reason.is_none()
        && let Some(condition) = reasons::pod_condition(pod)
    {
        status.reason.clone_from(&condition.reason);
        status.message.clone_from(&condition.message);
    }
    let on_host = pod.spec.as_ref().and_then(|spec| spec.host_network).unwrap_or_default();
    if !on_host {
        let all = reported.pod_ips.unwrap_or_default().into_iter().map(|ip| ip.ip);
        let addresses = reported.pod_ip.into_iter().chain(all).filter_map(|ip| ip.parse::<IpAddr>().ok());
        for address in addresses {
            if !status.addresses.contains(&address) {
                status.addresses.push(address);
            }
        }
    }
    status.containers = container_summaries(pod);
    status
}

/// All containers of a pod, init containers first.
pub(crate) fn container_summaries(pod: &k8s::Pod) -> Vec<ContainerSummary> {
    let kept = Kept::of(pod);
    containers(pod).map(|container| container_summary(pod, container, kept.as_ref())).collect()
}

/// The container of this name; `None` if the pod has none.
pub(crate) fn container_status(pod: &k8s::Pod, name: &str) -> Option<ContainerStatus> {
    let container = containers(pod).find(|container| container.name == name)?;
    let summary = container_summary(pod, container, Kept::of(pod).as_ref());
    let reported = reported(pod, name);
    let state = reported.and_then(|reported| reported.state.as_ref());
    let waiting = state.and_then(|state| state.waiting.as_ref());
    let terminated = ended(pod, name);
    let running = state.and_then(|state| state.running.as_ref());
    let word = match (waiting, running, terminated) {
        (Some(_), _, _) => "Waiting",
        (_, Some(_), _) => "Running",
        (_, _, Some(_)) => "Terminated",
        _ => "",
    };
    let mut status = ContainerStatus::new(summary, word);
    status.exit = exit(pod, name);
    status.started_at = match (running, terminated) {
        (Some(running), _) => time(running.started_at.as_ref()),
        (None, terminated) => terminated.and_then(|end| time(end.started_at.as_ref())),
    };
    let from_waiting = waiting.map(|waiting| (waiting.reason.clone(), waiting.message.clone()));
    let from_end = terminated.map(|end| (end.reason.clone(), end.message.clone()));
    (status.reason, status.message) = from_waiting.or(from_end).unwrap_or_default();
    status.ready = is_ready(pod, name);
    status.restart_count = reported.and_then(|reported| u32::try_from(reported.restart_count).ok());
    let in_force = reported.and_then(|reported| reported.resources.clone());
    status.resources =
        in_force.and_then(|message| resources::from_k8s(Some(message)).ok()).map(|(own, _)| own.to_linux());
    Some(status)
}

/// How a container ended; `None` while it hasn't, or if the pod has none of this name. One that waits to be started again
/// has ended.
pub(crate) fn exit(pod: &k8s::Pod, name: &str) -> Option<ExitStatus> {
    if container_phase(pod, name) != ContainerPhase::Exited {
        return None;
    }
    let pod_reason = pod.status.as_ref().and_then(|status| status.reason.as_deref());
    let of_pod = match pod_reason {
        Some(reasons::DEADLINE_EXCEEDED) if !is_stopped(pod) => Some(ExitCause::DeadlineExceeded),
        _ => None,
    };
    let Some(end) = ended(pod, name) else {
        // It never ran, and never will: its pod was evicted, stopped, or ran out of time.
        let was_taken_away = pod_reason.is_some() || is_stopped(pod) || will_never_run(pod);
        let otherwise = if was_taken_away { ExitCause::Removed } else { ExitCause::Unknown };
        return Some(ExitStatus::new(of_pod.unwrap_or(otherwise)));
    };
    let cause = match (end.reason.as_deref(), end.signal) {
        (Some(reasons::OOM_KILLED), _) => ExitCause::OomKilled,
        // The kubelet lost sight of it, and makes up a code.
        (Some(reasons::STATUS_UNKNOWN), _) => ExitCause::Unknown,
        // Who ended by itself in time was not ended.
        _ if end.exit_code != 0 && of_pod.is_some() => ExitCause::DeadlineExceeded,
        (_, Some(signal)) if signal != 0 => ExitCause::Signaled(signal),
        _ => ExitCause::Exited(end.exit_code),
    };
    Some(ExitStatus::new(cause).at(time(end.finished_at.as_ref())))
}

/// Whether a container takes part in the pod's work, as its probes say; `None` before the kubelet says anything.
pub(crate) fn is_ready(pod: &k8s::Pod, name: &str) -> Option<bool> {
    reported(pod, name).map(|reported| reported.ready)
}

pub(crate) fn container_phase(pod: &k8s::Pod, name: &str) -> ContainerPhase {
    let state = reported(pod, name).and_then(|reported| reported.state.as_ref());
    let has_ended = ended(pod, name).is_some();
    match (state, system_phase(pod)) {
        (Some(state), _) if state.running.is_some() => ContainerPhase::Running,
        _ if has_ended || is_over(pod) => ContainerPhase::Exited,
        (_, "Unknown") => ContainerPhase::Unknown,
        _ => ContainerPhase::Created,
    }
}

/// The end of a container that does not run: its last one, where it waits to be started again.
fn ended<'a>(pod: &'a k8s::Pod, name: &str) -> Option<&'a k8s::ContainerStateTerminated> {
    let reported = reported(pod, name)?;
    let state = reported.state.as_ref();
    if state.is_some_and(|state| state.running.is_some()) {
        return None;
    }
    let last = reported.last_state.as_ref().and_then(|last| last.terminated.as_ref());
    state.and_then(|state| state.terminated.as_ref()).or(last)
}

fn container_summary(pod: &k8s::Pod, container: &k8s::Container, kept: Option<&Kept>) -> ContainerSummary {
    let key = key(pod);
    let id = key.container(&container.name).id();
    let mut summary = ContainerSummary::new(id, &container.name, container_phase(pod, &container.name));
    summary.pod = Some(key.id());
    summary.image = container.image.clone().unwrap_or_default();
    let image_id = reported(pod, &container.name).map(|reported| reported.image_id.clone());
    summary.image_id = image_id.filter(|id| !id.is_empty()).map(ImageId::new);
    if let Some(kept) = kept {
        let kept = kept.containers.get(&container.name).cloned().unwrap_or_default();
        summary.attempt = Some(kept.attempt);
        summary.labels = kept.labels;
        summary.annotations = kept.annotations;
    }
    summary
}

/// The containers that the caller asked for, init containers first.
pub(super) fn containers(pod: &k8s::Pod) -> impl Iterator<Item = &k8s::Container> {
    let spec = pod.spec.as_ref();
    let init = spec.and_then(|spec| spec.init_containers.as_ref()).into_iter().flatten();
    init.chain(spec.into_iter().flat_map(|spec| &spec.containers))
        .filter(|container| container.name != super::TOOLBOX_NAME)
}

/// What the kubelet reports of a container or init container.
pub(super) fn reported<'a>(pod: &'a k8s::Pod, name: &str) -> Option<&'a k8s::ContainerStatus> {
    let status = pod.status.as_ref()?;
    let init = status.init_container_statuses.iter().flatten();
    init.chain(status.container_statuses.iter().flatten()).find(|container| container.name == name)
}

/// A time, of which 1970 means that it hasn't happened.
pub(super) fn time(time: Option<&Time>) -> Option<Timestamp> {
    time.map(|time| time.0).filter(|time| *time > Timestamp::UNIX_EPOCH)
}
