//! Pods that wait for volumes. Their status says nothing of what is missing.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{ContainerStatus, KeyToPath, Pod, Volume};
use runtime_core::{Error, ErrorKind};

use super::reasons::{Row, condition};

const MISSING: Row = Row {
    reason: "FailedMount",
    kind: ErrorKind::Failed,
    transient: false,
    message: "a volume of it can't be had",
    ran: false,
};

/// Where the files of a volume come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    ConfigMap,
    Secret,
}

/// What has to be there before a pod can start.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source<'a> {
    pub(crate) kind: Kind,
    pub(crate) name: &'a str,
    keys: Vec<&'a str>,
}

/// What a pod that is on a node and waits for its volumes can't start without.
pub(crate) fn awaited(pod: &Pod) -> BTreeSet<Source<'_>> {
    let (Some(spec), Some(status)) = (&pod.spec, &pod.status) else { return BTreeSet::new() };
    let mut reported = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let is_on_node = spec.node_name.as_deref().is_some_and(|node| !node.is_empty());
    // The sandbox comes after the volumes. Nodes before 1.29 don't tell of it, but of the containers in it.
    let has_sandbox =
        condition(pod, "PodReadyToStartContainers").is_some_and(|condition| condition.status == "True");
    if !is_on_node || has_sandbox || reported.any(has_begun) {
        return BTreeSet::new();
    }
    spec.volumes.iter().flatten().flat_map(sources).collect()
}

fn has_begun(reported: &ContainerStatus) -> bool {
    reported.restart_count > 0
        || reported.state.as_ref().is_some_and(|state| state.running.is_some() || state.terminated.is_some())
}

fn sources(volume: &Volume) -> Vec<Source<'_>> {
    let map = volume.config_map.as_ref();
    let map = map.and_then(|map| needed(Kind::ConfigMap, Some(&map.name), map.items.as_ref(), map.optional));
    let secret = volume.secret.as_ref();
    let secret = secret.and_then(|secret| {
        needed(Kind::Secret, secret.secret_name.as_ref(), secret.items.as_ref(), secret.optional)
    });
    let projected = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
    let projected = projected.flat_map(|source| {
        let map = source.config_map.as_ref();
        let secret = source.secret.as_ref();
        [
            map.and_then(|map| needed(Kind::ConfigMap, Some(&map.name), map.items.as_ref(), map.optional)),
            secret.and_then(|one| needed(Kind::Secret, Some(&one.name), one.items.as_ref(), one.optional)),
        ]
    });
    [map, secret].into_iter().chain(projected).flatten().collect()
}

fn needed<'a>(
    kind: Kind,
    name: Option<&'a String>,
    items: Option<&'a Vec<KeyToPath>>,
    optional: Option<bool>,
) -> Option<Source<'a>> {
    let keys = items.into_iter().flatten().map(|item| item.key.as_str()).collect();
    name.filter(|_| optional != Some(true)).map(|name| Source { kind, name, keys })
}

impl Source<'_> {
    /// Why a pod can't start whose source has these keys, or is not there.
    pub(crate) fn missing(&self, pod: &Pod, there: Option<&BTreeSet<String>>) -> Option<Error> {
        let kind = match self.kind {
            Kind::ConfigMap => "config map",
            Kind::Secret => "secret",
        };
        let told = match there {
            None => format!("{kind} {:?} not found", self.name),
            Some(there) => {
                let key = self.keys.iter().find(|key| !there.contains(**key))?;
                format!("{kind} {:?} has no key {key:?}", self.name)
            }
        };
        Some(MISSING.error(pod, None, Some(&told)))
    }
}
