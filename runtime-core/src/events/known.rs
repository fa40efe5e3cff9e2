//! What was told, and which events tell the rest. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::Snapshot;
use crate::{ContainerId, ContainerSummary, Event, PodId, PodSummary};

/// A change of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A pod is so now.
    Pod(PodSummary),
    /// A pod is gone.
    PodGone(PodId),
    /// A container is so now.
    Container(ContainerSummary),
    /// A container is gone.
    ContainerGone(ContainerId),
}

/// Everything that a consumer knows who has had every event that was [told](Self::told).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    pods: BTreeMap<PodId, PodSummary>,
    containers: BTreeMap<ContainerId, ContainerSummary>,
}

impl Known {
    /// Keeps what an event says.
    pub fn told(&mut self, event: &Event) {
        match event {
            Event::PodApplied(pod) => drop(self.pods.insert(pod.id.clone(), pod.clone())),
            Event::PodDeleted(id) => drop(self.pods.remove(id)),
            Event::ContainerApplied(container) => {
                self.containers.insert(container.id.clone(), container.clone());
            }
            Event::ContainerDeleted(id) => drop(self.containers.remove(id)),
            Event::Init | Event::Resync { .. } | Event::Synced => {}
        }
    }

    /// The events from what is known to `now`: containers go before their pod, and come after it.
    #[must_use]
    pub fn changes_to(&self, now: &Snapshot) -> Vec<Event> {
        let exists = Existing::of(now);
        let mut events = self.vanished(&exists);
        let new_pods = now.pods.iter().filter(|pod| self.pods.get(&pod.id) != Some(pod));
        events.extend(new_pods.cloned().map(Event::PodApplied));
        let new = exists.containers.values().filter(|new| self.containers.get(&new.id) != Some(new));
        events.extend(new.map(|&container| Event::ContainerApplied(container.clone())));
        events
    }

    /// The same for one pod, of which `now` holds everything.
    #[must_use]
    pub fn changes_in_pod(&self, pod: &PodId, now: &Snapshot) -> Vec<Event> {
        let of_pod = |container: &&ContainerSummary| container.pod.as_ref() == Some(pod);
        let containers = self.containers.values().filter(of_pod);
        let here = Self {
            pods: self.pods.get(pod).map(|known| (pod.clone(), known.clone())).into_iter().collect(),
            containers: containers.map(|container| (container.id.clone(), container.clone())).collect(),
        };
        here.changes_to(now)
    }

    /// Everything that exists, from `beginning`, which is `Init` or `Resync`, to `Synced`.
    #[must_use]
    pub fn everything(&self, beginning: Event, now: &Snapshot) -> Vec<Event> {
        let exists = Existing::of(now);
        let mut events = vec![beginning];
        events.extend(self.vanished(&exists));
        events.extend(now.pods.iter().cloned().map(Event::PodApplied));
        events
            .extend(exists.containers.values().map(|&container| Event::ContainerApplied(container.clone())));
        events.push(Event::Synced);
        events
    }

    /// The events of a single change. `None` when it can't be told before another: a container of a pod that isn't known.
    #[must_use]
    pub fn change(&self, change: &Change) -> Option<Vec<Event>> {
        let one = |is_new: bool, event: Event| if is_new { vec![event] } else { Vec::new() };
        Some(match change {
            Change::Pod(pod) => one(self.pods.get(&pod.id) != Some(pod), Event::PodApplied(pod.clone())),
            Change::PodGone(id) => self.changes_in_pod(id, &Snapshot::default()),
            Change::Container(new) if new.pod.as_ref().is_some_and(|pod| !self.pods.contains_key(pod)) => {
                return None;
            }
            Change::Container(new) => {
                one(self.containers.get(&new.id) != Some(new), Event::ContainerApplied(new.clone()))
            }
            Change::ContainerGone(id) => {
                one(self.containers.contains_key(id), Event::ContainerDeleted(id.clone()))
            }
        })
    }

    fn vanished(&self, exists: &Existing<'_>) -> Vec<Event> {
        let containers = self.containers.keys().filter(|id| !exists.containers.contains_key(id));
        let pods = self.pods.keys().filter(|id| !exists.pods.contains(id));
        let containers = containers.cloned().map(Event::ContainerDeleted);
        containers.chain(pods.cloned().map(Event::PodDeleted)).collect()
    }
}

/// What a snapshot holds, without containers of pods that it doesn't.
struct Existing<'s> {
    pods: BTreeSet<&'s PodId>,
    containers: BTreeMap<&'s ContainerId, &'s ContainerSummary>,
}

impl<'s> Existing<'s> {
    fn of(now: &'s Snapshot) -> Self {
        let pods: BTreeSet<_> = now.pods.iter().map(|pod| &pod.id).collect();
        let housed =
            now.containers.iter().filter(|one| one.pod.as_ref().is_none_or(|pod| pods.contains(pod)));
        let containers = housed.map(|container| (&container.id, container)).collect();
        Self { pods, containers }
    }
}
