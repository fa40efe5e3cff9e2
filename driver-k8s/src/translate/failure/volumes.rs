//! Pods whose volumes can't be had. Their status says nothing of it: what the node tries is in events alone.

use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod, Volume};
use runtime_core::{Error, ErrorKind};

use super::reasons::{Row, condition};

/// The reason of the events that tell of it.
pub(crate) const FAILED_MOUNT: &str = "FailedMount";

const MISSING: Row = Row {
    reason: FAILED_MOUNT,
    kind: ErrorKind::Failed,
    transient: false,
    message: "a volume of it can't be had",
    ran: false,
};

/// Whether a pod is on a node and may wait for volumes that have to be there before.
pub(crate) fn may_wait_for_volumes(pod: &Pod) -> bool {
    let (Some(spec), Some(status)) = (&pod.spec, &pod.status) else { return false };
    let mut reported = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    spec.node_name.as_deref().is_some_and(|node| !node.is_empty())
        && spec.volumes.iter().flatten().any(may_be_missing)
        // The sandbox comes after them. Nodes before 1.29 don't tell of it, but of the containers in it.
        && condition(pod, "PodReadyToStartContainers").is_none_or(|ready| ready.status != "True")
        && !reported.any(has_begun)
}

/// Whether what a volume shows may be missing for ever.
fn may_be_missing(volume: &Volume) -> bool {
    volume.config_map.is_some()
        || volume.secret.is_some()
        || volume.projected.is_some()
        || volume.host_path.is_some()
}

fn has_begun(reported: &ContainerStatus) -> bool {
    reported.restart_count > 0
        || reported.state.as_ref().is_some_and(|state| state.running.is_some() || state.terminated.is_some())
}

/// Why a pod's volumes can't be had, by what its node told, if that can't get better without another's help.
pub(crate) fn missing(pod: &Pod, events: &[Event]) -> Option<Error> {
    let uid = pod.metadata.uid.as_deref();
    let mut told = events.iter().filter(|event| {
        event.reason.as_deref() == Some(FAILED_MOUNT) && event.involved_object.uid.as_deref() == uid
    });
    let message = told.find_map(|event| event.message.as_deref().filter(|message| is_for_good(message)))?;
    Some(MISSING.error(pod, None, Some(message)))
}

/// Whether the node's words are some that it repeats for ever: `MountVolume.SetUp failed for volume "v" : configmap "none" not
/// found`. Nodes have no codes for them; what else they say, such as of a cache that is not filled yet, passes.
fn is_for_good(message: &str) -> bool {
    ["configmap \"", "secret \""].iter().any(|kind| is_not_found(message, kind))
        || message.contains("references non-existent")
        || message.contains("hostPath type check failed")
}

/// Whether an object, whose name begins after `kind`, is said not to be there.
fn is_not_found(message: &str, kind: &str) -> bool {
    let named = message.split_once(kind).and_then(|(_, rest)| rest.split_once('"'));
    named.is_some_and(|(_, told)| told.starts_with(" not found"))
}
