//! Removing pods: the pod, then its secret. Any part may be gone already.
//!
//! A pod is deleted with the shortest grace period that a kubelet honours, a second, and it is waited for its node to confirm
//! that nothing runs any more. The server lets a pod go at once that has ended or that no node has taken. What a stop has held is
//! let go after that, when nobody can hold it anew.

use std::time::Duration;

use futures::FutureExt;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::DeleteParams;
use runtime_core::{Context, Error, ErrorKind, Leftover, ObjectKind, PodId, Result};
use tokio::time::Instant;

use crate::{
    api::Api,
    create::has_mark,
    driver::K8sDriver,
    ending::{self, Heard, LOOK, MAX_STEPS, NODE_LAG, hear, is_held},
    id::{PodKey, is_name},
    persist::persist,
    translate::{kept::Kept, names, status},
};

/// How long a node may take to confirm the end of a pod, whatever the cluster says of it. A node that is silent is given up by
/// clusters after 50 s, unless they are told otherwise.
const UNCONFIRMED: Duration = Duration::from_secs(55);

/// How long containers have between the signal and the kill, in seconds.
const GRACE_SECONDS: u32 = 1;

/// What is to be done next to remove a pod.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// It is to be deleted, with this grace period in seconds.
    Delete(u32),
    /// It is no longer to be held.
    Release,
    /// Nothing: others let it go.
    Wait,
}

impl K8sDriver {
    /// Removes a pod. Its containers are killed.
    pub(crate) async fn remove_pod(&self, cx: &Context, id: &PodId) -> Result<()> {
        match PodKey::parse(id) {
            Ok(key) => self.remove_life(cx, &key).await,
            Err(_) => Ok(()),
        }
    }

    /// Removes this life of a pod, and waits until it is gone.
    pub(crate) async fn remove_life(&self, cx: &Context, key: &PodKey) -> Result<()> {
        let began = Instant::now();
        let mut following = self.cache(&key.namespace).follow(&key.name);
        let (mut last, mut is_unconfirmed) = (None, false);
        loop {
            let now = persist(cx, || self.remove_as_is(cx, key, is_unconfirmed)).boxed().await?;
            let has_gone = now.is_none();
            last = now.or(last);
            // It was gone before: its secret is its own, and goes with it.
            let Some(pod) = &last else { return Ok(()) };
            following.since(pod);
            // So that a list that follows does not have it. A watch that is away holds nobody up for long.
            let look = Instant::now() + LOOK;
            let heard = loop {
                let left = look.saturating_duration_since(Instant::now());
                match hear(cx, &mut following, &key.uid, left).await? {
                    Heard::There(pod) if has_gone || next_step(&pod, is_unconfirmed) == Step::Wait => {}
                    heard => break heard,
                }
            };
            if has_gone || matches!(heard, Heard::Gone) {
                break;
            }
            is_unconfirmed = match began.elapsed() {
                time if time >= UNCONFIRMED => true,
                time if time >= NODE_LAG => self.lost_node(cx, pod).await.is_some(),
                _ => false,
            };
        }
        match last.as_ref().and_then(|pod| Kept::of(pod)?.secret) {
            Some(secret) => persist(cx, || self.remove_secret(cx, &key.namespace, &secret)).await,
            None => Ok(()),
        }
    }

    /// Does what is to be done now, until there is only waiting left: how the pod is then, or `None` if it has gone.
    async fn remove_as_is(&self, cx: &Context, key: &PodKey, is_unconfirmed: bool) -> Result<Option<Pod>> {
        let Some(mut pod) = self.pod_of(cx, key).await? else { return Ok(None) };
        for _ in 0..MAX_STEPS {
            let changed = match next_step(&pod, is_unconfirmed) {
                Step::Wait => return Ok(Some(pod)),
                Step::Delete(seconds) => self.delete_life(cx, key, seconds).await?,
                Step::Release => self.change_life(cx, key, &ending::release(&key.uid)).await?,
            };
            match changed {
                Some(now) => pod = now,
                None => return Ok(None),
            }
        }
        Ok(Some(pod))
    }

    /// Removes what the create of this mark has made, as far as it came.
    pub(crate) async fn remove_marked(
        &self,
        cx: &Context,
        namespace: &str,
        name: &str,
        mark: &str,
        secret: Option<&str>,
    ) -> Result<()> {
        let pods = self.pods_in(namespace);
        let found = persist(cx, || async { Ok(pods.find(cx, name).await?) }).boxed().await?;
        if let Some(pod) = found.filter(|pod| has_mark(pod, mark)) {
            self.remove_life(cx, &status::key(&pod)).boxed().await?;
        }
        match secret {
            Some(secret) => persist(cx, || self.remove_secret(cx, namespace, secret)).await,
            None => Ok(()),
        }
    }

    async fn remove_secret(&self, cx: &Context, namespace: &str, name: &str) -> Result<()> {
        // The name comes from an annotation, which others may have written.
        if !is_name(name) {
            return Ok(());
        }
        let secrets: Api<Secret> = Api::of(self.client(), namespace);
        match secrets.delete(cx, name, &DeleteParams::default()).await {
            Err(refusal) if !refusal.is_not_found() => Err(refusal.into()),
            _ => Ok(()),
        }
    }

    /// Finishes leftovers, by id or by mark.
    pub(crate) async fn reap_all(&self, cx: &Context, leftovers: &[Leftover]) -> Result<()> {
        let (mut failure, mut left) = (None, Vec::new());
        for leftover in leftovers {
            if let Err(error) = self.reap_one(cx, leftover).await {
                left.push(leftover.clone());
                failure = Some(error);
            }
        }
        failure.map_or(Ok(()), |error: Error| Err(error.with_leftovers(left)))
    }

    async fn reap_one(&self, cx: &Context, leftover: &Leftover) -> Result<()> {
        let id = &leftover.object.id;
        match (leftover.object.kind, &leftover.create_mark) {
            (ObjectKind::Pod, None) => self.remove_pod(cx, &PodId::new(id)).await,
            (ObjectKind::Pod, Some(mark)) => {
                let names =
                    id.split_once('/').filter(|(namespace, name)| is_name(namespace) && is_name(name));
                let Some((namespace, name)) = names else {
                    return Err(Error::invalid("leftovers", format!("{id:?} is no name of a pod")));
                };
                let secret = names::secret(name, mark);
                let removed = self.remove_marked(cx, namespace, name, mark, Some(&secret)).await;
                match removed {
                    // Who may not remove secrets has made none.
                    Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                        self.remove_marked(cx, namespace, name, mark, None).await
                    }
                    end => end,
                }
            }
            (kind, _) => Err(Error::invalid("leftovers", format!("can't reap an object of kind {kind:?}"))),
        }
    }
}

fn next_step(pod: &Pod, is_unconfirmed: bool) -> Step {
    match ending::deletion_grace(pod) {
        None => Step::Delete(GRACE_SECONDS),
        Some(seconds) if seconds > u64::from(GRACE_SECONDS) => Step::Delete(GRACE_SECONDS),
        Some(_) if is_held(pod) => Step::Release,
        // Without asking the node.
        Some(seconds) if seconds > 0 && is_unconfirmed => Step::Delete(0),
        Some(_) => Step::Wait,
    }
}

#[cfg(test)]
mod tests;
