//! What happens to pods and containers: the shared watch says where to look, and the cache what is there.

use async_trait::async_trait;
use futures::{StreamExt, stream};
use runtime_core::{
    Context, PodId, Result,
    events::{Hint, Hints, Snapshot, Source},
};
use tokio::sync::broadcast::error::RecvError;

use crate::{
    cache::{Cache, Change},
    id::PodKey,
};

/// The pods of a namespace.
pub(crate) struct Pods(pub(crate) Cache);

#[async_trait]
impl Source for Pods {
    async fn list(&self, cx: &Context) -> Result<Snapshot> {
        self.0.known(cx).await?;
        Ok(self.0.snapshot())
    }

    async fn look(&self, _: &Context, pod: &PodId) -> Result<Snapshot> {
        let entry = PodKey::parse(pod).ok().and_then(|key| self.0.entry(&key.name));
        Ok(match entry.filter(|entry| entry.summary.id == *pod) {
            Some(entry) => Snapshot::new(vec![entry.summary], entry.containers.to_vec()),
            None => Snapshot::default(),
        })
    }

    fn hints(&self, _: &Context) -> Option<Hints> {
        let changes = self.0.changes();
        let hints = stream::unfold(changes, |mut changes| async {
            let hint = match changes.recv().await {
                Ok(Change::Pod(pod)) => Hint::InPod(pod),
                Ok(Change::Missed(reason)) => Hint::Lost { reason },
                Err(RecvError::Lagged(count)) => {
                    Hint::Lost { reason: format!("{count} changes came faster than they were looked at") }
                }
                Err(RecvError::Closed) => return None,
            };
            Some((Ok(hint), changes))
        });
        Some(hints.boxed())
    }
}
