//! The pod.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    ContainerSpec, DnsConfig, Extensions, PodSecurity, PortMapping, RegistryCredentials, Resources, Volume,
    WindowsPodOptions,
};
use crate::helpers::arch::Architecture;

/// The namespace of pods that name none, where the driver has no other.
const DEFAULT_NAMESPACE: &str = "default";

/// A pod: containers that share at least a network.
///
/// ```
/// use runtime_core::spec::{ContainerSpec, PodSpec};
///
/// let pod = PodSpec::new("web")
///     .with_label("app", "web")
///     .with_container(ContainerSpec::new("server", "registry.example/server:1").with_args(["--port", "80"]));
/// assert_eq!(pod.namespace_or_default(), "default");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct PodSpec {
    /// The name, unique in its namespace: a DNS subdomain of at most 253 characters.
    pub name: String,
    /// The namespace: a DNS label. Not said: the driver's, which is `default`, and on Kubernetes the one that the client
    /// works in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The caller's own unique id of this pod. The driver makes one when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The number of times that the pod was made before under the same uid.
    #[serde(default)]
    pub attempt: u32,
    /// Labels, which [`PodFilter`](crate::PodFilter) selects by. Kubernetes' rules for keys and values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations, which nothing selects by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The host name inside. Not said: the system's choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The directory on the runtime's host for the logs of the pod's containers. Not said: the driver's choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_directory: Option<PathBuf>,
    /// Name resolution. Not said: the host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsConfig>,
    /// Ports to publish.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortMapping>,
    /// The parent cgroup of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup_parent: Option<String>,
    /// Kernel parameters of the pod's namespaces.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, String>,
    /// Namespaces, users, profiles.
    #[serde(default)]
    pub security: PodSecurity,
    /// What running the pod costs beside its containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overhead: Option<Resources>,
    /// The resources of all containers together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// What only Windows pods have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<WindowsPodOptions>,
    /// Containers that run one after the other, each to a successful end, before the others start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub init_containers: Vec<ContainerSpec>,
    /// The containers, started at the same time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<ContainerSpec>,
    /// Volumes that containers mount by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    /// Credentials to pull the images with, by registry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pull_secrets: Vec<RegistryCredentials>,
    /// Run on a node of this architecture. Not said: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Architecture>,
    /// Whether containers that end are started again.
    #[serde(default)]
    pub restart_policy: RestartPolicy,
    /// Options of one driver.
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

/// Whether a container that ends is started again by the system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RestartPolicy {
    /// Never: it stays ended, for its status to be read.
    #[default]
    Never,
    /// When it ended with anything but 0.
    OnFailure,
    /// Always.
    Always,
}

impl PodSpec {
    /// A pod of this name without containers.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Sets the namespace.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Adds a container.
    #[must_use]
    pub fn with_container(mut self, container: ContainerSpec) -> Self {
        self.containers.push(container);
        self
    }

    /// Adds an init container.
    #[must_use]
    pub fn with_init_container(mut self, container: ContainerSpec) -> Self {
        self.init_containers.push(container);
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn with_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Adds an annotation.
    #[must_use]
    pub fn with_annotation(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.annotations.insert(key.into(), value.into());
        self
    }

    /// Adds credentials to pull with.
    #[must_use]
    pub fn with_pull_secret(mut self, credentials: RegistryCredentials) -> Self {
        self.pull_secrets.push(credentials);
        self
    }

    /// The namespace, which is `default` unless said.
    #[must_use]
    pub fn namespace_or_default(&self) -> &str {
        self.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE)
    }

    /// The name for a person, with the namespace if one is said.
    #[must_use]
    pub fn full_name(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        }
    }

    /// Init containers, then containers, with the path of each in this spec.
    pub fn all_containers(&self) -> impl Iterator<Item = (String, &ContainerSpec)> {
        let indexed = |list: &'static str| move |(index, spec)| (format!("{list}[{index}]"), spec);
        let init = self.init_containers.iter().enumerate().map(indexed("initContainers"));
        init.chain(self.containers.iter().enumerate().map(indexed("containers")))
    }

    /// The credentials for a registry host, if the pod has any for it.
    #[must_use]
    pub fn credentials_for(&self, registry: &str) -> Option<&RegistryCredentials> {
        self.pull_secrets.iter().find(|credentials| credentials.registry == registry)
    }
}
