//! Images that are mounted without being pulled.

use serde::{Deserialize, Serialize};

use super::Extensions;

/// An image to be mounted into a pod. How it is reached is up to the driver's options in `extensions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ImageMountSpec {
    /// Names the mount within its pod: letters, digits, `_`, `+`, `-` and `.`, at most 255 of them, and not `.` or `..`.
    pub id: String,
    /// What describes the image to the system; for nydus the absolute path of the bootstrap file on this host.
    pub source: String,
    /// Files and directories, as absolute paths in the image, to be fetched before they are read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prefetch: Vec<String>,
    /// Options of the driver.
    #[serde(skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

impl ImageMountSpec {
    /// An image, by what describes it, mounted as `id`.
    #[must_use]
    pub fn new(id: impl Into<String>, source: impl Into<String>) -> Self {
        Self { id: id.into(), source: source.into(), ..Self::default() }
    }

    /// Fetches these files ahead.
    #[must_use]
    pub fn with_prefetch<S: Into<String>>(mut self, paths: impl IntoIterator<Item = S>) -> Self {
        self.prefetch = paths.into_iter().map(Into::into).collect();
        self
    }
}
