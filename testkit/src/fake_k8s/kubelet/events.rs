//! Events: what parts of the cluster tell of a pod.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::fake_k8s::store::{ListOptions, Resource, Selection, Store};

/// Tells events, and counts those that are told again.
#[derive(Debug)]
pub(super) struct Events {
    store: Store,
    next: AtomicU64,
}

/// Something that is told of a pod.
#[derive(Debug, Clone)]
pub(super) struct Told<'a> {
    pub(super) reason: &'a str,
    pub(super) message: String,
    pub(super) is_warning: bool,
    /// The container, as a path in the pod.
    pub(super) field_path: Option<String>,
}

impl Events {
    pub(super) fn new(store: Store) -> Self {
        Self { store, next: AtomicU64::new(0x18_0000_0000_0000) }
    }

    /// `node` is whose kubelet tells it; nobody's is the scheduler.
    pub(super) fn tell(&self, pod: &Value, node: Option<&str>, told: Told<'_>) {
        let Told { reason, message, is_warning, field_path } = told;
        let metadata = &pod["metadata"];
        let namespace = metadata["namespace"].as_str().unwrap_or_default();
        let name = metadata["name"].as_str().unwrap_or_default();
        let now = self.store.clock().time();
        let mut involved = json!({
            "kind": "Pod", "namespace": namespace, "name": name, "uid": metadata["uid"], "apiVersion": "v1",
            "resourceVersion": metadata["resourceVersion"],
        });
        if let Some(path) = field_path {
            involved["fieldPath"] = path.into();
        }
        if self.count(namespace, &involved, reason, &message, &now) {
            return;
        }
        let component = if node.is_some() { "kubelet" } else { "default-scheduler" };
        let mut source = json!({"component": component});
        if let Some(node) = node {
            source["host"] = node.into();
        }
        let event = json!({
            "kind": "Event",
            "apiVersion": "v1",
            "metadata": {"name": format!("{name}.{:x}", self.next.fetch_add(1, Ordering::Relaxed))},
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "source": source,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": if is_warning { "Warning" } else { "Normal" },
            "eventTime": null,
            "reportingComponent": component,
            "reportingInstance": node.unwrap_or_default(),
        });
        // A namespace that is being deleted takes none.
        let _ = self.store.create(Resource::Events, namespace, event);
    }

    /// Counts an event that was told before.
    fn count(&self, namespace: &str, involved: &Value, reason: &str, message: &str, now: &str) -> bool {
        let same = |event: &Value| {
            let other = &event["involvedObject"];
            other["uid"] == involved["uid"]
                && other["fieldPath"] == involved["fieldPath"]
                && event["reason"] == reason
                && event["message"] == message
        };
        let all =
            self.store.list(Resource::Events, &Selection::namespace(namespace), &ListOptions::default());
        let all = all.map(|list| list.items).unwrap_or_default();
        let Some(known) = all.iter().find(|event| same(event)) else { return false };
        let name = known["metadata"]["name"].as_str().unwrap_or_default();
        let counted = self.store.edit(Resource::Events, namespace, name, |event| {
            event["count"] = (event["count"].as_u64().unwrap_or(0) + 1).into();
            event["lastTimestamp"] = now.into();
            Ok(())
        });
        counted.is_ok()
    }
}
