//! The configuration of a mounted image.

use serde::{Deserialize, Serialize};

use super::{Backend, Cache};

/// How a daemon reaches and keeps the data of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RafsConfig {
    /// Under which name the daemon counts what its cache does for this image; the mount's id unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Where the data is.
    pub backend: Backend,
    /// Where data that was fetched is kept.
    #[serde(default, skip_serializing_if = "Cache::is_none")]
    pub cache: Cache,
    /// How the image's metadata is held.
    #[serde(default)]
    pub mode: MetadataMode,
    /// How many bytes are read at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u32>,
    /// Whether data is checked against its digest.
    #[serde(default)]
    pub validate: bool,
    /// Whether files have their extended attributes.
    #[serde(default)]
    pub enable_xattr: bool,
    /// Whether the daemon counts what happens to each file.
    #[serde(default)]
    pub iostats_files: bool,
    /// Whether the daemon keeps which files were read when.
    #[serde(default)]
    pub access_pattern: bool,
    /// Whether the daemon keeps which files were read of late.
    #[serde(default)]
    pub latest_read_files: bool,
    /// Whether and how data is fetched before it is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefetch: Option<Prefetch>,
}

/// How an image's metadata is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetadataMode {
    /// Mapped from the bootstrap.
    #[default]
    Direct,
    /// Read into memory. Only for images of version 5.
    Cached,
}

/// How data is fetched before it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Prefetch {
    /// How many threads fetch, from 1 to 1024; 8 unless said.
    pub threads: u32,
    /// How many bytes are fetched at once; 1 MiB unless said, 256 MiB at most.
    pub batch_size: u32,
    /// How many bytes may be fetched a second; 0 is as many as can be.
    pub bandwidth_limit: u32,
    /// Whether the whole image is fetched, not only what is asked for.
    pub prefetch_all: bool,
}

impl RafsConfig {
    /// An image whose data is there, without a cache.
    #[must_use]
    pub fn new(backend: impl Into<Backend>) -> Self {
        Self {
            id: None,
            backend: backend.into(),
            cache: Cache::None,
            mode: MetadataMode::default(),
            batch_size: None,
            validate: false,
            enable_xattr: false,
            iostats_files: false,
            access_pattern: false,
            latest_read_files: false,
            prefetch: None,
        }
    }

    /// Keeps what was fetched.
    #[must_use]
    pub fn with_cache(mut self, cache: impl Into<Cache>) -> Self {
        self.cache = cache.into();
        self
    }

    /// Sets how metadata is held.
    #[must_use]
    pub fn with_mode(mut self, mode: MetadataMode) -> Self {
        self.mode = mode;
        self
    }

    /// Checks data against its digest.
    #[must_use]
    pub fn with_validation(mut self) -> Self {
        self.validate = true;
        self
    }

    /// Gives files their extended attributes.
    #[must_use]
    pub fn with_xattr(mut self) -> Self {
        self.enable_xattr = true;
        self
    }

    /// Counts what happens to each file, and keeps which were read.
    #[must_use]
    pub fn with_file_statistics(mut self) -> Self {
        self.iostats_files = true;
        self.access_pattern = true;
        self.latest_read_files = true;
        self
    }

    /// Fetches data before it is read.
    #[must_use]
    pub fn with_prefetch(mut self, prefetch: Prefetch) -> Self {
        self.prefetch = Some(prefetch);
        self
    }
}

impl Default for Prefetch {
    fn default() -> Self {
        Self { threads: 8, batch_size: 1024 * 1024, bandwidth_limit: 0, prefetch_all: false }
    }
}

impl Prefetch {
    /// Fetches the whole image.
    #[must_use]
    pub fn all() -> Self {
        Self { prefetch_all: true, ..Self::default() }
    }

    /// Sets how many threads fetch.
    #[must_use]
    pub fn with_threads(mut self, threads: u32) -> Self {
        self.threads = threads;
        self
    }

    /// Sets how many bytes may be fetched a second.
    #[must_use]
    pub fn with_bandwidth_limit(mut self, bytes: u32) -> Self {
        self.bandwidth_limit = bytes;
        self
    }
}
