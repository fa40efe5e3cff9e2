//! Removing pods: the pod, then its secret. Any part may be gone already.

use std::time::Duration;

use futures::FutureExt;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{DeleteParams, Preconditions};
use runtime_core::{Context, Error, ErrorKind, Leftover, ObjectKind, PodId, Result};
use tokio::time::sleep;

use crate::{
    api::Api,
    cache::Seen,
    create::has_mark,
    driver::K8sDriver,
    id::{PodKey, is_name},
    persist::persist,
    translate::{kept::Kept, names, status},
};

/// How often the server itself is asked whether a pod has gone, beside the watch.
const LOOK: Duration = Duration::from_secs(2);

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
        persist(cx, || async {
            let pods = self.pods_in(&key.namespace);
            match self.pod_of(cx, key).await? {
                Some(pod) => self.remove_found(cx, &pods, key, &pod).boxed().await,
                // Its secret is its own, and goes with it.
                None => Ok(()),
            }
        })
        .await
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
        persist(cx, || async {
            let pods = self.pods_in(namespace);
            if let Some(pod) = pods.find(cx, name).await?.filter(|pod| has_mark(pod, mark)) {
                self.remove_found(cx, &pods, &status::key(&pod), &pod).boxed().await?;
            }
            match secret {
                Some(secret) => self.remove_secret(cx, namespace, secret).await,
                None => Ok(()),
            }
        })
        .await
    }

    async fn remove_found(&self, cx: &Context, pods: &Api<Pod>, key: &PodKey, pod: &Pod) -> Result<()> {
        let mut following = self.cache(&key.namespace).follow(&key.name);
        following.since(pod);
        // At once: what is removed is killed.
        let how = DeleteParams::default()
            .grace_period(0)
            .preconditions(Preconditions { uid: Some(key.uid.clone()), resource_version: None });
        match pods.delete(cx, &key.name, &how).await {
            Ok(()) => {}
            // Another life has the name, or nobody: this one has gone.
            Err(refusal) if refusal.is_not_found() || refusal.is_conflict() => {}
            Err(refusal) => return Err(refusal.into()),
        }
        loop {
            tokio::select! {
                seen = following.next(cx, &key.uid) => match seen {
                    Ok(Seen::Gone(_)) => break,
                    Ok(Seen::There(_)) => {}
                    // Without a watch it is asked for below.
                    Err(error) if error.kind() == ErrorKind::PermissionDenied => sleep(LOOK).await,
                    Err(error) => return Err(error),
                },
                () = sleep(LOOK) => {}
            }
            if self.pod_of(cx, key).await?.is_none() {
                break;
            }
        }
        match Kept::of(pod).and_then(|kept| kept.secret) {
            Some(secret) => self.remove_secret(cx, &key.namespace, &secret).await,
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
