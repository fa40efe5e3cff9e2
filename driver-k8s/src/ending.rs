//! Pods that are being ended: how far that is, what takes them further, and what is heard of them meanwhile.

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{DeleteParams, Preconditions};
use runtime_core::{Context, ErrorKind, Result};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    api::Api,
    cache::{Following, Seen},
    driver::K8sDriver,
    error::Refusal,
    id::PodKey,
    translate::kept::{HELD, STOPPED},
};

/// How often the server itself is asked for a pod that may not be watched.
pub(crate) const LOOK: Duration = Duration::from_secs(2);

/// How long a node may take to confirm what should have been done, before it is looked at whether it is still heard of.
pub(crate) const NODE_LAG: Duration = Duration::from_secs(5);

/// How many changes one look at a pod may lead to. Each takes it further, unless a server does not do what it says.
pub(crate) const MAX_STEPS: u32 = 4;

/// Whether a pod is being deleted.
pub(crate) fn is_going(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// The grace period with which a pod is being deleted, in seconds. Zero once its node has confirmed its end.
pub(crate) fn deletion_grace(pod: &Pod) -> Option<u64> {
    let seconds = pod.metadata.deletion_grace_period_seconds.unwrap_or_default();
    is_going(pod).then(|| u64::try_from(seconds).unwrap_or_default())
}

/// Whether a stop keeps a pod from going when it is deleted.
pub(crate) fn is_held(pod: &Pod) -> bool {
    pod.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == HELD)
}

/// The change that keeps a pod when it is deleted, and marks it as stopped. Finalizers of others stay.
pub(crate) fn hold(uid: &str) -> Value {
    let now = jiff::Timestamp::now().to_string();
    json!({"metadata": {"uid": uid, "annotations": {STOPPED: now}, "finalizers": [HELD]}})
}

/// The change that lets a pod go again. Finalizers of others stay.
pub(crate) fn release(uid: &str) -> Value {
    json!({"metadata": {"uid": uid, "$deleteFromPrimitiveList/finalizers": [HELD]}})
}

/// What is heard of a pod.
#[derive(Debug)]
pub(crate) enum Heard {
    There(Arc<Pod>),
    Gone,
    /// Nothing in this time.
    Nothing,
}

/// Waits for the next change of a pod, for this long at most.
///
/// # Errors
/// Those of the watch, but for one that is not allowed: then it is time to ask the server soon.
pub(crate) async fn hear(
    cx: &Context,
    following: &mut Following,
    uid: &str,
    patience: Duration,
) -> Result<Heard> {
    tokio::select! {
        seen = following.next(cx, uid) => match seen {
            Ok(Seen::There(pod)) => Ok(Heard::There(pod)),
            Ok(Seen::Gone(_)) => Ok(Heard::Gone),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                sleep(patience.min(LOOK)).await;
                Ok(Heard::Nothing)
            }
            Err(error) => Err(error),
        },
        () = sleep(patience) => Ok(Heard::Nothing),
    }
}

impl K8sDriver {
    /// Deletes this life of a pod, with a grace period in seconds: how it is then, or `None` if it has gone.
    pub(crate) async fn delete_life(
        &self,
        cx: &Context,
        key: &PodKey,
        grace_seconds: u32,
    ) -> Result<Option<Pod>, Refusal> {
        let how = DeleteParams::default()
            .grace_period(grace_seconds)
            .preconditions(Preconditions { uid: Some(key.uid.clone()), resource_version: None });
        or_gone(self.pods_in(&key.namespace).delete(cx, &key.name, &how).await).map(Option::flatten)
    }

    /// Changes this life of a pod: how it is then, or `None` if it has gone.
    pub(crate) async fn change_life(
        &self,
        cx: &Context,
        key: &PodKey,
        patch: &Value,
    ) -> Result<Option<Pod>, Refusal> {
        or_gone(self.pods_in(&key.namespace).patch_lists(cx, &key.name, patch).boxed().await)
    }

    /// The node of a pod, if the cluster says that it has not heard of it for a while, or that it is gone. Whoever may not look at
    /// nodes never knows.
    pub(crate) async fn lost_node(&self, cx: &Context, pod: &Pod) -> Option<String> {
        let name = pod.spec.as_ref()?.node_name.clone()?;
        let found = Api::<Node>::of_cluster(self.client()).find(cx, &name).boxed().await.ok()?;
        let conditions = found.and_then(|node| node.status?.conditions);
        // A kubelet that is not ready says so itself.
        let is_heard_of = conditions
            .into_iter()
            .flatten()
            .any(|condition| condition.type_ == "Ready" && condition.status != "Unknown");
        (!is_heard_of).then_some(name)
    }
}

/// What is missing has gone. A conflict doesn't say whether another life has the name, or somebody else was faster: that is to
/// be looked at again.
fn or_gone<T>(answer: Result<T, Refusal>) -> Result<Option<T>, Refusal> {
    match answer {
        Ok(done) => Ok(Some(done)),
        Err(refusal) if refusal.is_not_found() => Ok(None),
        Err(refusal) => Err(refusal),
    }
}
