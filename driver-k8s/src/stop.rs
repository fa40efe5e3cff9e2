//! Stopping pods, so that they can still be read.
//!
//! Kubernetes deletes what it stops. There are two ways around that, and both leave a mark by which such an end is told from
//! others:
//!
//! - *A deadline.* `activeDeadlineSeconds` may be set on a running pod. The kubelet then ends its containers with the pod's own
//!   grace period, fails the pod with the reason `DeadlineExceeded`, and keeps it with its logs.
//! - *A finalizer.* A pod that has one is deleted, with whatever grace period, but its object stays with its last status until
//!   the finalizer is taken off, which is what a removal does. Its containers go, and their logs with them.
//!
//! A pod that is to have less time than its own, or just that, gets the deadline first, so that all is kept of one that listens
//! to its signal. When the time is up that was granted, or if that is more than the pod's own, it is deleted. A grace period
//! that is running can be made shorter by deleting again, so a stop in a hurry overtakes a patient one; no more than what was
//! granted first can be had.
//!
//! What is to be done is decided by how the pod is, whoever began to stop it: a stop that was cut anywhere is done again from
//! there.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use runtime_core::{Context, Error, ErrorKind, PodId, Result, StopOptions};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    driver::K8sDriver,
    ending::{self, Heard, MAX_STEPS, NODE_LAG, hear, is_going, is_held},
    id::PodKey,
    persist::persist,
    translate::kept::{STOPPED, is_stopped},
    wait::has_ended,
};

/// What Kubernetes gives a pod that says nothing.
const DEFAULT_GRACE_SECONDS: i64 = 30;

/// The shortest deadline that there is.
const SHORTEST_DEADLINE_SECONDS: i64 = 1;

/// What is to be done next to stop a pod.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Nothing: it has ended.
    Done,
    /// Its time is to be up.
    Expire,
    /// It is to stay when it is deleted.
    Hold,
    /// It is to be deleted, with this grace period in seconds.
    Delete(u32),
    /// Nothing before the time has passed that was granted.
    Wait,
    /// Nothing: the cluster ends it in time.
    Trust,
}

impl K8sDriver {
    pub(crate) async fn stop_pod(&self, cx: &Context, id: &PodId, options: &StopOptions) -> Result<()> {
        let Ok(key) = PodKey::parse(id) else { return Ok(()) };
        let (began, grace) = (Instant::now(), options.grace_period);
        let mut following = self.cache(&key.namespace).follow(&key.name);
        while let Some((pod, step)) = persist(cx, || self.stop_as_is(cx, &key, grace, began)).await? {
            let overdue = began.elapsed().saturating_sub(grace);
            if overdue >= NODE_LAG
                && let Some(node) = self.lost_node(cx, &pod).await
            {
                return Err(lost(&node));
            }
            following.since(&pod);
            loop {
                let due = if step == Step::Wait { grace } else { grace.saturating_add(NODE_LAG) };
                let left = due.saturating_sub(began.elapsed());
                let patience = if left.is_zero() { NODE_LAG } else { left };
                match hear(cx, &mut following, &key.uid, patience).await? {
                    Heard::Gone => return Ok(()),
                    Heard::There(pod) if has_ended(&pod) => return Ok(()),
                    // What others do to it may change what there is to do.
                    Heard::There(pod) if next_step(&pod, grace, began.elapsed()) == step => {}
                    Heard::There(_) | Heard::Nothing => break,
                }
            }
        }
        Ok(())
    }

    /// Does what is to be done now, until there is only waiting left: how the pod is then. `None`: it has ended, or gone.
    async fn stop_as_is(
        &self,
        cx: &Context,
        key: &PodKey,
        grace: Duration,
        began: Instant,
    ) -> Result<Option<(Pod, Step)>> {
        let Some(mut pod) = self.pod_of(cx, key).await? else { return Ok(None) };
        for _ in 0..MAX_STEPS {
            let step = next_step(&pod, grace, began.elapsed());
            let changed = match step {
                Step::Done => return Ok(None),
                Step::Wait | Step::Trust => return Ok(Some((pod, step))),
                Step::Expire => self.change_life(cx, key, &expire(&key.uid)).await,
                Step::Hold => self.change_life(cx, key, &ending::hold(&key.uid)).await,
                Step::Delete(seconds) => self.delete_life(cx, key, seconds).await,
            };
            pod = match changed {
                Ok(Some(pod)) => pod,
                Ok(None) => return Ok(None),
                // Nothing new can hold what somebody has begun to delete meanwhile.
                Err(refusal) if refusal.code == Some(422) => match self.pod_of(cx, key).await? {
                    Some(pod) if is_going(&pod) => pod,
                    Some(_) => return Err(refusal.into()),
                    None => return Ok(None),
                },
                Err(refusal) => return Err(refusal.into()),
            };
        }
        Err(Error::new(ErrorKind::Protocol, "the server does not do with the pod what it says"))
    }
}

fn next_step(pod: &Pod, grace: Duration, elapsed: Duration) -> Step {
    if has_ended(pod) {
        return Step::Done;
    }
    let left = grace.saturating_sub(elapsed);
    match grace_in_force(pod) {
        None if !left.is_zero() && has_begun(pod) && grace <= Duration::from_secs(own_grace(pod)) => {
            Step::Expire
        }
        Some(seconds) if seconds <= u64::from(whole_seconds(grace)) => Step::Trust,
        Some(_) if !left.is_zero() => Step::Wait,
        _ if is_going(pod) || is_held(pod) => Step::Delete(whole_seconds(left)),
        _ => Step::Hold,
    }
}

/// The change that ends a pod.
fn expire(uid: &str) -> Value {
    let now = jiff::Timestamp::now().to_string();
    json!({
        "metadata": {"uid": uid, "annotations": {STOPPED: now}},
        "spec": {"activeDeadlineSeconds": SHORTEST_DEADLINE_SECONDS},
    })
}

/// The grace period in seconds with which a pod is being ended; `None` if it isn't.
fn grace_in_force(pod: &Pod) -> Option<u64> {
    let deadline = pod.spec.as_ref().and_then(|spec| spec.active_deadline_seconds);
    let is_expiring = is_stopped(pod) && deadline == Some(SHORTEST_DEADLINE_SECONDS);
    ending::deletion_grace(pod).or(is_expiring.then(|| own_grace(pod)))
}

/// The grace period that a pod was made with, in seconds.
fn own_grace(pod: &Pod) -> u64 {
    let own = pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds);
    u64::try_from(own.unwrap_or(DEFAULT_GRACE_SECONDS)).unwrap_or_default()
}

/// Whether a kubelet has taken a pod on. A deadline counts from then, and would let one begin that has not.
fn has_begun(pod: &Pod) -> bool {
    pod.status.as_ref().is_some_and(|status| status.start_time.is_some())
}

/// A grace period as Kubernetes has them: whole seconds, none too short. Zero would be a deletion by force, which nobody waits for.
fn whole_seconds(grace: Duration) -> u32 {
    let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
    u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
}

fn lost(node: &str) -> Error {
    let message = format!("the cluster does not hear of node {node:?}: what runs there can't be stopped");
    Error::new(ErrorKind::Unavailable, message).transient()
}

#[cfg(test)]
mod tests;
