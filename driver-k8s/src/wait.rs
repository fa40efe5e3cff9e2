//! Waiting for pods, by the shared watch.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use runtime_core::{Context, ExitCause, ExitStatus, Result, WaitFor};
use tokio::time::{Instant, sleep};

use crate::{
    cache::{Following, Seen},
    translate::{
        failure::{self, Progress},
        status,
    },
    volumes::Volumes,
};

/// What a pod is to reach.
pub(crate) struct Goal {
    pub(crate) wait_for: WaitFor,
    /// When it was made, by our own clock.
    pub(crate) began: Instant,
    /// How long it may be without a node that fits it.
    pub(crate) unschedulable_limit: Duration,
}

/// Waits until a pod has reached its goal. It was `pod` last.
///
/// # Errors
/// Why it can't get there, as soon as that is known.
pub(crate) async fn until_reached(
    cx: &Context,
    following: &mut Following,
    pod: Pod,
    goal: &Goal,
    volumes: &mut Volumes,
) -> Result<()> {
    let uid = pod.metadata.uid.clone().unwrap_or_default();
    let mut pod = std::sync::Arc::new(pod);
    loop {
        let pause =
            match failure::progress(&pod, goal.wait_for, goal.began.elapsed(), goal.unschedulable_limit) {
                Progress::Reached => return Ok(()),
                Progress::Failed(error) => return Err(error),
                Progress::Wait(pause) => pause,
            };
        let paused = async {
            match pause {
                Some(pause) => sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            seen = following.next(cx, &uid) => match seen? {
                Seen::There(now) => pod = now,
                Seen::Gone(last) => return Err(failure::deleted(&last.unwrap_or(pod))),
            },
            () = paused => {}
            missing = volumes.missing(cx, &pod) => if let Some(error) = missing {
                return Err(error);
            },
        }
    }
}

/// Waits until a container of a pod has ended. The pod was `pod` last.
pub(crate) async fn for_exit(
    cx: &Context,
    following: &mut Following,
    pod: Pod,
    container: &str,
) -> Result<ExitStatus> {
    let uid = pod.metadata.uid.clone().unwrap_or_default();
    let mut exit = status::exit(&pod, container);
    loop {
        if let Some(exit) = exit {
            return Ok(exit);
        }
        exit = match following.next(cx, &uid).await? {
            Seen::There(now) => status::exit(&now, container),
            Seen::Gone(last) => {
                let told = last.and_then(|last| status::exit(&last, container));
                return Ok(told.unwrap_or_else(|| ExitStatus::new(ExitCause::Removed)));
            }
        };
    }
}

/// Whether nothing of a pod runs any more.
pub(crate) fn has_ended(pod: &Pod) -> bool {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let mut states = statuses.filter_map(|one| one.state.as_ref());
    status::is_over(pod) && states.all(|state| state.running.is_none())
}
