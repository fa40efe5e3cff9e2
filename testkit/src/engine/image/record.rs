//! What the engine knows about an image.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

/// The built-in image: the host's own files, so that `sh` and whatever else the host has can be run at once. Its
/// containers have no root of their own, and mounts are refused.
pub const HOST_IMAGE: &str = "wharf.local/host:latest";

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRecord {
    /// The digest of its configuration.
    pub id: String,
    /// Names with tags that stand for it.
    pub tags: Vec<String>,
    /// Names with the digests it was pulled by.
    pub digests: Vec<String>,
    /// Size of its compressed layers and documents, in bytes.
    pub size_bytes: u64,
    /// When it came here.
    pub created_at: Timestamp,
    /// How it wants to be run.
    pub config: ImageConfig,
}

/// How an image wants to be run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// `NAME=value` each.
    pub env: Vec<String>,
    /// The fixed beginning of the command.
    pub entrypoint: Vec<String>,
    /// The rest of the command, unless the caller has one.
    pub cmd: Vec<String>,
    /// Working directory.
    pub working_dir: Option<String>,
    /// `user` or `user:group`, each a name or a number.
    pub user: Option<String>,
    /// What its maker noted.
    pub labels: BTreeMap<String, String>,
    /// What asks it to stop.
    pub stop_signal: Option<String>,
    /// As Go has it: `amd64`.
    pub architecture: String,
    /// `linux`.
    pub os: String,
}

/// The configuration document of an image, as far as it matters here.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ConfigDocument {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    config: Option<RunDocument>,
    #[serde(default)]
    pub(super) rootfs: LayersDocument,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct LayersDocument {
    #[serde(default)]
    pub(super) diff_ids: Vec<String>,
}

/// Every field of it may be missing or null.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RunDocument {
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    working_dir: Option<String>,
    user: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    stop_signal: Option<String>,
}

impl ConfigDocument {
    pub(super) fn config(self) -> ImageConfig {
        let run = self.config.unwrap_or_default();
        let text = |text: Option<String>| text.filter(|text| !text.is_empty());
        ImageConfig {
            env: run.env.unwrap_or_default(),
            entrypoint: run.entrypoint.unwrap_or_default(),
            cmd: run.cmd.unwrap_or_default(),
            working_dir: text(run.working_dir),
            user: text(run.user),
            labels: run.labels.unwrap_or_default(),
            stop_signal: text(run.stop_signal),
            architecture: self.architecture,
            os: self.os,
        }
    }
}
