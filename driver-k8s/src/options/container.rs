//! Options that only a Kubernetes container has.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        ContainerPort, ContainerResizePolicy, EnvFromSource, EnvVar, Lifecycle, Probe, ResourceClaim,
        VolumeDevice, VolumeMount, WindowsSecurityContextOptions,
    },
    apimachinery::pkg::api::resource::Quantity,
};
use serde::{Deserialize, Serialize};

use super::is_default;
use crate::strict;

/// Options of one container, by Kubernetes' names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct K8sContainerOptions {
    /// Variables whose values come from elsewhere; before those of the spec, which may refer to them. None has a `value`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "strict::field")]
    pub env: Vec<EnvVar>,
    /// Whole config maps and secrets as variables.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "strict::field")]
    pub env_from: Vec<EnvFromSource>,
    /// Let Kubernetes put the values of variables in the place of `$(NAME)`, in the spec's command, arguments and variables.
    /// Unless this is set they are taken as they are, on every system.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub expand: bool,
    /// Ports with names. Those without are in the spec.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "strict::field")]
    pub ports: Vec<ContainerPort>,
    /// Mounts of volumes that the spec has no form for.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "strict::field")]
    pub volume_mounts: Vec<VolumeMount>,
    /// Volumes as block devices.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "strict::field")]
    pub volume_devices: Vec<VolumeDevice>,
    /// Other resources than processors and memory, such as `nvidia.com/gpu`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, Quantity>,
    /// Their limits.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Quantity>,
    /// Which of the pod's claims it uses.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "strict::field")]
    pub claims: Vec<ResourceClaim>,
    /// What a resize does to it.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "strict::field")]
    pub resize_policy: Vec<ContainerResizePolicy>,
    /// Whether it still works; it is restarted otherwise.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "strict::field")]
    pub liveness_probe: Option<Probe>,
    /// Whether it is ready.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "strict::field")]
    pub readiness_probe: Option<Probe>,
    /// Whether it has started; the other probes wait for it.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "strict::field")]
    pub startup_probe: Option<Probe>,
    /// What is done after its start and before its end.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "strict::field")]
    pub lifecycle: Option<Lifecycle>,
    /// `Always` makes an init container run beside the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<String>,
    /// The file whose content becomes the message of its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_message_path: Option<String>,
    /// Whether the end of its log may stand for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_message_policy: Option<String>,
    /// Security beside that of the spec.
    #[serde(skip_serializing_if = "is_default")]
    pub security: K8sContainerSecurity,
}

/// Security of a Kubernetes container beside that of the spec.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct K8sContainerSecurity {
    /// Which paths of `/proc` are hidden: `Default` or `Unmasked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proc_mount: Option<String>,
    /// Refuse to run as root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_non_root: Option<bool>,
    /// Group id, where the user is the image's. With a user it is in the spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_group: Option<i64>,
    /// What only Windows containers have.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "strict::field")]
    pub windows_options: Option<WindowsSecurityContextOptions>,
}
