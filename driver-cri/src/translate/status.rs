//! From what CRI reports to wharf's status types.

use std::{net::IpAddr, path::PathBuf};

use jiff::Timestamp;
use k8s_cri::v1 as cri;
use runtime_core::{
    Condition, ContainerId, ContainerPhase, ContainerStatus, ContainerSummary, ExitCause, ExitStatus,
    FilesystemUsage, Health, ImageId, ImageStatus, PodId, PodPhase, PodStatus, PodSummary, marks::visible,
    spec::Bytes,
};

use super::{linux_resources, marks, said};

/// Containers have this reason when they went over their memory limit.
const OOM_KILLED: &str = "OOMKilled";

pub(crate) fn pod_phase(state: i32) -> PodPhase {
    match cri::PodSandboxState::try_from(state) {
        Ok(cri::PodSandboxState::SandboxReady) => PodPhase::Running,
        Ok(cri::PodSandboxState::SandboxNotready) => PodPhase::Stopped,
        Err(_) => PodPhase::Unknown,
    }
}

pub(crate) fn container_phase(state: i32) -> ContainerPhase {
    match cri::ContainerState::try_from(state) {
        Ok(cri::ContainerState::ContainerCreated) => ContainerPhase::Created,
        Ok(cri::ContainerState::ContainerRunning) => ContainerPhase::Running,
        Ok(cri::ContainerState::ContainerExited) => ContainerPhase::Exited,
        Ok(cri::ContainerState::ContainerUnknown) | Err(_) => ContainerPhase::Unknown,
    }
}

pub(crate) fn pod_summary(pod: cri::PodSandbox) -> PodSummary {
    let metadata = pod.metadata.unwrap_or_default();
    let mut summary =
        PodSummary::new(PodId::new(pod.id), metadata.name, metadata.namespace, pod_phase(pod.state));
    summary.uid = said(metadata.uid);
    summary.attempt = Some(metadata.attempt);
    summary.created_at = timestamp(pod.created_at);
    summary.labels = visible(pod.labels);
    summary.annotations = visible(pod.annotations);
    summary
}

pub(crate) fn pod_status(pod: cri::PodSandboxStatus, containers: Vec<cri::Container>) -> PodStatus {
    let system_state = cri::PodSandboxState::try_from(pod.state)
        .map_or_else(|_| pod.state.to_string(), |state| state.as_str_name().to_owned());
    let network = pod.network.unwrap_or_default();
    let addresses = std::iter::once(network.ip).chain(network.additional_ips.into_iter().map(|ip| ip.ip));
    let mut status = PodStatus::new(
        pod_summary(cri::PodSandbox {
            id: pod.id,
            metadata: pod.metadata,
            state: pod.state,
            created_at: pod.created_at,
            labels: pod.labels,
            annotations: pod.annotations,
            runtime_handler: pod.runtime_handler,
        }),
        system_state,
    );
    status.addresses = addresses.filter_map(|ip| ip.parse::<IpAddr>().ok()).collect();
    status.containers = containers.into_iter().map(container_summary).collect();
    status
}

pub(crate) fn container_summary(container: cri::Container) -> ContainerSummary {
    let metadata = container.metadata.unwrap_or_default();
    let mut summary = ContainerSummary::new(
        ContainerId::new(container.id),
        metadata.name,
        container_phase(container.state),
    );
    summary.pod = said(container.pod_sandbox_id).map(PodId::new);
    summary.attempt = Some(metadata.attempt);
    // The runtime says the first name that it knows the image by, which need not be the one that it was asked for.
    let named = container.annotations.get(marks::IMAGE).cloned();
    summary.image = named.unwrap_or_else(|| container.image.unwrap_or_default().image);
    summary.image_id = said(container.image_id).or(said(container.image_ref)).map(ImageId::new);
    summary.created_at = timestamp(container.created_at);
    summary.labels = visible(container.labels);
    summary.annotations = visible(container.annotations);
    summary
}

pub(crate) fn container_status(container: cri::ContainerStatus) -> ContainerStatus {
    let exit = exit(&container);
    let system_state = cri::ContainerState::try_from(container.state)
        .map_or_else(|_| container.state.to_string(), |state| state.as_str_name().to_owned());
    let mut status = ContainerStatus::new(
        container_summary(cri::Container {
            id: container.id,
            pod_sandbox_id: String::new(),
            metadata: container.metadata,
            image: container.image,
            image_ref: container.image_ref,
            state: container.state,
            created_at: container.created_at,
            labels: container.labels,
            annotations: container.annotations,
            image_id: container.image_id,
        }),
        system_state,
    );
    status.started_at = timestamp(container.started_at);
    status.exit = exit;
    status.reason = said(container.reason);
    status.message = said(container.message);
    status.log_path = said(container.log_path).map(PathBuf::from);
    let resources = container.resources.and_then(|resources| resources.linux);
    status.resources = resources.and_then(|linux| linux_resources(linux).ok());
    status
}

/// How a container ended; `None` while it hasn't. CRI reports signals as 128 + N, like a shell, so they can't be told from
/// codes.
pub(crate) fn exit(container: &cri::ContainerStatus) -> Option<ExitStatus> {
    if container_phase(container.state) != ContainerPhase::Exited {
        return None;
    }
    let cause = match container.reason.as_str() {
        OOM_KILLED => ExitCause::OomKilled,
        _ => ExitCause::Exited(container.exit_code),
    };
    Some(ExitStatus::new(cause).at(timestamp(container.finished_at)))
}

/// Whether a container that ended was perhaps killed over its memory limit although its reason doesn't say so (yet): it has
/// such a limit, and SIGKILL ended it.
pub(crate) fn may_be_oom(container: &cri::ContainerStatus) -> bool {
    let linux = container.resources.as_ref().and_then(|resources| resources.linux.as_ref());
    let limited = linux.is_some_and(|linux| linux.memory_limit_in_bytes > 0);
    limited && container.exit_code == 128 + 9 && container.reason != OOM_KILLED
}

pub(crate) fn image(image: cri::Image) -> ImageStatus {
    let mut status = ImageStatus::new(ImageId::new(image.id));
    status.tags = image.repo_tags;
    status.digests = image.repo_digests;
    status.size = (image.size != 0).then_some(Bytes(image.size));
    status.user = image.uid.map(|uid| uid.value.to_string()).or(said(image.username));
    status.pinned = Some(image.pinned);
    status
}

pub(crate) fn filesystem(filesystem: cri::FilesystemUsage) -> FilesystemUsage {
    let mut usage = FilesystemUsage::new(filesystem.fs_id.unwrap_or_default().mountpoint);
    usage.used = filesystem.used_bytes.map(|bytes| Bytes(bytes.value));
    usage.inodes_used = filesystem.inodes_used.map(|inodes| inodes.value);
    usage.measured_at = timestamp(filesystem.timestamp);
    usage
}

pub(crate) fn health(version: cri::VersionResponse, status: cri::StatusResponse) -> Health {
    let mut health = Health::new(version.runtime_name, version.runtime_version);
    health.protocol = said(version.runtime_api_version);
    let conditions = status.status.unwrap_or_default().conditions;
    health.conditions = conditions
        .into_iter()
        .map(|reported| {
            let mut condition = Condition::new(reported.r#type, reported.status);
            condition.reason = said(reported.reason);
            condition.message = said(reported.message);
            condition
        })
        .collect();
    health
}

/// Nanoseconds since 1970, of which none means that it hasn't happened.
pub(super) fn timestamp(nanoseconds: i64) -> Option<Timestamp> {
    if nanoseconds <= 0 {
        return None;
    }
    Timestamp::from_nanosecond(nanoseconds.into()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exited(code: i32, reason: &str) -> cri::ContainerStatus {
        let state = cri::ContainerState::ContainerExited.into();
        cri::ContainerStatus {
            state,
            exit_code: code,
            reason: reason.to_owned(),
            finished_at: 1_000_000_000,
            ..Default::default()
        }
    }

    #[test]
    fn a_kill_under_a_memory_limit_may_be_for_memory() {
        let limited = |code, reason| {
            let linux = cri::LinuxContainerResources { memory_limit_in_bytes: 1 << 26, ..Default::default() };
            let resources = cri::ContainerResources { linux: Some(linux), ..Default::default() };
            cri::ContainerStatus { resources: Some(resources), ..exited(code, reason) }
        };
        assert!(may_be_oom(&limited(137, "Error")));
        assert!(!may_be_oom(&limited(137, OOM_KILLED)));
        assert!(!may_be_oom(&limited(1, "Error")));
        assert!(!may_be_oom(&exited(137, "Error")));
    }

    #[test]
    fn an_end_has_its_cause() {
        for (code, reason, cause) in [
            (0, "Completed", ExitCause::Exited(0)),
            (3, "Error", ExitCause::Exited(3)),
            (143, "Error", ExitCause::Exited(143)),
            (137, "OOMKilled", ExitCause::OomKilled),
            (128, "StartError", ExitCause::Exited(128)),
        ] {
            let exit = exit(&exited(code, reason)).unwrap();
            assert_eq!(exit.cause, cause, "{reason}");
            assert_eq!(exit.finished_at, Some(Timestamp::from_second(1).unwrap()));
        }
        let running = cri::ContainerState::ContainerRunning.into();
        assert_eq!(exit(&cri::ContainerStatus { state: running, ..exited(0, "") }), None);
    }

    #[test]
    fn what_is_not_reported_is_none() {
        let status = container_status(cri::ContainerStatus::default());
        assert_eq!(status.summary.created_at, None);
        assert_eq!(status.started_at, None);
        assert_eq!(status.log_path, None);
        assert_eq!(status.exit, None);
        assert_eq!(pod_summary(cri::PodSandbox::default()).uid, None);
        assert_eq!(container_phase(77), ContainerPhase::Unknown);
        assert_eq!(pod_phase(77), PodPhase::Unknown);
    }
}
