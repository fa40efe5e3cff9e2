//! From what the engine tells to statuses.

use runtime_core::{
    ContainerId, ContainerPhase, ContainerStatus, ContainerSummary, ExitCause, ExitStatus, ImageId,
    ImageStatus, PodId, PodPhase, PodStatus, PodSummary,
    compose::{ExistingContainer, ExistingPod},
    spec::{Bytes, LinuxResources},
};

use crate::engine::{Container, ContainerState, Exit, HOST_IMAGE, ImageRecord, Outcome, Pod};
use runtime_core::marks::visible;

/// A pod as lists show it.
pub(in super::super) fn pod_summary(pod: &Pod) -> PodSummary {
    let phase = if pod.is_ready() { PodPhase::Running } else { PodPhase::Stopped };
    let launch = &pod.launch;
    let mut summary = PodSummary::new(PodId::new(&pod.id), &launch.name, &launch.namespace, phase);
    summary.uid = Some(launch.uid.clone());
    summary.attempt = Some(launch.attempt);
    summary.created_at = Some(pod.created_at);
    summary.labels = visible(launch.labels.clone());
    summary.annotations = visible(launch.annotations.clone());
    summary
}

/// A pod with its containers. It is on the host's network, so it has no address.
pub(in super::super) fn pod_status(pod: &Pod, containers: impl Iterator<Item = Container>) -> PodStatus {
    let mut status = PodStatus::new(pod_summary(pod), if pod.is_ready() { "ready" } else { "stopped" });
    status.containers = containers.map(|container| container_summary(&container)).collect();
    status
}

/// A container as lists show it.
pub(in super::super) fn container_summary(container: &Container) -> ContainerSummary {
    let launch = &container.launch;
    let mut summary =
        ContainerSummary::new(ContainerId::new(&container.id), &launch.name, phase(&container.state));
    summary.pod = Some(PodId::new(&container.pod));
    summary.attempt = Some(launch.attempt);
    let named = launch.config.get("image").and_then(|image| image.as_str());
    summary.image = named.unwrap_or(&launch.image).to_owned();
    summary.image_id = Some(ImageId::new(&container.image.id));
    summary.created_at = Some(container.created_at);
    summary.labels = visible(launch.labels.clone());
    summary.annotations = visible(launch.annotations.clone());
    summary
}

fn phase(state: &ContainerState) -> ContainerPhase {
    match state {
        ContainerState::Created => ContainerPhase::Created,
        ContainerState::Running { .. } => ContainerPhase::Running,
        ContainerState::Exited(_) => ContainerPhase::Exited,
    }
}

/// A pod that has a name which is asked for.
pub(in super::super) fn existing_pod(pod: &Pod) -> ExistingPod {
    let launch = &pod.launch;
    ExistingPod::new(PodId::new(&pod.id), launch.attempt, pod.is_ready(), launch.annotations.clone())
}

/// A container of such a pod.
pub(in super::super) fn existing_container(container: &Container) -> ExistingContainer {
    let launch = &container.launch;
    let (id, phase) = (ContainerId::new(&container.id), phase(&container.state));
    ExistingContainer::new(id, &launch.name, launch.attempt, phase, launch.annotations.clone())
}

/// All that is known of a container.
pub(in super::super) fn container_status(container: &Container) -> ContainerStatus {
    let mut status = ContainerStatus::new(container_summary(container), container.state.name());
    match &container.state {
        ContainerState::Created => {}
        ContainerState::Running { started_at, .. } => status.started_at = Some(*started_at),
        ContainerState::Exited(end) => {
            status.started_at = end.started_at;
            status.exit = Some(exit(end));
            status.message = end.start_error.clone();
            status.reason = match end {
                Exit { start_error: Some(_), .. } => Some("StartError".to_owned()),
                Exit { oom_killed: true, .. } => Some("OOMKilled".to_owned()),
                _ => None,
            };
        }
    }
    status.log_path = container.launch.log_path.clone();
    let mut resources = LinuxResources::default();
    resources.memory_limit = container.launch.memory_limit_bytes.map(Bytes);
    status.resources = Some(resources);
    status
}

/// How a container ended.
pub(in super::super) fn exit(exit: &Exit) -> ExitStatus {
    let end = if exit.oom_killed { ExitStatus::new(ExitCause::OomKilled) } else { outcome(exit.outcome) };
    end.at(Some(exit.finished_at))
}

/// How a process ended.
pub(in super::super) fn outcome(outcome: Outcome) -> ExitStatus {
    ExitStatus::new(match outcome {
        Outcome::Code(code) => ExitCause::Exited(code),
        Outcome::Signal(signal) => ExitCause::Signaled(signal),
    })
}

/// An image. The built-in one can't be removed.
pub(in super::super) fn image_status(record: &ImageRecord) -> ImageStatus {
    let mut status = ImageStatus::new(ImageId::new(&record.id));
    status.tags = record.tags.clone();
    status.digests = record.digests.clone();
    status.size = Some(Bytes(record.size_bytes));
    status.user = record.config.user.clone();
    status.pinned = Some(record.tags.iter().any(|tag| tag == HOST_IMAGE));
    status
}
