//! Status of images.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ImageId, PodId, spec::Bytes};

/// An image that the system has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ImageStatus {
    /// Its id.
    pub id: ImageId,
    /// Its names with tags, in full form.
    pub tags: Vec<String>,
    /// Its names with digests, in full form.
    pub digests: Vec<String>,
    /// How much room it takes.
    pub size: Option<Bytes>,
    /// The user that it runs as, by number or name; none is root.
    pub user: Option<String>,
    /// Whether the system keeps it from being collected.
    pub pinned: Option<bool>,
}

/// An image that is mounted in a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ImageMount {
    /// Its name within the pod.
    pub id: String,
    /// The pod.
    pub pod: PodId,
    /// Where its files are, as the pod's consumers see it.
    pub mountpoint: String,
    /// Where its files are on this host, if they can be read here.
    pub path: Option<PathBuf>,
    /// When it was mounted.
    pub mounted_at: Option<Timestamp>,
}

/// A step of a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PullEvent {
    /// So much has arrived.
    Progress {
        /// The part of the image, usually a layer, by digest.
        part: String,
        /// What arrived of it.
        received: Bytes,
        /// Its size, once known.
        total: Option<Bytes>,
    },
    /// The image is there. Always the last item.
    Done(ImageId),
}

/// How full a file system of the image store is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FilesystemUsage {
    /// Where it is.
    pub mountpoint: PathBuf,
    /// How much images take.
    pub used: Option<Bytes>,
    /// How many inodes images take.
    pub inodes_used: Option<u64>,
    /// When that was measured.
    pub measured_at: Option<Timestamp>,
}

impl ImageStatus {
    /// An image of which only the id is known.
    #[must_use]
    pub fn new(id: ImageId) -> Self {
        Self { id, tags: Vec::new(), digests: Vec::new(), size: None, user: None, pinned: None }
    }
}

impl ImageMount {
    /// A mount of which only this is known.
    #[must_use]
    pub fn new(id: impl Into<String>, pod: PodId, mountpoint: impl Into<String>) -> Self {
        Self { id: id.into(), pod, mountpoint: mountpoint.into(), path: None, mounted_at: None }
    }
}

impl FilesystemUsage {
    /// A file system of which only the place is known.
    #[must_use]
    pub fn new(mountpoint: impl Into<PathBuf>) -> Self {
        Self { mountpoint: mountpoint.into(), used: None, inodes_used: None, measured_at: None }
    }
}
