//! What the system says of itself when something changes.
//!
//! Other cases make and remove pods at the same time, so each looks for its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{FutureExt, StreamExt};
use runtime_core::{
    ContainerHandle, ContainerId, ContainerPhase, ContainerSummary, Context, ErrorKind, Event, EventStream,
    PodId, PodPhase, PodSummary, StopOptions,
};
use tokio_util::sync::CancellationToken;

use crate::conformance::{
    Env, Failure, Verdict,
    case::{cases, ensure, ensure_eq},
};

cases! { Events;
    what_exists_comes_first: proves [PodEvents], needs [PodRun];
    the_beginning_has_an_order: proves [PodEvents], needs [];
    a_pods_life_is_told_in_order: proves [PodEvents], needs [PodRun, PodStop, PodRemove];
    a_containers_start_and_end_are_told: proves [PodEvents], needs [PodRun, ContainerCreate, ContainerStart, ContainerStop];
    a_container_that_ends_by_itself_is_told: proves [PodEvents], needs [PodRun, ContainerStdin];
    a_container_that_is_removed_is_told: proves [PodEvents], needs [PodRun, ContainerStop, ContainerRemove];
    what_is_told_is_what_lists_show: proves [PodEvents], needs [PodRun, PodList, ContainerList];
    pods_of_another_client_are_told: proves [PodEvents], needs [PodRun, PodRemove];
    two_consumers_hear_the_same: proves [PodEvents], needs [PodRun, PodRemove];
    a_dropped_stream_leaves_others_alone: proves [PodEvents], needs [PodRun];
    the_end_of_the_context_ends_the_stream: proves [PodEvents], needs [];
    a_slow_consumer_ends_with_what_exists: proves [PodEvents], needs [PodRun, PodRemove];
    nothing_is_told_when_nothing_changes: proves [PodEvents], needs [PodRun];
}

/// The longest that a change may take to be told.
const SOON: Duration = Duration::from_secs(20);

/// A consumer that keeps what it is told, and checks the order.
pub(super) struct Consumer {
    stream: EventStream,
    pods: BTreeMap<PodId, PodSummary>,
    containers: BTreeMap<ContainerId, ContainerSummary>,
    /// Between `Init` or `Resync` and `Synced`.
    syncing: bool,
}

impl Consumer {
    fn of(stream: EventStream) -> Self {
        Self { stream, pods: BTreeMap::new(), containers: BTreeMap::new(), syncing: false }
    }

    /// One that knows everything that exists.
    pub(super) async fn synced(client: &runtime_core::Client) -> Result<Self, Failure> {
        let mut consumer = Self::of(client.events().await?);
        ensure_eq!(consumer.next().await?, Event::Init);
        while consumer.next().await? != Event::Synced {}
        Ok(consumer)
    }

    async fn next(&mut self) -> Result<Event, Failure> {
        let event = tokio::time::timeout(SOON, self.stream.next()).await;
        let event = event.map_err(|_| Failure::Failed(format!("no event for {SOON:?}")))?;
        let event = event.ok_or("the stream ended")??;
        self.take(&event)?;
        Ok(event)
    }

    fn take(&mut self, event: &Event) -> Verdict {
        match event {
            Event::Init | Event::Resync { .. } => {
                ensure!(!self.syncing, "{event:?} before what went before was synced");
                self.syncing = true;
            }
            Event::Synced => {
                ensure!(self.syncing, "synced, and nothing had begun");
                self.syncing = false;
            }
            Event::PodApplied(pod) => _ = self.pods.insert(pod.id.clone(), pod.clone()),
            Event::PodDeleted(id) => {
                ensure!(self.pods.remove(id).is_some(), "{id} is deleted and was never there");
                let left = self.containers.values().find(|container| container.pod.as_ref() == Some(id));
                ensure!(left.is_none(), "the pod is deleted before {left:?}");
            }
            Event::ContainerApplied(container) => {
                let pod = container.pod.as_ref().ok_or_else(|| format!("{container:?} is in no pod"))?;
                ensure!(self.pods.contains_key(pod), "{container:?} comes before its pod");
                self.containers.insert(container.id.clone(), container.clone());
            }
            Event::ContainerDeleted(id) => {
                ensure!(self.containers.remove(id).is_some(), "{id} is deleted and was never there");
            }
            _ => {}
        }
        Ok(())
    }

    /// Listens until something is so, and gives what it was told till then.
    pub(super) async fn until(&mut self, is_so: impl Fn(&Self) -> bool) -> Result<Vec<Event>, Failure> {
        let mut told = Vec::new();
        let listening = async {
            while !is_so(self) {
                told.push(self.next().await?);
            }
            Ok::<_, Failure>(())
        };
        let listened = tokio::time::timeout(SOON, listening).await;
        listened.map_err(|_| Failure::Failed(format!("not told within {SOON:?}")))??;
        Ok(told)
    }

    pub(super) fn phase(&self, pod: &PodId) -> Option<PodPhase> {
        self.pods.get(pod).map(|pod| pod.phase)
    }

    fn container_phase(&self, container: &ContainerHandle) -> Option<ContainerPhase> {
        self.containers.get(container.id()).map(|container| container.phase)
    }

    /// Waits until a container is in a phase, before which it must have been in no later one.
    async fn until_phase(&mut self, container: &ContainerHandle, phase: ContainerPhase) -> Verdict {
        self.until(|told| told.container_phase(container) == Some(phase)).await.map(drop)
    }
}

async fn what_exists_comes_first(env: &Env) -> Verdict {
    let (pod, container) = env.idle().await?;
    let consumer = Consumer::synced(env.client()).await?;
    ensure_eq!(consumer.phase(pod.id()), Some(PodPhase::Running));
    ensure_eq!(consumer.container_phase(&container), Some(ContainerPhase::Running));
    Ok(())
}

async fn the_beginning_has_an_order(env: &Env) -> Verdict {
    let mut consumer = Consumer::of(env.client().events().await?);
    ensure_eq!(consumer.next().await?, Event::Init);
    loop {
        match consumer.next().await? {
            Event::PodApplied(_) | Event::ContainerApplied(_) => {}
            Event::Synced => return Ok(()),
            other => return Err(Failure::Failed(format!("{other:?} before it was synced"))),
        }
    }
}

async fn a_pods_life_is_told_in_order(env: &Env) -> Verdict {
    let mut consumer = Consumer::synced(env.client()).await?;
    let (pod, container) = env.idle().await?;
    consumer.until_phase(&container, ContainerPhase::Running).await?;
    ensure_eq!(consumer.phase(pod.id()), Some(PodPhase::Running));
    pod.stop(&StopOptions::now()).await?;
    consumer.until(|told| told.phase(pod.id()) == Some(PodPhase::Stopped)).await?;
    consumer.until_phase(&container, ContainerPhase::Exited).await?;
    pod.remove().await?;
    let told = consumer.until(|told| told.phase(pod.id()).is_none()).await?;
    let gone = |wanted: Event| told.iter().position(|event| *event == wanted);
    let (first, second) =
        (gone(Event::ContainerDeleted(container.id().clone())), gone(Event::PodDeleted(pod.id().clone())));
    ensure!(first.is_some() && first < second, "{told:?}");
    Ok(())
}

async fn a_containers_start_and_end_are_told(env: &Env) -> Verdict {
    let (pod, _) = env.idle().await?;
    let mut consumer = Consumer::synced(env.client()).await?;
    let added = pod.create_container(&env.container("added", ["pause"])).await?;
    consumer.until_phase(&added, ContainerPhase::Created).await?;
    ensure_eq!(
        consumer.containers.get(added.id()).map(|told| told.pod.clone()),
        Some(Some(pod.id().clone()))
    );
    added.start().await?;
    consumer.until_phase(&added, ContainerPhase::Running).await?;
    added.stop(&StopOptions::now()).await?;
    consumer.until_phase(&added, ContainerPhase::Exited).await?;
    ensure_eq!(consumer.phase(pod.id()), Some(PodPhase::Running));
    Ok(())
}

async fn a_container_that_ends_by_itself_is_told(env: &Env) -> Verdict {
    let mut consumer = Consumer::synced(env.client()).await?;
    let (_, container) = env.run(&env.pod_running(["lines", "3", "300"])).await?;
    consumer.until_phase(&container, ContainerPhase::Exited).await
}

async fn a_container_that_is_removed_is_told(env: &Env) -> Verdict {
    let (pod, container) = env.idle().await?;
    let mut consumer = Consumer::synced(env.client()).await?;
    container.stop(&StopOptions::now()).await?;
    container.remove().await?;
    consumer.until(|told| told.container_phase(&container).is_none()).await?;
    ensure_eq!(consumer.phase(pod.id()), Some(PodPhase::Running));
    Ok(())
}

async fn what_is_told_is_what_lists_show(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["pause"]).with_label("team", "blue");
    spec.containers.push(env.container("other", ["pause"]).with_label("role", "side"));
    let mut consumer = Consumer::synced(env.client()).await?;
    let (pod, _) = env.run(&spec).await?;
    let mut listed = env.client().list_containers(&runtime_core::ContainerFilter::of_pod(pod.id())).await?;
    ensure_eq!(listed.len(), 2);
    let told_of = |consumer: &Consumer| -> Vec<ContainerSummary> {
        consumer.containers.values().filter(|one| one.pod.as_ref() == Some(pod.id())).cloned().collect()
    };
    listed.sort_by(|a, b| a.id.cmp(&b.id));
    consumer.until(|told| told_of(told) == listed).await?;
    let pods = env.pods().await?;
    ensure_eq!(consumer.pods.get(pod.id()), pods.iter().find(|listed| listed.id == *pod.id()));
    Ok(())
}

async fn pods_of_another_client_are_told(env: &Env) -> Verdict {
    let mut consumer = Consumer::synced(&env.reconnect().await?).await?;
    let (pod, container) = env.idle().await?;
    consumer.until_phase(&container, ContainerPhase::Running).await?;
    pod.remove().await?;
    consumer.until(|told| told.phase(pod.id()).is_none()).await.map(drop)
}

async fn two_consumers_hear_the_same(env: &Env) -> Verdict {
    let mut first = Consumer::synced(env.client()).await?;
    let mut second = Consumer::synced(env.client()).await?;
    let (pod, container) = env.idle().await?;
    for consumer in [&mut first, &mut second] {
        consumer.until_phase(&container, ContainerPhase::Running).await?;
    }
    pod.remove().await?;
    for consumer in [&mut first, &mut second] {
        consumer.until(|told| told.phase(pod.id()).is_none()).await?;
    }
    Ok(())
}

async fn a_dropped_stream_leaves_others_alone(env: &Env) -> Verdict {
    let mut kept = Consumer::synced(env.client()).await?;
    // One that has begun, one that nobody has looked at.
    drop(Consumer::synced(env.client()).await?);
    drop(env.client().events().await?);
    let (_, container) = env.idle().await?;
    kept.until_phase(&container, ContainerPhase::Running).await
}

async fn the_end_of_the_context_ends_the_stream(env: &Env) -> Verdict {
    let cancellation = CancellationToken::new();
    let cx = Context::background().with_cancellation(cancellation.clone());
    for client in [env.client().clone(), env.bare_client()] {
        let cx = cx.child();
        let mut consumer = Consumer::synced(&client.with_context(cx.clone())).await?;
        cx.cancellation().cancel();
        let error = loop {
            match consumer.stream.next().await.ok_or("the stream ended without a word")? {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        ensure_eq!(error.kind(), ErrorKind::Cancelled);
        ensure!(consumer.stream.next().await.is_none(), "the stream goes on after its end");
    }
    let short = Context::background().with_timeout(Duration::from_millis(300));
    let mut stream = env.client().with_context(short).events().await?;
    let last = loop {
        match stream.next().await.ok_or("the stream ended without a word")? {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    ensure_eq!(last.kind(), ErrorKind::DeadlineExceeded);
    Ok(())
}

async fn a_slow_consumer_ends_with_what_exists(env: &Env) -> Verdict {
    let mut consumer = Consumer::synced(env.client()).await?;
    let (stays, _) = env.idle().await?;
    for _ in 0..3 {
        env.idle().await?.0.remove().await?;
    }
    // Only now does it listen again; what it is told has an order, whether or not it begins anew.
    let (last, container) = env.idle().await?;
    consumer.until_phase(&container, ContainerPhase::Running).await?;
    let of_case: BTreeSet<_> = env.pods().await?.into_iter().map(|pod| pod.id.clone()).collect();
    ensure_eq!(of_case, [stays.id().clone(), last.id().clone()].into());
    let case = |told: &Consumer| -> BTreeSet<PodId> {
        let labels = env.filter();
        told.pods.values().filter(|pod| labels.matches(pod)).map(|pod| pod.id.clone()).collect()
    };
    consumer.until(|told| case(told) == of_case).await.map(drop)
}

async fn nothing_is_told_when_nothing_changes(env: &Env) -> Verdict {
    let (pod, container) = env.idle().await?;
    let mut consumer = Consumer::synced(env.client()).await?;
    let until = tokio::time::Instant::now() + Duration::from_secs(2);
    while let Ok(event) = tokio::time::timeout_at(until, consumer.stream.next()).await {
        let event = event.ok_or("the stream ended")??;
        let is_mine = match &event {
            Event::PodApplied(told) => told.id == *pod.id(),
            Event::ContainerApplied(told) => told.id == *container.id(),
            Event::Resync { .. } | Event::PodDeleted(_) | Event::ContainerDeleted(_) => false,
            _ => false,
        };
        ensure!(!is_mine, "told without a change: {event:?}");
    }
    ensure!(consumer.stream.next().now_or_never().is_none_or(|event| event.is_some()), "the stream ended");
    Ok(())
}
