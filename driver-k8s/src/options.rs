//! Options that only Kubernetes pods have.

mod container;
mod validate;

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{
    api::core::v1::{
        Affinity, HostAlias, PodOS, PodReadinessGate, PodResourceClaim, PodSchedulingGate, Toleration,
        TopologySpreadConstraint, Volume, WindowsSecurityContextOptions,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::OwnerReference},
};
use runtime_core::spec::DriverOptions;
use serde::{Deserialize, Serialize};

use crate::strict;

pub use container::{K8sContainerOptions, K8sContainerSecurity};

/// How long a pod may wait for a node when nobody says: longer than a pod needs whose place others are about to leave, and
/// shorter than most calls' deadlines. A cluster that adds nodes needs more.
pub const DEFAULT_UNSCHEDULABLE_LIMIT: Duration = Duration::from_secs(60);

/// Options of a Kubernetes pod, for the `extensions` of its spec: what Kubernetes' own pod has and wharf's has not.
///
/// The names are Kubernetes' own, and so are the types of what is nested. What isn't said is left to the API server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct K8sPodOptions {
    /// Labels that the node must have, beside the architecture of the spec.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// The node itself, past the scheduler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_name: Option<String>,
    /// Taints that don't keep the pod away.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "strict::field")]
    pub tolerations: Vec<Toleration>,
    /// Which nodes and which neighbours it wants.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "strict::field")]
    pub affinity: Option<Affinity>,
    /// How its like are spread.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "strict::field")]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// The class that gives its priority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// Its priority. The API server refuses one that is not its class's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Whether it may push others away: `Never` or `PreemptLowerPriority`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preemption_policy: Option<String>,
    /// Who places it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler_name: Option<String>,
    /// What must be taken away before it is placed.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "strict::field")]
    pub scheduling_gates: Vec<PodSchedulingGate>,
    /// Devices that are allocated for it.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "strict::field")]
    pub resource_claims: Vec<PodResourceClaim>,
    /// Resources of the whole pod that the spec has no field for, such as huge pages.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, Quantity>,
    /// The same for limits.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Quantity>,
    /// The class of its container runtime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_class_name: Option<String>,
    /// What the runtime class costs. The API server sets it, and refuses another one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub overhead: BTreeMap<String, Quantity>,
    /// The operating system.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "strict::field")]
    pub os: Option<PodOS>,
    /// As whom its processes may talk to the API server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Give containers a token of the service account. They get none unless this says `true`, other than Kubernetes' default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automount_service_account_token: Option<bool>,
    /// Secrets with registry credentials that are there already, by name. Those of the spec come beside them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<String>,
    /// Keep the values of environment variables out of the pod object, in a secret that goes with the pod. Who may read pods
    /// sees them otherwise, and so do logs of the API.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub env_secret: bool,
    /// How names are resolved, before the spec's own `dns`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_policy: Option<String>,
    /// Entries for the containers' hosts file.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "strict::field")]
    pub host_aliases: Vec<HostAlias>,
    /// The subdomain of its host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subdomain: Option<String>,
    /// The host name is the full domain name.
    #[serde(rename = "setHostnameAsFQDN", skip_serializing_if = "Option::is_none")]
    pub set_hostname_as_fqdn: Option<bool>,
    /// Tell containers in their environment where the namespace's services are. Kubernetes does unless this says `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_service_links: Option<bool>,
    /// The pod is ended after so many seconds, whether or not it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<u32>,
    /// The grace period, in seconds, of a deletion that says none, such as by somebody else. Kubernetes' default is 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_grace_period_seconds: Option<u32>,
    /// What else must be true before it is ready.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "strict::field")]
    pub readiness_gates: Vec<PodReadinessGate>,
    /// Groups, users and labels beside those of the spec.
    #[serde(skip_serializing_if = "is_default")]
    pub security: K8sPodSecurity,
    /// More volumes. Containers mount them by their own options, or by name as those of the spec.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "strict::field")]
    pub volumes: Vec<Volume>,
    /// Options of containers and init containers, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub containers: BTreeMap<String, K8sContainerOptions>,
    /// Objects that take the pod with them when they go.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "strict::field")]
    pub owner_references: Vec<OwnerReference>,
    /// What must be taken away before the pod can go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
    /// How long the pod may be one that fits no node before its run fails, in Go's notation such as `90s`. Zero fails at once.
    /// Not said: [`DEFAULT_UNSCHEDULABLE_LIMIT`].
    #[serde(skip_serializing_if = "Option::is_none", with = "optional_duration")]
    pub unschedulable_limit: Option<Duration>,
    /// Where the toolbox comes from that commands are run with, for images without a shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toolbox: Option<Toolbox>,
}

/// Security of a Kubernetes pod beside that of the spec.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct K8sPodSecurity {
    /// The group of its volumes, which is a group of every container too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_group: Option<i64>,
    /// When the group of a volume's files is changed: `Always` or `OnRootMismatch`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_group_change_policy: Option<String>,
    /// Refuse to run as root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_non_root: Option<bool>,
    /// How volumes get the SELinux label: `Recursive` or `MountOption`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub se_linux_change_policy: Option<String>,
    /// What only Windows pods have.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "strict::field")]
    pub windows_options: Option<WindowsSecurityContextOptions>,
}

/// An image with the static toolbox, which every container then has at the same place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Toolbox {
    /// The image's reference.
    pub image: String,
    /// Where the program is in the image. Absolute.
    pub program: String,
    /// How it comes into the containers.
    #[serde(default)]
    pub via: ToolboxSource,
}

/// How the toolbox comes into containers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ToolboxSource {
    /// An init container copies it into a volume, once, and ends. Works everywhere.
    #[default]
    InitContainer,
    /// The image is mounted as a volume, and nothing is copied. Needs a server that has image volumes.
    ImageVolume,
}

impl DriverOptions for K8sPodOptions {
    const KEY: &'static str = "k8s";
}

impl K8sPodOptions {
    /// How long the pod may be unschedulable.
    #[must_use]
    pub fn unschedulable_limit(&self) -> Duration {
        self.unschedulable_limit.unwrap_or(DEFAULT_UNSCHEDULABLE_LIMIT)
    }
}

impl Toolbox {
    /// The program at this path in this image, copied by an init container.
    #[must_use]
    pub fn new(image: impl Into<String>, program: impl Into<String>) -> Self {
        Self { image: image.into(), program: program.into(), via: ToolboxSource::default() }
    }
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

mod optional_duration {
    use std::time::Duration;

    use runtime_core::helpers::duration;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => duration::serialize(value, to),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| duration::parse(&text)).transpose().map_err(D::Error::custom)
    }
}
