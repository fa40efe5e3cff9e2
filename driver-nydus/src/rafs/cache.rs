//! Where data that was fetched is kept.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where data that was fetched is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Cache {
    /// Nowhere: whatever is read is fetched, each time.
    #[default]
    None,
    /// In files.
    FileCache(BlobCache),
    /// In the kernel's cache of files, for EROFS.
    FsCache(FsCache),
}

/// A cache in files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BlobCache {
    /// The directory of the files. The daemon makes it.
    pub work_dir: PathBuf,
    /// Whether data is kept as it comes, compressed.
    pub compressed: bool,
    /// Whether what is in the cache is checked when it is read.
    pub validate: bool,
    /// Whether the daemon forgets what it has when it ends.
    pub disable_indexed_map: bool,
}

/// A cache in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FsCache {
    /// The directory of the cache.
    pub work_dir: PathBuf,
}

impl Cache {
    /// Whether there is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

impl BlobCache {
    /// A cache in this directory.
    #[must_use]
    pub fn new(work_dir: impl Into<PathBuf>) -> Self {
        Self { work_dir: work_dir.into(), ..Self::default() }
    }

    /// Checks what is read from it.
    #[must_use]
    pub fn with_validation(mut self) -> Self {
        self.validate = true;
        self
    }
}

impl FsCache {
    /// A cache in this directory.
    #[must_use]
    pub fn new(work_dir: impl Into<PathBuf>) -> Self {
        Self { work_dir: work_dir.into() }
    }
}

impl From<BlobCache> for Cache {
    fn from(cache: BlobCache) -> Self {
        Self::FileCache(cache)
    }
}

impl From<FsCache> for Cache {
    fn from(cache: FsCache) -> Self {
        Self::FsCache(cache)
    }
}
