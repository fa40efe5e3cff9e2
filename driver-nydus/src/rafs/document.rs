//! The configuration as nydusd 2.2 reads it, version 2.

use std::path::Path;

use runtime_core::{Error, ErrorKind, Result, Secret};
use serde::Serialize;

use super::{Backend, Cache, MetadataMode, Prefetch, RafsConfig};

/// The configuration of one mount as a daemon takes it.
#[derive(Serialize)]
pub(crate) struct Document<'a> {
    version: u32,
    id: &'a str,
    backend: Tagged<&'a Backend>,
    cache: CacheDocument<'a>,
    rafs: RafsDocument,
}

/// Names its form beside having it under that name.
#[derive(Serialize)]
struct Tagged<T> {
    #[serde(rename = "type")]
    form: &'static str,
    #[serde(flatten)]
    value: T,
}

#[derive(Serialize)]
struct CacheDocument<'a> {
    #[serde(rename = "type")]
    form: &'static str,
    compressed: bool,
    validate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefetch: Option<PrefetchDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filecache: Option<Directory<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fscache: Option<Directory<'a>>,
}

#[derive(Serialize)]
struct Directory<'a> {
    work_dir: &'a Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_indexed_map: Option<bool>,
}

#[derive(Serialize)]
struct RafsDocument {
    mode: MetadataMode,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_size: Option<u32>,
    validate: bool,
    enable_xattr: bool,
    iostats_files: bool,
    access_pattern: bool,
    latest_read_files: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefetch: Option<PrefetchDocument>,
}

#[derive(Clone, Serialize)]
struct PrefetchDocument {
    enable: bool,
    threads: u32,
    batch_size: u32,
    bandwidth_limit: u32,
    prefetch_all: bool,
}

impl<'a> Document<'a> {
    /// Of the mount with this id. Where files are to be fetched ahead, prefetching is switched on, since the daemon would
    /// pass over them otherwise.
    pub(crate) fn new(config: &'a RafsConfig, mount: &'a str, prefetches: bool) -> Self {
        let asked_for = if prefetches { Some(Prefetch::default()) } else { None };
        let prefetch = config.prefetch.clone().or(asked_for).map(PrefetchDocument::from);
        Self {
            version: 2,
            id: config.id.as_deref().unwrap_or(mount),
            backend: Tagged { form: config.backend.name(), value: &config.backend },
            cache: CacheDocument::new(&config.cache, prefetch.clone()),
            rafs: RafsDocument {
                mode: config.mode,
                batch_size: config.batch_size,
                validate: config.validate,
                enable_xattr: config.enable_xattr,
                iostats_files: config.iostats_files,
                access_pattern: config.access_pattern,
                latest_read_files: config.latest_read_files,
                prefetch,
            },
        }
    }

    /// The text, with the secrets that the daemon needs.
    pub(crate) fn to_json(&self) -> Result<Secret> {
        // The writer's own words could name a path that isn't UTF-8, never a secret; they add nothing to act on.
        serde_json::to_string(self).map(Secret::new).map_err(|_| {
            Error::new(ErrorKind::InvalidArgument, "it can't be written as JSON, a path in it is not UTF-8")
        })
    }
}

impl<'a> CacheDocument<'a> {
    fn new(cache: &'a Cache, prefetch: Option<PrefetchDocument>) -> Self {
        let none = Self {
            form: "dummycache",
            compressed: false,
            validate: false,
            prefetch,
            filecache: None,
            fscache: None,
        };
        match cache {
            Cache::None => none,
            Cache::FileCache(cache) => Self {
                form: "filecache",
                compressed: cache.compressed,
                validate: cache.validate,
                filecache: Some(Directory {
                    work_dir: &cache.work_dir,
                    disable_indexed_map: Some(cache.disable_indexed_map),
                }),
                ..none
            },
            Cache::FsCache(cache) => Self {
                form: "fscache",
                fscache: Some(Directory { work_dir: &cache.work_dir, disable_indexed_map: None }),
                ..none
            },
        }
    }
}

impl From<Prefetch> for PrefetchDocument {
    fn from(prefetch: Prefetch) -> Self {
        let Prefetch { threads, batch_size, bandwidth_limit, prefetch_all } = prefetch;
        Self { enable: true, threads, batch_size, bandwidth_limit, prefetch_all }
    }
}

impl Backend {
    /// What nydusd calls it.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::LocalFs(_) => "localfs",
            Self::LocalDisk(_) => "localdisk",
            Self::Registry(_) => "registry",
            Self::Oss(_) => "oss",
            Self::S3(_) => "s3",
            Self::HttpProxy(_) => "http-proxy",
        }
    }
}
