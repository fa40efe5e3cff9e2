//! That events, replayed, always give what was listed last, and come in the order of the contract.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::{
    ContainerId, ContainerPhase, ContainerSummary, Event, PodId, PodPhase, PodSummary,
    events::{Change, Known, Snapshot},
};

pub(super) fn pod(id: &str, phase: PodPhase) -> PodSummary {
    PodSummary::new(id.into(), format!("name-{id}"), "default", phase)
}

pub(super) fn container(id: &str, pod: &str, phase: ContainerPhase) -> ContainerSummary {
    let mut container = ContainerSummary::new(id.into(), format!("name-{id}"), phase);
    container.pod = Some(pod.into());
    container
}

/// A consumer that believes nothing: it checks the order of what it is told.
#[derive(Default)]
struct Consumer {
    pods: BTreeMap<PodId, PodSummary>,
    containers: BTreeMap<ContainerId, ContainerSummary>,
}

impl Consumer {
    fn take(&mut self, event: Event) {
        match event {
            Event::PodApplied(pod) => drop(self.pods.insert(pod.id.clone(), pod)),
            Event::ContainerApplied(container) => {
                if let Some(pod) = &container.pod {
                    assert!(self.pods.contains_key(pod), "{} comes before its pod", container.id);
                }
                self.containers.insert(container.id.clone(), container);
            }
            Event::PodDeleted(id) => {
                assert!(self.pods.remove(&id).is_some(), "{id} was not there");
                let left = self.containers.values().find(|one| one.pod.as_ref() == Some(&id));
                assert!(left.is_none(), "{id} goes before its container {left:?}");
            }
            Event::ContainerDeleted(id) => {
                assert!(self.containers.remove(&id).is_some(), "{id} was not there");
            }
            Event::Init | Event::Resync { .. } | Event::Synced => {}
        }
    }

    fn holds(&self, now: &Snapshot) {
        let pods: BTreeSet<_> = now.pods.iter().map(|pod| pod.id.clone()).collect();
        assert_eq!(self.pods.values().collect::<Vec<_>>(), sorted(&now.pods, |pod| pod.id.as_str()));
        let housed: Vec<_> = now
            .containers
            .iter()
            .filter(|one| one.pod.as_ref().is_none_or(|pod| pods.contains(pod)))
            .cloned()
            .collect();
        assert_eq!(self.containers.values().collect::<Vec<_>>(), sorted(&housed, |one| one.id.as_str()));
    }
}

fn sorted<T>(all: &[T], key: impl Fn(&T) -> &str) -> Vec<&T> {
    let mut sorted: Vec<_> = all.iter().collect();
    sorted.sort_by(|a, b| key(a).cmp(key(b)));
    sorted
}

/// Systems of up to five pods and eight containers, some in pods that are not there, one in none. No container moves.
fn snapshots() -> impl Strategy<Value = Snapshot> {
    let phase = prop_oneof![Just(PodPhase::Running), Just(PodPhase::Stopped)];
    let pods = prop::collection::btree_map(0..5_u8, phase, 0..5);
    let phase = prop_oneof![
        Just(ContainerPhase::Created),
        Just(ContainerPhase::Running),
        Just(ContainerPhase::Exited)
    ];
    let containers = prop::collection::btree_map(0..8_u8, phase, 0..8);
    (pods, containers).prop_map(|(pods, containers)| {
        let pods = pods.into_iter().map(|(id, phase)| pod(&format!("p{id}"), phase));
        let containers = containers.into_iter().map(|(id, phase)| {
            let mut container = container(&format!("c{id}"), &format!("p{}", id % 6), phase);
            container.pod = container.pod.filter(|_| id != 7);
            container
        });
        Snapshot::new(pods.collect(), containers.collect())
    })
}

#[derive(Debug, Clone)]
enum Step {
    List(Snapshot),
    Resync(Snapshot),
    LookAt(u8, Snapshot),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => snapshots().prop_map(Step::List),
        1 => snapshots().prop_map(Step::Resync),
        2 => (0..5_u8, snapshots()).prop_map(|(id, now)| Step::LookAt(id, now)),
    ];
    prop::collection::vec(step, 1..12)
}

proptest! {
    #[test]
    fn replayed_events_give_the_last_list(steps in steps()) {
        let (mut known, mut consumer) = (Known::default(), Consumer::default());
        let mut tell = |known: &mut Known, events: Vec<Event>| for event in events {
            known.told(&event);
            consumer.take(event);
        };
        let first = known.everything(Event::Init, &Snapshot::default());
        tell(&mut known, first);
        for step in steps {
            let (events, now) = match step {
                Step::List(now) => (known.changes_to(&now), now),
                Step::Resync(now) => {
                    let events = known.everything(Event::Resync { reason: "test".into() }, &now);
                    let resync = Event::Resync { reason: "test".into() };
                    prop_assert_eq!(events.first(), Some(&resync));
                    prop_assert_eq!(events.last(), Some(&Event::Synced));
                    (events, now)
                }
                Step::LookAt(id, now) => {
                    let id = PodId::new(format!("p{id}"));
                    let mut part = now.clone();
                    part.pods.retain(|pod| pod.id == id);
                    part.containers.retain(|one| one.pod.as_ref() == Some(&id));
                    let events = known.changes_in_pod(&id, &part);
                    tell(&mut known, events);
                    prop_assert!(known.changes_in_pod(&id, &part).is_empty(), "twice the same");
                    (known.changes_to(&now), now)
                }
            };
            tell(&mut known, events);
            prop_assert!(known.changes_to(&now).is_empty(), "twice the same");
        }
    }

    #[test]
    fn a_consumer_ends_with_what_exists(lists in prop::collection::vec(snapshots(), 1..8)) {
        let (mut known, mut consumer) = (Known::default(), Consumer::default());
        for now in &lists {
            for event in known.changes_to(now) {
                known.told(&event);
                consumer.take(event);
            }
            consumer.holds(now);
        }
    }
}

#[test]
fn single_changes_keep_the_order() {
    let mut known = Known::default();
    let mut tell = |change: Change| {
        let events = known.change(&change)?;
        events.iter().for_each(|event| known.told(event));
        Some(events)
    };
    let (p, c) = (pod("p", PodPhase::Running), container("c", "p", ContainerPhase::Running));
    assert_eq!(tell(Change::Container(c.clone())), None, "its pod is not known");
    assert_eq!(tell(Change::Pod(p.clone())), Some(vec![Event::PodApplied(p.clone())]));
    assert_eq!(tell(Change::Pod(p)), Some(vec![]));
    assert_eq!(tell(Change::Container(c.clone())), Some(vec![Event::ContainerApplied(c.clone())]));
    assert_eq!(tell(Change::Container(c)), Some(vec![]));
    assert_eq!(tell(Change::ContainerGone("x".into())), Some(vec![]));
    let gone = vec![Event::ContainerDeleted("c".into()), Event::PodDeleted("p".into())];
    assert_eq!(tell(Change::PodGone("p".into())), Some(gone));
    assert_eq!(tell(Change::PodGone("p".into())), Some(vec![]));
}
