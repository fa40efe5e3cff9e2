//! The images that are here.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::flight::Flights;
use super::reference::is_digest;
use super::{HOST_IMAGE, ImageConfig, ImageRecord, Reference};
use crate::engine::core::{hex, random_id};
use crate::engine::process::lock;
use crate::engine::rootfs::{copy_tree, remove_tree};
use crate::engine::{Engine, EngineError, Object};

/// Images by id.
#[derive(Debug)]
pub(crate) struct ImageTable {
    state_dir: PathBuf,
    stored: Mutex<BTreeMap<String, Stored>>,
    pub(super) flights: Flights,
}

/// An image and its files.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) record: Arc<ImageRecord>,
    pub(crate) rootfs: Arc<Rootfs>,
}

/// The unpacked files of an image; removed with its last user. Without a directory: the host's own.
#[derive(Debug)]
pub(crate) struct Rootfs(Option<PathBuf>);

impl Rootfs {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self(Some(directory))
    }

    pub(crate) fn directory(&self) -> Option<&Path> {
        self.0.as_deref()
    }
}

impl Drop for Rootfs {
    fn drop(&mut self) {
        let Some(directory) = &self.0 else { return };
        if let Err(error) = remove_tree(directory) {
            tracing::warn!(%error, directory = %directory.display(), "left behind");
        }
    }
}

impl Engine {
    /// An image by id, tag or digest. A bare 64-digit id and an abbreviation of at least 12 digits are ids too.
    ///
    /// # Errors
    /// [`EngineError::NotFound`], [`EngineError::InvalidArgument`] for what is not a reference.
    pub fn image(&self, reference: &str) -> Result<Arc<ImageRecord>, EngineError> {
        Ok(self.shared().images.find(reference)?.record)
    }

    /// Every image, the built-in one included.
    pub fn images(&self) -> Vec<Arc<ImageRecord>> {
        lock(&self.shared().images.stored).values().map(|stored| Arc::clone(&stored.record)).collect()
    }

    /// Removes an image under all its names; containers made from it go on. `false`: there was none. Fault name
    /// `remove_image`.
    ///
    /// # Errors
    /// [`EngineError::Unsupported`] for the built-in image.
    pub async fn remove_image(&self, reference: &str) -> Result<bool, EngineError> {
        let shared = self.shared();
        shared
            .faults
            .around("remove_image", async {
                let stored = match shared.images.find(reference) {
                    Err(EngineError::NotFound { .. }) => return Ok(false),
                    found => found?,
                };
                if stored.rootfs.directory().is_none() {
                    return Err(EngineError::Unsupported {
                        what: "removing it",
                        why: "the image is built in",
                    });
                }
                let removed = lock(&shared.images.stored).remove(&stored.record.id);
                let gone = removed.is_some();
                // The last one takes the files with it.
                let last = move || {
                    drop((removed, stored));
                    Ok(())
                };
                shared.blocking(last).await?;
                Ok(gone)
            })
            .await
    }

    /// Copies an image's files to a directory, which is made. Blocks.
    pub(crate) fn copy_image(&self, reference: &str, to: &Path) -> Result<(), EngineError> {
        let stored = self.shared().images.find(reference)?;
        let from = stored
            .rootfs
            .directory()
            .ok_or(EngineError::Unsupported { what: "its files", why: "the image is built in" })?;
        copy_tree(from, to).map_err(|error| EngineError::io("copy an image", error))
    }

    /// Bytes and files that unpacked images take on disk.
    ///
    /// # Errors
    /// When the engine is shut down.
    pub async fn image_usage(&self) -> Result<(u64, u64), EngineError> {
        let directory = self.shared().images.images_dir();
        self.shared().blocking(move || Ok(usage(&directory))).await
    }

    /// The directory below which images are unpacked, as containerd names it.
    #[must_use]
    pub fn snapshotter_dir(&self) -> PathBuf {
        snapshotter_dir(&self.shared().images.state_dir)
    }

    /// Makes an image of a directory's files under `reference`, which moves there if it is taken. For tests and for
    /// those who have no registry. Fault name `import_image`.
    ///
    /// # Errors
    /// [`EngineError::InvalidArgument`] for the reference, or when the directory cannot be copied.
    pub async fn import_image(
        &self,
        reference: &str,
        directory: &Path,
        config: ImageConfig,
    ) -> Result<Arc<ImageRecord>, EngineError> {
        let shared = self.shared();
        let reference = Reference::parse(reference)?;
        let from = directory.to_path_buf();
        shared
            .faults
            .around("import_image", async {
                shared.check_open()?;
                let id = format!("sha256:{}", random_id()?);
                let to = shared.images.image_dir(&id);
                let rootfs = shared.blocking(move || {
                    let rootfs = Rootfs::new(to.clone());
                    copy_tree(&from, &to).map_err(|error| EngineError::io("import an image", error))?;
                    Ok(rootfs)
                });
                let rootfs = Arc::new(rootfs.await?);
                let directory = rootfs.directory().map(Path::to_path_buf).unwrap_or_default();
                let (size_bytes, _) = shared.blocking(move || Ok(usage(&directory))).await?;
                Ok(shared.images.store(id, &reference, None, size_bytes, config, rootfs))
            })
            .await
    }
}

impl ImageTable {
    /// An empty table but for the built-in image.
    pub(crate) fn create(state_dir: &Path) -> io::Result<Self> {
        let table = Self {
            state_dir: state_dir.to_path_buf(),
            stored: Mutex::default(),
            flights: Flights::default(),
        };
        fs::create_dir_all(table.images_dir())?;
        fs::create_dir_all(table.ingest_dir())?;
        let id = format!("sha256:{}", hex(&Sha256::digest(HOST_IMAGE)));
        let record = ImageRecord {
            id: id.clone(),
            tags: vec![HOST_IMAGE.to_owned()],
            digests: Vec::new(),
            size_bytes: 0,
            created_at: Timestamp::now(),
            config: ImageConfig {
                architecture: architecture().to_owned(),
                os: "linux".to_owned(),
                ..ImageConfig::default()
            },
        };
        lock(&table.stored).insert(id, Stored { record: Arc::new(record), rootfs: Arc::new(Rootfs(None)) });
        Ok(table)
    }

    pub(crate) fn find(&self, reference: &str) -> Result<Stored, EngineError> {
        let missing = || EngineError::not_found(Object::Image, reference);
        let stored = lock(&self.stored);
        let hex = reference.strip_prefix("sha256:").unwrap_or(reference);
        if hex.len() >= 12 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            let mut found = stored.values().filter(|stored| {
                stored.record.id.strip_prefix("sha256:").is_some_and(|id| id.starts_with(hex))
            });
            if let (Some(one), None) = (found.next(), found.next()) {
                return Ok(one.clone());
            }
            if is_digest(reference) {
                return Err(missing());
            }
        }
        let wanted = Reference::parse(reference)?;
        let by_digest = wanted.digest.as_ref().map(|digest| format!("{}@{digest}", wanted.name()));
        let by_tag = wanted.tagged();
        let found = stored.values().find(|stored| match (&by_digest, &by_tag) {
            (Some(digest), _) => stored.record.digests.contains(digest),
            (None, Some(tag)) => stored.record.tags.contains(tag),
            (None, None) => false,
        });
        found.cloned().ok_or_else(missing)
    }

    pub(super) fn by_id(&self, id: &str) -> Option<Stored> {
        lock(&self.stored).get(id).cloned()
    }

    /// Adds an image, or a name to one that is here. The tag leaves the image that had it.
    pub(super) fn store(
        &self,
        id: String,
        reference: &Reference,
        digest: Option<&str>,
        size_bytes: u64,
        config: ImageConfig,
        rootfs: Arc<Rootfs>,
    ) -> Arc<ImageRecord> {
        let mut stored = lock(&self.stored);
        let tag = reference.tagged();
        for other in stored.values_mut() {
            if tag.as_ref().is_some_and(|tag| other.record.tags.contains(tag)) {
                Arc::make_mut(&mut other.record).tags.retain(|other| Some(other) != tag.as_ref());
            }
        }
        let entry = stored.entry(id.clone()).or_insert_with(|| {
            let (tags, digests, created_at) = (Vec::new(), Vec::new(), Timestamp::now());
            Stored {
                record: Arc::new(ImageRecord { id, tags, digests, size_bytes, created_at, config }),
                rootfs,
            }
        });
        let record = Arc::make_mut(&mut entry.record);
        record.tags.extend(tag);
        let digest = digest.map(|digest| format!("{}@{digest}", reference.name()));
        record.digests.extend(digest.filter(|digest| !record.digests.contains(digest)));
        Arc::clone(&entry.record)
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        let stored = lock(&self.stored);
        stored
            .values()
            .filter(|stored| stored.rootfs.directory().is_some())
            .map(|s| s.record.id.clone())
            .collect()
    }

    pub(crate) fn clear(&self) {
        self.flights.clear();
        lock(&self.stored).clear();
    }

    /// Where layers arrive. The names are containerd's, so that whoever looks at its directories can look at these.
    pub(crate) fn ingest_dir(&self) -> PathBuf {
        self.state_dir.join("io.containerd.content.v1.content/ingest")
    }

    /// Where images are unpacked.
    fn images_dir(&self) -> PathBuf {
        snapshotter_dir(&self.state_dir).join("snapshots")
    }

    pub(super) fn image_dir(&self, id: &str) -> PathBuf {
        self.images_dir().join(id.trim_start_matches("sha256:"))
    }
}

fn snapshotter_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("io.containerd.snapshotter.v1.overlayfs")
}

/// This machine's, as Go has it.
pub(super) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
}

fn usage(directory: &Path) -> (u64, u64) {
    let mut total = (0, 0);
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(found) = entry.metadata() else { continue };
        let (bytes, files) = if found.is_dir() { usage(&entry.path()) } else { (0, 0) };
        total = (total.0 + found.len() + bytes, total.1 + 1 + files);
    }
    total
}
