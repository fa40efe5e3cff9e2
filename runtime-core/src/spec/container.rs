//! The container.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ContainerSecurity, ImageSpec, Mount, Resources, WindowsContainerOptions};
use crate::{Secret, helpers::pull_policy::PullPolicy};

/// One container of a pod.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct ContainerSpec {
    /// The name, unique in the pod: a DNS label of at most 63 characters.
    pub name: String,
    /// The number of times that the container was made before in the same pod.
    #[serde(default)]
    pub attempt: u32,
    /// The image.
    pub image: ImageSpec,
    /// When to pull it. Not said: Kubernetes' rule, always for `latest` and untagged, else if it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_policy: Option<PullPolicy>,
    /// What to run, instead of the image's entrypoint and command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Arguments, instead of the image's command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// The working directory. Not said: the image's, else `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// Environment, over the image's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// What is mounted where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// Devices of the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// Devices by their fully qualified CDI name (`vendor.com/class=name`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cdi_devices: Vec<String>,
    /// Labels, which [`ContainerFilter`](crate::ContainerFilter) selects by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The log file, relative to the pod's log directory. Not said: the driver's choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_path: Option<String>,
    /// Keep stdin open for attaching.
    #[serde(default)]
    pub stdin: bool,
    /// Close stdin after the first attached session.
    #[serde(default)]
    pub stdin_once: bool,
    /// Give it a terminal.
    #[serde(default)]
    pub tty: bool,
    /// What it may and shall use.
    #[serde(default)]
    pub resources: Resources,
    /// Users, capabilities, profiles.
    #[serde(default)]
    pub security: ContainerSecurity,
    /// The signal that asks it to end, such as `SIGINT`. Not said: the image's, else `SIGTERM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// What only Windows containers have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<WindowsContainerOptions>,
}

/// An environment variable. Its value is treated as a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvVar {
    /// The name: not empty, without `=` and NUL.
    pub name: String,
    /// The value: anything without NUL.
    #[serde(default)]
    pub value: Secret,
}

/// A device of the host, given to a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Device {
    /// Its path inside. Absolute.
    pub container_path: String,
    /// Its path on the host. Absolute.
    pub host_path: String,
    /// Any of `r`, `w` and `m` (mknod).
    pub permissions: String,
}

impl EnvVar {
    /// `name=value`.
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<Secret>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

impl ContainerSpec {
    /// A container of this name and image that runs what the image says.
    #[must_use]
    pub fn new(name: impl Into<String>, image: impl Into<ImageSpec>) -> Self {
        Self { name: name.into(), image: image.into(), ..Self::default() }
    }

    /// Sets what to run, instead of the image's entrypoint and command.
    #[must_use]
    pub fn with_command<S: Into<String>>(mut self, command: impl IntoIterator<Item = S>) -> Self {
        self.command = command.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the arguments, instead of the image's command.
    #[must_use]
    pub fn with_args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args = args.into_iter().map(Into::into).collect();
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn with_env(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.env.push(EnvVar::new(name, value));
        self
    }

    /// Adds a mount.
    #[must_use]
    pub fn with_mount(mut self, mount: Mount) -> Self {
        self.mounts.push(mount);
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn with_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn with_working_dir(mut self, working_dir: impl Into<String>) -> Self {
        self.working_dir = Some(working_dir.into());
        self
    }

    /// Sets when the image is pulled.
    #[must_use]
    pub fn with_pull_policy(mut self, policy: PullPolicy) -> Self {
        self.pull_policy = Some(policy);
        self
    }

    /// Sets the resources.
    #[must_use]
    pub fn with_resources(mut self, resources: Resources) -> Self {
        self.resources = resources;
        self
    }

    /// Sets users, capabilities and profiles.
    #[must_use]
    pub fn with_security(mut self, security: ContainerSecurity) -> Self {
        self.security = security;
        self
    }
}
