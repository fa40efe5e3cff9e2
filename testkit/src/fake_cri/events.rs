//! What happens to sandboxes and containers, as containerd tells it since 1.7.

use std::sync::Arc;

use futures::Stream;
use k8s_cri::v1::*;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tonic::Status;

use super::fake::Fake;
use super::{refusal, status};
use crate::engine::{Event, EventKind, Phase, Subject};

const METHOD: &str = "GetContainerEvents";

impl Fake {
    /// Every consumer gets every event from now on, as from containerd 2; 1.7 splits them.
    pub(super) async fn get_container_events(
        self: Arc<Self>,
    ) -> Result<impl Stream<Item = Result<ContainerEventResponse, Status>> + Send + use<>, Status> {
        self.calls.record(METHOD);
        if !self.newer_calls {
            return Err(Status::unimplemented("method GetContainerEvents not implemented"));
        }
        let events = self.engine.subscribe();
        self.engine.faults().meet(METHOD, Phase::Before).await.map_err(refusal::from_engine)?;
        Ok(futures::stream::unfold((self, events), |(fake, mut events)| async {
            let event = next(&mut events).await?;
            Some((Ok(fake.response(&event)), (fake, events)))
        }))
    }

    fn response(&self, event: &Event) -> ContainerEventResponse {
        let (id, pod) = match &event.subject {
            Subject::Pod { id } => (id, id),
            Subject::Container { id, pod } => (id, pod),
        };
        let kind = match event.kind {
            EventKind::Created => ContainerEventType::ContainerCreatedEvent,
            EventKind::Started => ContainerEventType::ContainerStartedEvent,
            EventKind::Stopped => ContainerEventType::ContainerStoppedEvent,
            EventKind::Deleted => ContainerEventType::ContainerDeletedEvent,
        };
        let mut sandboxes = self.sandboxes();
        let sandbox = sandboxes.find(|(sandbox, _)| sandbox.id == *pod);
        let containers = self.containers().filter(|(container, _)| container.pod == *pod);
        ContainerEventResponse {
            container_id: id.clone(),
            container_event_type: kind.into(),
            created_at: status::nanoseconds(event.at),
            pod_sandbox_status: sandbox.map(|(sandbox, run)| status::sandbox_status(&sandbox, run)),
            containers_statuses: containers
                .map(|(container, kept)| {
                    let (image, id) = (kept.config.image.clone(), container.image.id.clone());
                    status::container_status(&container, kept, image, id)
                })
                .collect(),
        }
    }
}

/// The next event. Those that a slow consumer has missed are gone without a word.
async fn next(events: &mut Receiver<Event>) -> Option<Event> {
    loop {
        match events.recv().await {
            Ok(event) => return Some(event),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}
