//! The reasons that Kubernetes gives, and what they mean.

use k8s_openapi::api::core::v1::{Pod, PodCondition};
use runtime_core::{
    ErrorKind as K,
    helpers::pull_failure::{PullFailure, by_words},
};

/// One reason for which a pod can't get where it should.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// Kubernetes' own word.
    pub(super) reason: &'static str,
    pub(super) kind: K,
    /// Whether it may be otherwise if the same pod is made again.
    pub(super) transient: bool,
    /// What happened, behind the name of the container if it is about one.
    pub(super) message: &'static str,
    /// Whether a container that ended for this reason ran before.
    pub(super) ran: bool,
}

const fn row(reason: &'static str, kind: K, transient: bool, message: &'static str) -> Row {
    Row { reason, kind, transient, message, ran: false }
}

pub(crate) const OOM_KILLED: &str = "OOMKilled";
pub(crate) const STATUS_UNKNOWN: &str = "ContainerStatusUnknown";
pub(crate) const DEADLINE_EXCEEDED: &str = "DeadlineExceeded";

/// Why a container waits that will wait for ever. Pulls are apart: their reason is in what the runtime said.
const WAITING: &[Row] = &[
    row("InvalidImageName", K::InvalidArgument, false, "has an invalid image name"),
    row("ErrImageNeverPull", K::NotFound, false, "must not pull its image, which is not there"),
    row("ImageInspectError", K::Failed, true, "has an image that can't be looked at"),
    row("RegistryUnavailable", K::Unavailable, true, "can't reach its image's registry"),
    row("SignatureValidationFailed", K::Failed, false, "has an image whose signature is not valid"),
    row("CreateContainerConfigError", K::Failed, false, "can't be configured"),
    row("CreateContainerError", K::Failed, false, "can't be made"),
    row("RunContainerError", K::Failed, false, "can't be started"),
    row("PreStartHookError", K::Failed, false, "failed before its start"),
    row("PostStartHookError", K::Failed, false, "failed right after its start"),
    row("CrashLoopBackOff", K::Failed, false, "ends again and again"),
];

/// Why a container ended, where the code alone doesn't say it.
const ENDS: &[Row] = &[
    row("StartError", K::Failed, false, "can't be started"),
    row("ContainerCannotRun", K::Failed, false, "can't be started"),
    Row { ran: true, ..row(OOM_KILLED, K::ResourceExhausted, false, "went over its memory limit") },
    row(STATUS_UNKNOWN, K::Unavailable, true, "was lost by its node"),
];

/// Why a whole pod ended, or was not let in by its node.
const PODS: &[Row] = &[
    row("Evicted", K::ResourceExhausted, true, "its node evicted it"),
    row(DEADLINE_EXCEEDED, K::DeadlineExceeded, false, "its active deadline passed"),
    row("Preempting", K::Unavailable, true, "another pod took its place"),
    row("Preempted", K::Unavailable, true, "another pod took its place"),
    row("NodeLost", K::Unavailable, true, "its node is gone"),
    row("NodeShutdown", K::Unavailable, true, "its node shuts down"),
    row("Shutdown", K::Unavailable, true, "its node shuts down"),
    row("Terminated", K::Unavailable, true, "its node shut down"),
    row("OutOfcpu", K::ResourceExhausted, true, "its node has no processors left"),
    row("OutOfmemory", K::ResourceExhausted, true, "its node has no memory left"),
    row("OutOfpods", K::ResourceExhausted, true, "its node has no room for another pod"),
    row("NodeAffinity", K::Failed, false, "its node is none that it may run on"),
    row("SysctlForbidden", K::PermissionDenied, false, "its node forbids a kernel parameter"),
    row("AppArmor", K::Failed, false, "its node has not its AppArmor profile"),
    row("UnexpectedAdmissionError", K::Failed, true, "its node did not let it in"),
];

/// Why a pod is being taken away, by its condition `DisruptionTarget`.
const DISRUPTIONS: &[Row] = &[
    row("PreemptionByScheduler", K::Unavailable, true, "another pod took its place"),
    row("DeletionByTaintManager", K::Unavailable, true, "its node is not fit for it any more"),
    row("DeletionByPodGC", K::Unavailable, true, "its node is gone"),
    row("EvictionByEvictionAPI", K::Unavailable, true, "it was evicted"),
    row("TerminationByKubelet", K::Unavailable, true, "its node ended it"),
];

/// A pull that failed; what the runtime said gives the kind.
pub(super) const PULL: Row = row("ErrImagePull", K::Failed, false, "can't pull its image");
/// An init container that did not end with 0.
pub(super) const INIT: Row =
    Row { ran: true, ..row("Error", K::Failed, false, "must end with code 0 before others start") };
/// A container that ended before it was ready.
pub(super) const CRASHED: Row =
    Row { ran: true, ..row("Error", K::Failed, false, "ended before it was ready") };
pub(super) const UNSCHEDULABLE: Row = row("Unschedulable", K::ResourceExhausted, true, "no node fits it");
pub(super) const DELETED: Row = row("Deleted", K::NotFound, false, "somebody deleted it");
/// The API server has not heard of the node for long.
pub(super) const UNKNOWN: Row = row("NodeLost", K::Unavailable, true, "its node does not report");
/// A reason that this table doesn't know.
pub(super) const OTHER: Row = row("Failed", K::Failed, false, "it failed");

/// What it means that a container waits.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It gets on.
    Wait,
    /// It doesn't, for this reason.
    Failed(&'static Row),
    /// Its image can't be pulled.
    Pull(PullFailure),
}

/// What it means that a container waits for this reason.
pub(super) fn of_waiting(reason: &str, message: &str) -> Verdict {
    if ["ErrImagePull", "ImagePullBackOff"].contains(&reason) {
        // The kubelet pulls a few images a second, and tells the others to wait. It has no other word for that.
        let throttled = message.contains("pull QPS exceeded");
        return if throttled { Verdict::Wait } else { Verdict::Pull(of_pull(message)) };
    }
    find(WAITING, reason).map_or(Verdict::Wait, Verdict::Failed)
}

/// Why a pull failed. The kubelet hands on what the runtime said, with its code where it had one:
/// `rpc error: code = NotFound desc = …`.
fn of_pull(message: &str) -> PullFailure {
    let code = message.split_once("rpc error: code = ").and_then(|(_, rest)| rest.split_whitespace().next());
    let coded = code.and_then(super::kind_of_code).map(|(kind, transient)| PullFailure {
        kind,
        transient,
        name: None,
    });
    let unknown = PullFailure { kind: PULL.kind, transient: PULL.transient, name: None };
    coded.or_else(|| by_words(message)).unwrap_or(unknown)
}

pub(super) fn of_end(reason: &str) -> Option<&'static Row> {
    find(ENDS, reason)
}

pub(super) fn of_pod(reason: &str) -> Option<&'static Row> {
    find(PODS, reason)
}

pub(super) fn of_disruption(reason: &str) -> Option<&'static Row> {
    find(DISRUPTIONS, reason)
}

fn find(table: &'static [Row], reason: &str) -> Option<&'static Row> {
    table.iter().find(|row| row.reason == reason)
}

/// The condition of a pod that fits no node.
pub(super) fn unschedulable(pod: &Pod) -> Option<&PodCondition> {
    let is_so = |condition: &&PodCondition| {
        condition.status == "False" && condition.reason.as_deref() == Some(UNSCHEDULABLE.reason)
    };
    condition(pod, "PodScheduled").filter(is_so)
}

/// The condition of a pod that is being taken away by the system.
pub(super) fn disruption(pod: &Pod) -> Option<&PodCondition> {
    condition(pod, "DisruptionTarget").filter(|condition| condition.status == "True")
}

/// The condition that says why a pod without a reason of its own is as it is.
pub(crate) fn pod_condition(pod: &Pod) -> Option<&PodCondition> {
    disruption(pod).or_else(|| unschedulable(pod))
}

/// The condition of this type.
pub(super) fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<&'a PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == kind)
}
