//! The config document of an image: what to run, and as whom, where and on what.

use std::collections::BTreeMap;

use runtime_core::helpers::arch::Architecture;
use runtime_core::helpers::digest::Digest;
use serde::Serialize;

/// The machine that an image is for, in the words of the image specification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Platform {
    /// The processor, as in `amd64`.
    pub architecture: String,
    /// The operating system, as in `linux`.
    pub os: String,
}

impl Platform {
    /// Linux on a processor.
    #[must_use]
    pub fn linux(architecture: impl Into<String>) -> Self {
        Self { architecture: architecture.into(), os: "linux".to_owned() }
    }

    /// The machine that this runs on.
    #[must_use]
    pub fn host() -> Self {
        Self::linux(Architecture::host().map_or(std::env::consts::ARCH, |host| host.oci().0))
    }
}

/// The whole document.
#[derive(Debug, Serialize)]
pub(super) struct ConfigDocument<'a> {
    /// Always the same, so that an image's digest depends on its content alone.
    pub(super) created: &'static str,
    #[serde(flatten)]
    pub(super) platform: &'a Platform,
    pub(super) config: &'a RunConfig,
    pub(super) rootfs: RootFs,
}

/// What a container of the image runs with, unless its own spec says otherwise.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RunConfig {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) entrypoint: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) cmd: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) env: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) working_dir: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) user: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) stop_signal: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) volumes: BTreeMap<String, Nothing>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) exposed_ports: BTreeMap<String, Nothing>,
}

/// The empty object: the specification writes a set as a map to it.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Nothing {}

#[derive(Debug, Serialize)]
pub(super) struct RootFs {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) diff_ids: Vec<Digest>,
}
