//! What happens to pods and containers: the engine tells where to look.

use async_trait::async_trait;
use futures::{StreamExt, stream};
use runtime_core::{
    Context, PodId, Result,
    events::{Hint, Hints, Snapshot, Source},
};
use tokio::sync::broadcast::error::RecvError;

use super::{MemoryDriver, error::convert, translate};
use crate::engine::{Event, Subject};

/// An engine to be listed.
pub(super) struct Listed(pub(super) MemoryDriver);

#[async_trait]
impl Source for Listed {
    async fn list(&self, _: &Context) -> Result<Snapshot> {
        self.snapshot(|_| true)
    }

    async fn look(&self, _: &Context, pod: &PodId) -> Result<Snapshot> {
        self.snapshot(|id| id == pod.as_str())
    }

    fn hints(&self, _: &Context) -> Option<Hints> {
        let events = self.0.engine().subscribe();
        let hints = stream::unfold(events, |mut events| async {
            let hint = match events.recv().await {
                Ok(event) => Hint::InPod(pod_of(event)),
                Err(RecvError::Lagged(lost)) => Hint::Lost { reason: format!("{lost} events were lost") },
                Err(RecvError::Closed) => return None,
            };
            Some((Ok(hint), events))
        });
        Some(hints.boxed())
    }
}

impl Listed {
    fn snapshot(&self, wanted: impl Fn(&str) -> bool) -> Result<Snapshot> {
        let engine = self.0.engine();
        engine.shared().check_open().map_err(convert)?;
        let containers = engine.containers().into_iter().filter(|container| wanted(&container.pod));
        let containers = containers.map(|container| translate::container_summary(&container)).collect();
        let pods = engine.pods().into_iter().filter(|pod| wanted(&pod.id));
        Ok(Snapshot::new(pods.map(|pod| translate::pod_summary(&pod)).collect(), containers))
    }
}

fn pod_of(event: Event) -> PodId {
    match event.subject {
        Subject::Pod { id } => PodId::new(id),
        Subject::Container { pod, .. } => PodId::new(pod),
    }
}
