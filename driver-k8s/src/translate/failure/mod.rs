//! How far a pod is that somebody waits for, and why it can't get there.
//!
//! A pure function of what the pod reports and how long it has been there: asked again with each event, it never waits for
//! what can't come. Kubernetes itself goes on trying for ever.

pub(crate) mod reasons;
pub(crate) mod volumes;

use std::time::Duration;

use k8s_openapi::api::core::v1 as k8s;
use runtime_core::{Error, ErrorKind, Object, WaitFor};

use self::reasons::{Row, Verdict};
use super::status;

/// How far a pod is.
#[derive(Debug)]
pub(crate) enum Progress {
    /// What is waited for is reached.
    Reached,
    /// Not yet. It is looked at again when it changes, and after this time if it says one.
    Wait(Option<Duration>),
    /// It can't get there.
    Failed(Error),
}

/// How far a pod is towards `goal`.
///
/// `age` is how long ago it was made, by the caller's own clock; `unschedulable_limit` is how old it may get without a node that
/// fits it.
///
/// A container that ran has started, however it ended: its end is the answer of the wait for it. One that never ran has
/// failed. Readiness can't come any more from a container that ended for good.
pub(crate) fn progress(
    pod: &k8s::Pod,
    goal: WaitFor,
    age: Duration,
    unschedulable_limit: Duration,
) -> Progress {
    if goal == WaitFor::Created {
        return Progress::Reached;
    }
    if let Some(error) = of_pod(pod).or_else(|| of_containers(pod, goal)) {
        return Progress::Failed(error);
    }
    if is_reached(pod, goal) {
        return Progress::Reached;
    }
    if pod.metadata.deletion_timestamp.is_some() {
        return Progress::Failed(deleted(pod));
    }
    if ["Failed", "Succeeded"].contains(&status::system_phase(pod)) {
        return Progress::Failed(ended(pod, &reasons::OTHER));
    }
    match reasons::unschedulable(pod) {
        Some(condition) => match unschedulable_limit.checked_sub(age).filter(|left| !left.is_zero()) {
            Some(left) => Progress::Wait(Some(left)),
            None => Progress::Failed(reasons::UNSCHEDULABLE.error(pod, None, condition.message.as_deref())),
        },
        None => Progress::Wait(None),
    }
}

/// The error of a pod that went away while it was waited for.
pub(crate) fn deleted(pod: &k8s::Pod) -> Error {
    ended(pod, &reasons::DELETED)
}

/// Why a pod ended: what the system says that took it away, else `row`.
fn ended(pod: &k8s::Pod, row: &Row) -> Error {
    let disruption = reasons::disruption(pod);
    let told = disruption.and_then(|condition| reasons::of_disruption(condition.reason.as_deref()?));
    let message = disruption.and_then(|condition| condition.message.as_deref());
    told.unwrap_or(row).error(pod, None, message)
}

fn is_reached(pod: &k8s::Pod, goal: WaitFor) -> bool {
    match goal {
        WaitFor::Created => true,
        WaitFor::Ready => reasons::condition(pod, "Ready").is_some_and(|ready| ready.status == "True"),
        _ => has_started(pod),
    }
}

/// Whether every container, and so every init container before them, has started.
fn has_started(pod: &k8s::Pod) -> bool {
    let Some(spec) = &pod.spec else { return false };
    spec.containers.iter().all(|container| status::reported(pod, &container.name).is_some_and(started))
}

/// Whether a container runs, or ran before it ended or waits to be started again.
fn started(reported: &k8s::ContainerStatus) -> bool {
    let mut states = [&reported.state, &reported.last_state].into_iter().flatten();
    states.any(|state| state.running.is_some() || state.terminated.as_ref().is_some_and(ran))
}

/// Whether a container that ended ever ran.
fn ran(end: &k8s::ContainerStateTerminated) -> bool {
    status::time(end.started_at.as_ref()).is_some()
        && reasons::of_end(end.reason.as_deref().unwrap_or_default()).is_none_or(|row| row.ran)
}

/// What ends the whole pod.
fn of_pod(pod: &k8s::Pod) -> Option<Error> {
    let reported = pod.status.as_ref();
    let message = reported.and_then(|status| status.message.as_deref());
    if let Some(reason) = reported.and_then(|status| status.reason.as_deref())
        && let Some(row) = reasons::of_pod(reason)
    {
        return Some(row.error(pod, None, message));
    }
    match status::system_phase(pod) {
        "Unknown" => Some(reasons::UNKNOWN.error(pod, None, message)),
        // With a reason that is none of the known, and without a container that could say more.
        "Failed" if reported.is_some_and(|status| status.reason.is_some()) => {
            Some(reasons::OTHER.error(pod, None, message))
        }
        _ => None,
    }
}

/// The first container that keeps the pod from its goal.
fn of_containers(pod: &k8s::Pod, goal: WaitFor) -> Option<Error> {
    let spec = pod.spec.as_ref()?;
    let restarts = spec.restart_policy.as_deref().unwrap_or("Always");
    let init = spec.init_containers.iter().flatten().map(|container| (container, true));
    let all = init.chain(spec.containers.iter().map(|container| (container, false)));
    all.filter_map(|(container, is_init)| {
        let reported = status::reported(pod, &container.name)?;
        let state = reported.state.as_ref()?;
        if let Some(waiting) = &state.waiting {
            // What keeps it from being started again is none of the run's business.
            let has_started = !is_init && goal == WaitFor::Running && started(reported);
            return of_waiting(pod, container, waiting).filter(|_| !has_started);
        }
        let end = state.terminated.as_ref()?;
        // An init container that runs beside the others is started again whatever the pod says.
        let restarts = container.restart_policy.as_deref().unwrap_or(restarts);
        of_end(pod, container, end, Ending { is_init, goal, restarts })
    })
    .next()
}

fn of_waiting(
    pod: &k8s::Pod,
    container: &k8s::Container,
    waiting: &k8s::ContainerStateWaiting,
) -> Option<Error> {
    let reason = waiting.reason.as_deref()?;
    let message = waiting.message.as_deref();
    match reasons::of_waiting(reason, message.unwrap_or_default()) {
        Verdict::Wait => None,
        Verdict::Pull(failure) => {
            let row = Row { kind: failure.kind, transient: failure.transient, ..reasons::PULL };
            let image = Object::image(container.image.clone().unwrap_or_default());
            Some(row.error_about(image, Some((&container.name, reason)), message))
        }
        Verdict::Failed(row) => Some(row.error(pod, Some((&container.name, reason)), message)),
    }
}

/// What the end of a container means for its pod.
struct Ending<'a> {
    is_init: bool,
    goal: WaitFor,
    /// When it is started again.
    restarts: &'a str,
}

fn of_end(
    pod: &k8s::Pod,
    container: &k8s::Container,
    end: &k8s::ContainerStateTerminated,
    ending: Ending<'_>,
) -> Option<Error> {
    let is_started_again = match ending.restarts {
        // An init container that has done its part is done.
        "Always" if ending.is_init && container.restart_policy.is_none() => end.exit_code != 0,
        restarts => is_started_again(restarts, end),
    };
    let reason = end.reason.as_deref().unwrap_or("Error");
    let row = reasons::of_end(reason);
    let has_run = ran(end);
    let is_wanted = match (ending.is_init, ending.goal) {
        (true, _) => end.exit_code == 0,
        (false, WaitFor::Running) => has_run,
        (false, _) => false,
    };
    if is_wanted || (is_started_again && has_run) {
        return None;
    }
    let row = row.unwrap_or(if ending.is_init { &reasons::INIT } else { &reasons::CRASHED });
    let told = match &end.message {
        Some(message) => message.clone(),
        None => format!("it ended with code {}", end.exit_code),
    };
    Some(row.error(pod, Some((&container.name, reason)), Some(&told)))
}

/// Whether a container that ended so is started again, by its restart policy.
fn is_started_again(restarts: &str, end: &k8s::ContainerStateTerminated) -> bool {
    match restarts {
        "Always" => true,
        "OnFailure" => end.exit_code != 0,
        _ => false,
    }
}

/// Whether one of a pod's containers has ended for good. Init containers are meant to.
pub(crate) fn has_lost_a_container(pod: &k8s::Pod) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let of_pod = spec.restart_policy.as_deref().unwrap_or("Always");
    spec.containers.iter().any(|container| {
        let restarts = container.restart_policy.as_deref().unwrap_or(of_pod);
        let state = status::reported(pod, &container.name).and_then(|reported| reported.state.as_ref());
        let end = state.and_then(|state| state.terminated.as_ref());
        end.is_some_and(|end| !is_started_again(restarts, end))
    })
}

impl Row {
    /// The error of a pod or of its container, with the system's own reason where it has another than this row.
    fn error(&self, pod: &k8s::Pod, container: Option<(&str, &str)>, told: Option<&str>) -> Error {
        let key = status::key(pod);
        let object = match container {
            None => Object::pod(key.id().as_str()),
            Some((name, _)) => Object::container(key.container(name).id().as_str()),
        };
        self.error_about(object, container, told)
    }

    fn error_about(&self, object: Object, container: Option<(&str, &str)>, told: Option<&str>) -> Error {
        let what = match container {
            None => self.message.to_owned(),
            Some((name, _)) => format!("container {name:?} {}", self.message),
        };
        let message = match told.filter(|told| !told.is_empty()) {
            Some(told) => format!("{what}: {told}"),
            None => what,
        };
        let reason = container.map_or(self.reason, |(_, reason)| reason);
        Error::new(self.kind, message).with_transient(self.transient).with_reason(reason).with_object(object)
    }
}

/// The kind of a failure whose gRPC code the kubelet wrote down.
pub(super) fn kind_of_code(code: &str) -> Option<(ErrorKind, bool)> {
    Some(match code {
        "NotFound" => (ErrorKind::NotFound, false),
        "Unauthenticated" => (ErrorKind::Unauthenticated, false),
        "PermissionDenied" => (ErrorKind::PermissionDenied, false),
        "ResourceExhausted" => (ErrorKind::ResourceExhausted, false),
        "InvalidArgument" => (ErrorKind::InvalidArgument, false),
        "Unavailable" | "Canceled" | "DeadlineExceeded" => (ErrorKind::Unavailable, true),
        _ => return None,
    })
}
