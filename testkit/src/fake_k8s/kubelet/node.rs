//! Nodes: what they are made of, and the object that stands for one.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A node to be. All nodes run their pods on the one engine, whatever their architecture.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// Its name.
    pub name: String,
    /// As Go has it: `amd64`, `arm64`.
    pub architecture: String,
    /// Labels besides those that every node has.
    pub labels: BTreeMap<String, String>,
    /// Taints, as in `spec.taints`.
    pub taints: Vec<Value>,
    /// Its address in statuses.
    pub address: String,
}

impl NodeOptions {
    /// A node for `amd64`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            architecture: "amd64".to_owned(),
            labels: BTreeMap::new(),
            taints: Vec::new(),
            address: "10.250.0.1".to_owned(),
        }
    }

    /// The same for another architecture.
    #[must_use]
    pub fn with_architecture(self, architecture: impl Into<String>) -> Self {
        Self { architecture: architecture.into(), ..self }
    }

    /// The object, as the recorded cluster's.
    pub(super) fn object(&self, now: &str, mounts_images: bool) -> Value {
        let runtime = if mounts_images { "containerd://2.1.0" } else { "containerd://1.6.20" };
        let Self { name, architecture, address, .. } = self;
        let mut labels: BTreeMap<String, String> = [
            ("beta.kubernetes.io/arch", architecture.as_str()),
            ("beta.kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", architecture),
            ("kubernetes.io/hostname", name),
            ("kubernetes.io/os", "linux"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        labels.extend(self.labels.clone());
        let spec = if self.taints.is_empty() { json!({}) } else { json!({"taints": self.taints}) };
        let condition = |kind: &str, status: &str, reason: &str, message: &str| {
            json!({
                "type": kind, "status": status, "lastHeartbeatTime": now, "lastTransitionTime": now,
                "reason": reason, "message": message,
            })
        };
        json!({
            "kind": "Node",
            "apiVersion": "v1",
            "metadata": {"name": name, "labels": labels},
            "spec": spec,
            "status": {
                "capacity": {
                    "cpu": "2", "ephemeral-storage": "264212084Ki", "hugepages-1Gi": "0", "hugepages-2Mi": "0",
                    "memory": "24684084Ki", "pods": "110",
                },
                "allocatable": {
                    "cpu": "2", "ephemeral-storage": "267847642337", "hugepages-1Gi": "0", "hugepages-2Mi": "0",
                    "memory": "24581684Ki", "pods": "110",
                },
                "conditions": [
                    condition(
                        "MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"
                    ),
                    condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                    condition(
                        "PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"
                    ),
                    condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
                ],
                "addresses": [
                    {"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name},
                ],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
                "nodeInfo": {
                    "machineID": "3d1219c7c4c5404aaa1f6d2a48adfda4",
                    "systemUUID": "3d1219c7c4c5404aaa1f6d2a48adfda4",
                    "bootID": "a8ba2377-8082-42c2-897a-778da40fb27d",
                    "kernelVersion": "6.18.44",
                    "osImage": "Debian GNU/Linux 12 (bookworm)",
                    "containerRuntimeVersion": runtime,
                    "kubeletVersion": "v0.0.0-master+$Format:%H$",
                    "kubeProxyVersion": "",
                    "operatingSystem": "linux",
                    "architecture": architecture,
                },
                "declaredFeatures": [
                    "ExtendWebSocketsToKubelet", "InPlacePodLevelResourcesVerticalScaling",
                    "InPlacePodVerticalScalingInitContainers", "RestartAllContainersOnContainerExits",
                ],
            },
        })
    }
}
