//! What becomes of a pod or container that has the name already.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{ExistingContainer, ExistingPod, Mark, PodParts, mark, sleep, step, undo::record};
use crate::{
    ContainerId, ContainerPhase, Context, CreateOptions, Error, ErrorKind, ExistingPolicy, Janitor, Leftover,
    Object, PodId, Recorder, Result,
    spec::{ContainerSpec, PodSpec},
};

/// How long a name is waited for that the system holds for a create from before, which may still end.
const NAME_TIMEOUT: Duration = Duration::from_secs(10);

/// The first and the longest pause between two looks at such a name.
const PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// How often somebody else may be faster, each time with another pod or container of the name.
const MAX_ROUNDS: u32 = 16;

/// How many attempts of one name are tried, each held by a create that does not end.
const MAX_ATTEMPTS: u32 = 4;

/// A pod that has the name that was asked for: made just now, or taken over.
pub(super) struct Taken {
    pub(super) id: PodId,
    /// Which attempt of the name it is; another than the one asked for where the system doesn't give that back.
    pub(super) attempt: u32,
    pub(super) adopted: bool,
    /// What was in it when it was taken.
    containers: Vec<ExistingContainer>,
}

impl Taken {
    /// The container of this name and attempt.
    pub(super) fn container(&self, spec: &ContainerSpec) -> Option<&ExistingContainer> {
        self.containers.iter().find(|container| is_same(container, spec))
    }

    /// The error for a pod that can't be taken over.
    pub(super) fn refused(&self, spec: &PodSpec, why: &str) -> Error {
        refused(spec, &self.id, why)
    }
}

/// The pod of the name that can be taken over, or none.
///
/// # Errors
/// `AlreadyExists` for a pod that can't be.
pub(super) async fn adoptable<P: PodParts>(parts: &P, cx: &Context, spec: &PodSpec) -> Result<Option<Taken>> {
    let named = named(parts, cx, spec).await?;
    let Some(pod) = named.into_iter().max_by_key(|pod| (pod.running, pod.attempt)) else { return Ok(None) };
    if !Mark::is_of_pod(&pod.marks, spec, spec.attempt)? {
        return Err(refused(spec, &pod.id, "it was made from another spec"));
    }
    if !pod.running {
        return Err(refused(spec, &pod.id, "it has ended"));
    }
    let containers = parts.containers_in(cx, &pod.id).await?;
    let taken = Taken { id: pod.id, attempt: pod.attempt, adopted: true, containers };
    for container in &spec.containers {
        let Some(there) = taken.container(container) else { continue };
        if !mark::is_of_container(&there.marks, container)? {
            return Err(taken.refused(spec, "a container of it was made from another spec"));
        }
        if !matches!(there.phase, ContainerPhase::Created | ContainerPhase::Running) {
            return Err(taken.refused(spec, "a container of it has ended"));
        }
    }
    Ok(Some(taken))
}

/// Makes the pod, or deals with the one that has its name.
pub(super) async fn take_name<P: PodParts>(
    parts: &Arc<P>,
    cx: &Context,
    recorder: &Recorder,
    spec: &PodSpec,
    policy: ExistingPolicy,
) -> Result<Taken> {
    let mut spec_now = spec.clone();
    let (mut rounds, mut held_since, mut pause) = (0, None, PAUSE);
    loop {
        cx.check()?;
        if policy == ExistingPolicy::Replace {
            for pod in named(&**parts, cx, spec).await? {
                parts.remove_sandbox(&step(cx), &pod.id).await?;
            }
        }
        let error = match create(parts, cx, recorder, &spec_now, spec.attempt).await {
            Ok(id) => {
                return Ok(Taken { id, attempt: spec_now.attempt, adopted: false, containers: Vec::new() });
            }
            Err(error) => error,
        };
        if error.kind() == ErrorKind::AlreadyExists && policy != ExistingPolicy::Fail && rounds < MAX_ROUNDS {
            // Somebody else was faster.
            rounds += 1;
            if policy == ExistingPolicy::Adopt
                && let Some(taken) = adoptable(&**parts, cx, spec).await?
            {
                return Ok(taken);
            }
        } else if error.kind() == ErrorKind::Failed && parts.holds_name(&step(cx), &spec_now).await? {
            let since = *held_since.get_or_insert_with(Instant::now);
            if since.elapsed() < NAME_TIMEOUT {
                sleep(cx, pause).await?;
                pause = MAX_PAUSE.min(pause * 2);
            } else if policy != ExistingPolicy::Fail && spec_now.attempt - spec.attempt < MAX_ATTEMPTS {
                spec_now.attempt = spec_now.attempt.checked_add(1).ok_or(error)?;
                (held_since, pause) = (None, PAUSE);
            } else {
                return Err(held(&error));
            }
        } else if held_since.take().is_none() || error.kind() != ErrorKind::Failed {
            return Err(error);
        }
        // Else the name was held a moment ago, and became free, or that of a pod, between the refusal and the look.
    }
}

/// Adds a container to a pod. What has the name already is treated by `options.existing`. Undone if it fails or the future
/// is dropped.
///
/// # Errors
/// Those of the parts; `AlreadyExists`.
pub async fn create_container<P: PodParts>(
    parts: Arc<P>,
    janitor: &Janitor,
    cx: &Context,
    pod: &PodId,
    spec: &ContainerSpec,
    options: &CreateOptions,
) -> Result<ContainerId> {
    let (pod, spec, policy) = (pod.clone(), spec.clone(), options.existing);
    janitor
        .transact(cx, |cx, recorder| async move { add(&parts, &cx, &recorder, &pod, &spec, policy).await })
        .await
}

async fn add<P: PodParts>(
    parts: &Arc<P>,
    cx: &Context,
    recorder: &Recorder,
    pod: &PodId,
    spec: &ContainerSpec,
    policy: ExistingPolicy,
) -> Result<ContainerId> {
    let mut rounds = 0;
    let mut has_image = false;
    loop {
        cx.check()?;
        if policy != ExistingPolicy::Fail {
            let there = parts.containers_in(cx, pod).await?;
            if let Some(there) = there.iter().find(|container| is_same(container, spec)) {
                if policy == ExistingPolicy::Adopt {
                    return adopted(pod, spec, there);
                }
                parts.containers().remove(&step(cx), &there.id).await?;
            }
        }
        if !has_image {
            parts.ensure_image(cx, None, spec).await?;
            cx.check()?;
            has_image = true;
        }
        let mark = Mark::of_container(spec)?;
        let may_make = Object::container(format!("{pod}/{}", spec.name));
        record(parts, recorder, Leftover::marked(may_make, mark.id()));
        match parts.create_container(&step(cx), pod, None, spec, &mark).await {
            Ok(id) => {
                recorder.made(Leftover::container(id.as_str()));
                return Ok(id);
            }
            // Somebody else was faster.
            Err(error)
                if error.kind() == ErrorKind::AlreadyExists
                    && policy != ExistingPolicy::Fail
                    && rounds < MAX_ROUNDS =>
            {
                rounds += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

fn adopted(pod: &PodId, spec: &ContainerSpec, there: &ExistingContainer) -> Result<ContainerId> {
    let refused = |why: &str| {
        Error::already_exists(Object::container(format!("{pod}/{}", spec.name)), there.id.as_str())
            .with_context("not_taken_over", why)
    };
    if !mark::is_of_container(&there.marks, spec)? {
        return Err(refused("it was made from another spec"));
    }
    if !matches!(there.phase, ContainerPhase::Created | ContainerPhase::Running) {
        return Err(refused("it has ended"));
    }
    Ok(there.id.clone())
}

async fn create<P: PodParts>(
    parts: &Arc<P>,
    cx: &Context,
    recorder: &Recorder,
    spec: &PodSpec,
    asked_attempt: u32,
) -> Result<PodId> {
    let mark = Mark::of_pod(spec, asked_attempt)?;
    record(parts, recorder, Leftover::marked(object(spec), mark.id()));
    let id = parts.create_sandbox(&step(cx), spec, &mark).await?;
    recorder.made(Leftover::pod(id.as_str()));
    Ok(id)
}

/// The pods that have the name: of the attempt that is asked for, or made in its place.
async fn named<P: PodParts>(parts: &P, cx: &Context, spec: &PodSpec) -> Result<Vec<ExistingPod>> {
    let mut pods = parts.pods_named(cx, spec).await?;
    pods.retain(|pod| mark::asked_attempt(&pod.marks).unwrap_or(pod.attempt) == spec.attempt);
    Ok(pods)
}

fn is_same(container: &ExistingContainer, spec: &ContainerSpec) -> bool {
    container.name == spec.name && container.attempt == spec.attempt
}

fn refused(spec: &PodSpec, id: &PodId, why: &str) -> Error {
    Error::already_exists(object(spec), id.as_str()).with_context("not_taken_over", why)
}

fn held(error: &Error) -> Error {
    let message =
        "the system keeps the name for a create from before that has not ended, and lists no such pod";
    Error::new(ErrorKind::Unavailable, message).transient().with_context("system", error.message())
}

fn object(spec: &PodSpec) -> Object {
    Object::pod(spec.full_name())
}
