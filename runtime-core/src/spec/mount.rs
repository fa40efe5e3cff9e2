//! Mounts and volumes.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::Bytes;

/// Something mounted into a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Mount {
    /// Where it appears inside. Absolute.
    pub target: String,
    /// What is mounted.
    pub source: MountSource,
    /// Writing is refused.
    #[serde(default)]
    pub read_only: bool,
    /// Writing is refused below submounts too. Needs `read_only`.
    #[serde(default)]
    pub recursive_read_only: bool,
    /// Relabel the source for SELinux.
    #[serde(default)]
    pub selinux_relabel: bool,
    /// How mounts made below it later are seen on the other side.
    #[serde(default)]
    pub propagation: MountPropagation,
    /// User ids mapped on the mount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uid_mappings: Vec<IdMapping>,
    /// Group ids mapped on the mount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gid_mappings: Vec<IdMapping>,
}

/// What a mount shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum MountSource {
    /// A path of the runtime's host. Absolute.
    Host(PathBuf),
    /// A volume of the pod, by name.
    Volume(String),
    /// The files of an image.
    Image {
        /// The image's reference.
        reference: String,
        /// Annotations of the image reference.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        annotations: BTreeMap<String, String>,
        /// The reference as a person wrote it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_specified: Option<String>,
        /// The runtime handler to pull for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        runtime_handler: Option<String>,
    },
}

/// How mounts made later cross the mount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MountPropagation {
    /// Not at all.
    #[default]
    Private,
    /// From the host into the container.
    HostToContainer,
    /// Both ways. Needs a privileged container.
    Bidirectional,
}

/// A range of ids of a container and where they are on the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdMapping {
    /// The first id on the host.
    pub host_id: u32,
    /// The first id in the container.
    pub container_id: u32,
    /// How many.
    pub length: u32,
}

/// A volume that lives as long as the pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Volume {
    /// The name by which mounts refer to it: a DNS label.
    pub name: String,
    /// What it is.
    pub source: VolumeSource,
}

/// The sorts of volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum VolumeSource {
    /// Memory.
    Tmpfs {
        /// The most it can hold. Not said: the system's default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size_limit: Option<Bytes>,
    },
}

impl Default for MountSource {
    fn default() -> Self {
        Self::Host(PathBuf::new())
    }
}

impl Mount {
    /// A path of the host at `target`, writable.
    #[must_use]
    pub fn host(source: impl Into<PathBuf>, target: impl Into<String>) -> Self {
        Self { target: target.into(), source: MountSource::Host(source.into()), ..Self::default() }
    }

    /// A volume of the pod at `target`, writable.
    #[must_use]
    pub fn volume(name: impl Into<String>, target: impl Into<String>) -> Self {
        Self { target: target.into(), source: MountSource::Volume(name.into()), ..Self::default() }
    }

    /// Refuses writing.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }
}
