//! What wharf's spec says and Kubernetes' pod has no place for, kept in an annotation of the pod.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use runtime_core::{
    Error, Result,
    helpers::arch::Architecture,
    spec::{PodSpec, Resources},
};
use serde::{Deserialize, Serialize};

use crate::options::{Toolbox, is_default};

/// The annotation. A pod that has it was made by wharf.
pub(crate) const KEPT: &str = "wharf.dev/spec";

/// The annotation of a pod that wharf has stopped, with the time. Its deadline is no other than that.
pub(crate) const STOPPED: &str = "wharf.dev/stopped";

/// The finalizer of a pod that wharf has stopped by deleting it: it can be read until it is removed.
pub(crate) const HELD: &str = "wharf.dev/stopped";

/// Whether wharf has stopped a pod.
pub(crate) fn is_stopped(pod: &Pod) -> bool {
    pod.metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(STOPPED))
}

/// What is kept of a pod. Never a secret.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Kept {
    /// The caller's own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uid: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) attempt: u32,
    /// Kubernetes lets any pod hold privileged containers.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) privileged: bool,
    /// Whether the pod itself says that its groups are strict.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) strict_groups: bool,
    /// The architecture, where the node's label can't tell it from another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) architecture: Option<Architecture>,
    /// The secret that goes with the pod, with credentials or variables in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) toolbox: Option<Toolbox>,
    /// In Go's notation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unschedulable_limit: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) env_secret: bool,
    /// By name, those that have anything to keep.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) containers: BTreeMap<String, KeptContainer>,
}

/// What is kept of a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct KeptContainer {
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) attempt: u32,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) annotations: BTreeMap<String, String>,
    /// The image as a person wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_specified: Option<String>,
    /// The pull policy is `Always` because the spec says so.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) always: bool,
    /// Resources that are said in the kernel's terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resources: Option<Resources>,
    /// The container says itself that it has the pod's namespaces.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) namespaces: bool,
    /// The container says itself that its groups are strict.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) strict_groups: bool,
}

impl Kept {
    /// What a pod keeps; `None` if wharf didn't make it.
    pub(crate) fn of(pod: &Pod) -> Option<Self> {
        let annotations = pod.metadata.annotations.as_ref()?;
        // One that somebody broke keeps nothing.
        Some(serde_json::from_str(annotations.get(KEPT)?).unwrap_or_default())
    }

    pub(super) fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| Error::invalid("spec", error))
    }

    /// What has no other place.
    pub(super) fn from_spec(spec: &PodSpec) -> Self {
        let mut kept = Self { uid: spec.uid.clone(), attempt: spec.attempt, ..Self::default() };
        kept.privileged = spec.security.privileged;
        for (_, container) in spec.all_containers() {
            let of_container = KeptContainer::from_spec(container);
            if of_container != KeptContainer::default() {
                kept.containers.insert(container.name.clone(), of_container);
            }
        }
        kept
    }
}
