//! Nodes that go.

use serde_json::{Value, json};

use super::Kubelets;
use super::pod::Order;
use super::state::text;
use crate::fake_k8s::Refusal;
use crate::fake_k8s::store::{DeleteOptions, Resource};

impl Kubelets {
    /// A node is heard of no more, and what ran there is gone: the node's conditions are `Unknown`, it is tainted, and its
    /// pods are not ready, while their phase stays. With `evict` they are also deleted as after the time that they tolerate,
    /// and stay so, since no kubelet lets them go, until the node is [removed](Self::remove_node).
    ///
    /// # Errors
    /// 404 if there is no such node.
    pub fn lose_node(&self, name: &str, evict: bool) -> Result<(), Refusal> {
        let store = &self.cluster.store;
        let now = store.clock().time();
        store.edit(Resource::Nodes, "", name, |node| {
            for condition in node["status"]["conditions"].as_array_mut().into_iter().flatten() {
                condition["status"] = "Unknown".into();
                condition["reason"] = "NodeStatusUnknown".into();
                condition["message"] = "Kubelet stopped posting node status.".into();
                condition["lastTransitionTime"] = now.as_str().into();
            }
            let taint = |effect: &str| {
                json!({"key": "node.kubernetes.io/unreachable", "effect": effect, "timeAdded": now})
            };
            node["spec"]["taints"] = json!([taint("NoSchedule"), taint("NoExecute")]);
            Ok(())
        })?;
        for pod in self.silence(name) {
            let (namespace, pod_name) = (text(&pod, "namespace"), text(&pod, "name"));
            // One that is gone meanwhile needs nothing.
            let _ = store.edit(Resource::Pods, namespace, pod_name, |pod| {
                for condition in pod["status"]["conditions"].as_array_mut().into_iter().flatten() {
                    if condition["type"] == "Ready" && condition["status"] == "True" {
                        condition["status"] = "False".into();
                        condition["lastTransitionTime"] = now.as_str().into();
                    }
                }
                Ok(())
            });
            if evict {
                let why = "Taint manager: deleting due to NoExecute taint";
                let _ = store.edit(Resource::Pods, namespace, pod_name, |pod| {
                    disrupt(pod, &now, "DeletionByTaintManager", why);
                    Ok(())
                });
                let _ = store.delete(Resource::Pods, namespace, pod_name, &DeleteOptions::default());
            }
        }
        Ok(())
    }

    /// A node is taken out of the cluster: its pods end as `Failed` and are deleted, as nobody is left to run them.
    ///
    /// # Errors
    /// 404 if there is no such node.
    pub fn remove_node(&self, name: &str) -> Result<(), Refusal> {
        let store = &self.cluster.store;
        store.delete(Resource::Nodes, "", name, &DeleteOptions::default())?;
        let now = store.clock().time();
        for pod in self.silence(name) {
            let (namespace, pod_name) = (text(&pod, "namespace"), text(&pod, "name"));
            let _ = store.edit(Resource::Pods, namespace, pod_name, |pod| {
                let ended = matches!(pod["status"]["phase"].as_str(), Some("Failed" | "Succeeded"));
                if ended {
                    return Ok(());
                }
                pod["status"]["phase"] = "Failed".into();
                disrupt(pod, &now, "DeletionByPodGC", "PodGC: node no longer exists");
                Ok(())
            });
            let now = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
            let _ = store.delete(Resource::Pods, namespace, pod_name, &now);
        }
        Ok(())
    }

    /// Ends what runs on a node without a word; the pods' objects.
    fn silence(&self, node: &str) -> Vec<Value> {
        let mut objects = Vec::new();
        for run in self.cluster.running().into_iter().filter(|run| run.node == node) {
            run.order(Order::Gone);
            let identity = &run.identity;
            if let Ok(pod) = self.cluster.store.get(Resource::Pods, &identity.namespace, &identity.name)
                && text(&pod, "uid") == identity.uid
            {
                objects.push(Value::clone(&pod));
            }
        }
        objects
    }

    /// The node's list of images, as its status has it now.
    ///
    /// # Errors
    /// 404 if there is no such node.
    pub fn refresh_node(&self, name: &str) -> Result<(), Refusal> {
        let images = super::pull::list(self.cluster.runtime.engine().images());
        self.cluster.store.edit(Resource::Nodes, "", name, |node| {
            node["status"]["images"] = images;
            Ok(())
        })?;
        Ok(())
    }
}

/// Says in a pod's status who takes it away.
fn disrupt(pod: &mut Value, now: &str, reason: &str, message: &str) {
    let condition = json!({
        "type": "DisruptionTarget",
        "observedGeneration": pod["metadata"]["generation"],
        "status": "True",
        "lastProbeTime": null,
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    });
    match pod["status"]["conditions"].as_array_mut() {
        Some(conditions) => conditions.push(condition),
        None => pod["status"]["conditions"] = json!([condition]),
    }
}
