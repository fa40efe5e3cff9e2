//! What is kept of pods, and who is told what of them. Without IO.

use std::{collections::HashMap, sync::Arc};

use k8s_openapi::api::core::v1::Pod;
use runtime_core::{ContainerSummary, PodId, PodSummary};
use tokio::sync::watch;

use crate::{id::PodKey, translate::status};

/// What is kept of a pod. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// What lists show.
    pub(crate) summary: PodSummary,
    /// Its containers, init containers too.
    pub(crate) containers: Arc<[ContainerSummary]>,
}

/// The newest word of a pod of some name.
#[derive(Debug, Clone, Default)]
pub(super) struct Word {
    /// The version as of which it is so, where that is a number.
    pub(super) version: Option<u64>,
    /// How the pod is, or how it was last.
    pub(super) pod: Option<Arc<Pod>>,
    pub(super) is_gone: bool,
}

#[derive(Debug, Default)]
pub(super) struct Store {
    pods: HashMap<Box<str>, Kept>,
    followed: HashMap<String, watch::Sender<Word>>,
    /// Pods that are gone, by uid, whatever is still told of them, and the last list that was begun before that, or held one.
    gone: HashMap<Box<str>, u64>,
    /// Counts lists, to tell which pods the last one held.
    list: u64,
}

#[derive(Debug)]
struct Kept {
    entry: Entry,
    list: u64,
}

impl Store {
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.pods.values().map(|kept| &kept.entry)
    }

    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        self.pods.get(name).map(|kept| &kept.entry)
    }

    /// Every word of this name from now on.
    pub(super) fn follow(&mut self, name: &str) -> watch::Receiver<Word> {
        self.followed.retain(|_, followed| !followed.is_closed());
        self.followed.entry(name.to_owned()).or_default().subscribe()
    }

    /// Whether somebody waits for a change.
    pub(super) fn is_followed(&self) -> bool {
        self.followed.values().any(|followed| !followed.is_closed())
    }

    /// Keeps a pod as it is now. What has changed with it.
    pub(super) fn apply(&mut self, pod: Pod) -> Vec<PodId> {
        let Some(entry) = Entry::of(&pod) else { return Vec::new() };
        let name = entry.summary.name.clone();
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        if let Some(seen) = self.gone.get_mut(uid) {
            *seen = self.list;
            return Vec::new();
        }
        let mut changed = vec![entry.summary.id.clone()];
        let kept = Kept { entry, list: self.list };
        // Another life of the name: the one before has gone.
        if let Some(before) = self.pods.insert(name.clone().into(), kept)
            && before.entry.summary.id != changed[0]
        {
            changed.insert(0, before.entry.summary.id.clone());
        }
        let version = version(&pod);
        self.say(&name, || Word { version, pod: Some(Arc::new(pod)), is_gone: false });
        changed
    }

    /// Forgets a pod that has gone, and was last like this.
    pub(super) fn delete(&mut self, pod: Pod) -> Vec<PodId> {
        let Some(name) = pod.metadata.name.clone() else { return Vec::new() };
        self.gone.remove(pod.metadata.uid.as_deref().unwrap_or_default());
        let gone = self.pods.remove(name.as_str()).map(|kept| kept.entry.summary.id.clone());
        let version = version(&pod);
        self.say(&name, || Word { version, pod: Some(Arc::new(pod)), is_gone: true });
        gone.into_iter().collect()
    }

    /// Forgets this life of a pod for good: it is not there any more.
    pub(super) fn forget(&mut self, pod: &PodKey) -> Vec<PodId> {
        let id = pod.id();
        if self.pods.get(pod.name.as_str()).is_none_or(|kept| kept.entry.summary.id != id) {
            return Vec::new();
        }
        self.pods.remove(pod.name.as_str());
        self.gone.insert(pod.uid.as_str().into(), self.list);
        vec![id]
    }

    /// A list begins: each pod that is applied from now on is in it.
    pub(super) fn begin_list(&mut self) {
        self.list += 1;
    }

    /// A list of this version has ended: what it did not hold has gone.
    pub(super) fn end_list(&mut self, version: Option<u64>) -> Vec<PodId> {
        let list = self.list;
        self.gone.retain(|_, seen| *seen == list);
        let mut gone = Vec::new();
        self.pods.retain(|_, kept| {
            if kept.list != list {
                gone.push(kept.entry.summary.id.clone());
            }
            kept.list == list
        });
        let absent = self.followed.iter().filter(|(name, _)| !self.pods.contains_key(name.as_str()));
        for (_, followed) in absent {
            followed.send_replace(Word { version, pod: None, is_gone: true });
        }
        gone
    }

    fn say(&self, name: &str, word: impl FnOnce() -> Word) {
        if let Some(followed) = self.followed.get(name) {
            followed.send_replace(word());
        }
    }
}

impl Entry {
    /// `None` for what is no pod of a server: they all have a name and a uid.
    pub(super) fn of(pod: &Pod) -> Option<Self> {
        let metadata = &pod.metadata;
        metadata.name.as_ref().and(metadata.uid.as_ref()).and(metadata.namespace.as_ref())?;
        Some(Self { summary: status::pod_summary(pod), containers: status::container_summaries(pod).into() })
    }
}

/// A version as a number, which they all are; each is greater than those before it.
pub(crate) fn version(pod: &Pod) -> Option<u64> {
    pod.metadata.resource_version.as_deref()?.parse().ok()
}

#[cfg(test)]
impl Entry {
    /// About how much memory it takes: what is in it, and nodes of maps as large as they are made.
    pub(super) fn size(&self) -> usize {
        use std::{collections::BTreeMap, mem::size_of};

        use runtime_core::PodFacts;

        /// What shared memory begins with.
        const COUNTS: usize = 16;
        /// A node has room for eleven pairs, whatever is in it.
        fn map(map: &BTreeMap<String, String>) -> usize {
            let nodes = map.len().div_ceil(6);
            let texts: usize = map.iter().map(|(key, value)| key.len() + value.len() + 32).sum();
            nodes * (11 * 2 * size_of::<String>() + 64) + texts
        }
        let Self { summary, containers } = self;
        let of_pod = summary.id.as_str().len() + 2 * summary.name.len() + summary.namespace.len() + 64;
        let of_container = |one: &ContainerSummary| {
            let texts = one.id.as_str().len() + one.name.len() + one.image.len() + summary.id.as_str().len();
            size_of::<ContainerSummary>() + texts + 128 + map(&one.labels) + map(&one.annotations)
        };
        size_of::<Kept>()
            + size_of::<PodFacts>()
            + 2 * COUNTS
            + of_pod
            + map(&summary.labels)
            + map(&summary.annotations)
            + containers.iter().map(of_container).sum::<usize>()
    }
}
