//! Configurations in files.

use std::{
    env,
    fs::Metadata,
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{DockerConfig, DockerConfigError};

const LEGACY_NAME: &str = ".dockercfg";

/// A configuration's file, which is read again when it has changed.
#[derive(Debug)]
pub struct DockerConfigFile {
    path: PathBuf,
    read: Mutex<Option<(Stamp, Arc<DockerConfig>)>>,
}

/// What changes when a file is written or replaced: device, inode, length, and time of the last change in nanoseconds.
type Stamp = (u64, u64, u64, i64, i64);

impl DockerConfigFile {
    /// The file at this path. Nothing is read yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), read: Mutex::default() }
    }

    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file says now.
    ///
    /// # Errors
    /// Those of [`DockerConfig::load`]. What it said before doesn't count any more.
    pub async fn current(&self) -> Result<Arc<DockerConfig>, DockerConfigError> {
        let metadata = tokio::fs::metadata(&self.path).await;
        let stamp = stamp(&metadata.map_err(|error| DockerConfigError::io(&self.path, error))?);
        if let Some((read_at, config)) = &*self.read.lock().unwrap_or_else(PoisonError::into_inner)
            && *read_at == stamp
        {
            return Ok(Arc::clone(config));
        }
        // Looked at before it is read: a change in between is seen next time.
        let config = Arc::new(load(&self.path).await?);
        let read = (stamp, Arc::clone(&config));
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
        Ok(config)
    }
}

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.dev(), metadata.ino(), metadata.len(), metadata.ctime(), metadata.ctime_nsec())
}

pub(super) async fn load(path: &Path) -> Result<DockerConfig, DockerConfigError> {
    let text = tokio::fs::read_to_string(path).await.map_err(|error| DockerConfigError::io(path, error))?;
    let is_legacy = path.file_name().is_some_and(|name| name == LEGACY_NAME);
    if is_legacy { DockerConfig::parse_legacy(&text) } else { DockerConfig::parse(&text) }
}

pub(super) async fn load_default() -> Result<DockerConfig, DockerConfigError> {
    let said = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = said("DOCKER_CONFIG").or_else(|| Some(said("HOME")?.join(".docker")));
    let Some(directory) = directory else { return Ok(DockerConfig::default()) };
    match load(&directory.join("config.json")).await {
        Err(DockerConfigError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(DockerConfig::default())
        }
        loaded => loaded,
    }
}
