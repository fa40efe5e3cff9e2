//! Fetching an image: manifest, configuration, layers; each byte checked against its digest.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http_body_util::BodyExt;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::flight::LayerProgress;
use super::record::ConfigDocument;
use super::reference::is_digest;
use super::registry::{PATIENCE, Repository};
use super::table::{Rootfs, architecture};
use super::unpack::unpack;
use super::{Credentials, ImageRecord, Reference};
use crate::engine::EngineError;
use crate::engine::core::{Shared, hex, random_id};
use crate::engine::rootfs::remove_tree;

/// Why a pull failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// The registry does not have it, or not for this machine.
    #[error("{what} not found")]
    NotFound {
        /// What it does not have.
        what: String,
    },
    /// There is no registry, or it is not on loopback.
    #[error("registry not reached: {why}")]
    Unreachable {
        /// What happened.
        why: String,
    },
    /// The registry, or the service that gives out tokens for it, refused.
    #[error("asked for {asked}, the registry answered with status {status}")]
    Status {
        /// What it was asked for.
        asked: Asked,
        /// The HTTP status.
        status: u16,
    },
    /// The content is not what its digest says.
    #[error("{part}: expected {expected}, got {got}")]
    DigestMismatch {
        /// What came: `manifest`, `config`, `layer`, or `diff`, the unpacked layer.
        part: &'static str,
        /// The digest that was asked for.
        expected: String,
        /// The digest of what came.
        got: String,
    },
    /// A manifest or a configuration that cannot be used.
    #[error("bad manifest: {why}")]
    BadManifest {
        /// What is wrong.
        why: String,
    },
    /// A layer that cannot be unpacked.
    #[error("bad layer: {why}")]
    BadLayer {
        /// What is wrong.
        why: String,
    },
    /// The answer broke off.
    #[error("the answer broke off: {why}")]
    Cut {
        /// How.
        why: String,
    },
    /// The image could not be kept.
    #[error("not stored: {why}")]
    Store {
        /// What happened.
        why: String,
    },
}

/// What a registry is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Asked {
    /// A manifest.
    Manifest,
    /// A configuration or a layer, by digest.
    Blob(String),
    /// A token, for somebody or for anybody.
    Token {
        /// For anybody: without credentials.
        anonymous: bool,
    },
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest => f.write_str("the manifest"),
            Self::Blob(digest) => f.write_str(digest),
            Self::Token { .. } => f.write_str("a token"),
        }
    }
}

const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// Fetches an image and stores it.
pub(super) async fn fetch(
    shared: &Arc<Shared>,
    reference: &Reference,
    credentials: Option<&Credentials>,
    progress: impl Fn(&[LayerProgress]),
) -> Result<Arc<ImageRecord>, EngineError> {
    let fetched = fetch_all(shared, reference, credentials, progress).await;
    fetched.map_err(|error| EngineError::Pull { reference: reference.to_string(), error })
}

async fn fetch_all(
    shared: &Arc<Shared>,
    reference: &Reference,
    credentials: Option<&Credentials>,
    progress: impl Fn(&[LayerProgress]),
) -> Result<Arc<ImageRecord>, PullError> {
    let mut repository = Repository::new(&reference.registry, &reference.repository, credentials);
    let wanted = reference.digest.as_ref().or(reference.tag.as_ref()).map(String::as_str).unwrap_or_default();
    let (digest, manifest, manifests_size) = manifest(&mut repository, wanted).await?;
    let config = repository.document(&blob(&manifest.config)?, "*/*").await?;
    check_digest("config", &manifest.config.digest, &Sha256::digest(&config))?;
    let document: ConfigDocument = serde_json::from_slice(&config).map_err(|error| bad(error.to_string()))?;
    if document.rootfs.diff_ids.len() != manifest.layers.len() {
        return Err(bad("the configuration has another number of layers".to_owned()));
    }
    let id = manifest.config.digest.clone();
    let layers_size: u64 = manifest.layers.iter().map(|layer| layer.size).fold(0, u64::saturating_add);
    let size = manifests_size.saturating_add(config.len() as u64).saturating_add(layers_size);
    let rootfs = match shared.images.by_id(&id) {
        Some(here) => here.rootfs,
        None => Arc::new(
            layers(shared, &mut repository, &manifest.layers, document.rootfs.diff_ids.clone(), progress)
                .await?,
        ),
    };
    Ok(shared.images.store(id, reference, Some(&digest), size, document.config(), rootfs))
}

/// The manifest for this machine, with the digest the name stands for and the size of what was read.
async fn manifest(
    repository: &mut Repository<'_>,
    wanted: &str,
) -> Result<(String, Manifest, u64), PullError> {
    let (body, said) = repository.manifest(wanted, ACCEPT).await?;
    let digest = format!("sha256:{}", hex(&Sha256::digest(&body)));
    for said in [Some(wanted), said.as_deref()].into_iter().flatten().filter(|said| is_digest(said)) {
        check_digest("manifest", said, &Sha256::digest(&body))?;
    }
    let size = body.len() as u64;
    match serde_json::from_slice(&body).map_err(|error| bad(error.to_string()))? {
        Document { manifests: Some(manifests), .. } => {
            let fits = |entry: &&Descriptor| {
                entry.platform.as_ref().is_some_and(|p| p.os == "linux" && p.architecture == architecture())
            };
            let none = || PullError::NotFound { what: format!("manifest for linux/{}", architecture()) };
            let entry = manifests.iter().find(fits).ok_or_else(none)?;
            if !is_digest(&entry.digest) {
                return Err(bad(format!("{:?} is not a digest", entry.digest)));
            }
            let (body, _) = repository.manifest(&entry.digest, ACCEPT).await?;
            check_digest("manifest", &entry.digest, &Sha256::digest(&body))?;
            let inner: Document = serde_json::from_slice(&body).map_err(|error| bad(error.to_string()))?;
            Ok((digest, inner.manifest()?, size + body.len() as u64))
        }
        document => Ok((digest, document.manifest()?, size)),
    }
}

/// Downloads the layers and unpacks them one over the other.
async fn layers(
    shared: &Arc<Shared>,
    repository: &mut Repository<'_>,
    layers: &[Descriptor],
    diff_ids: Vec<String>,
    progress: impl Fn(&[LayerProgress]),
) -> Result<Rootfs, PullError> {
    let store = |error: &dyn std::fmt::Display| PullError::Store { why: error.to_string() };
    let id = random_id().map_err(|error| store(&error))?;
    let mut ingests = Vec::new();
    let mut state: Vec<_> = layers
        .iter()
        .map(|layer| LayerProgress { digest: layer.digest.clone(), done_bytes: 0, total_bytes: layer.size })
        .collect();
    progress(&state);
    for (at, layer) in layers.iter().enumerate() {
        let ingest = Ingest::new(shared.images.ingest_dir().join(format!("{id}-{at}")), layer)
            .map_err(|error| store(&error))?;
        let advance = |bytes| {
            if let Some(state) = state.get_mut(at) {
                state.done_bytes = bytes;
            }
            progress(&state);
        };
        download(repository, layer, &ingest.data(), advance).await?;
        ingests.push(ingest);
    }
    let target = shared.images.image_dir(&id);
    let unpacked = shared.blocking(move || {
        // Moved in, so that whatever happens, the files are removed after the last byte was written to them.
        let rootfs = Rootfs::new(target.clone());
        fs::create_dir_all(&target).map_err(|error| EngineError::io("unpack", error))?;
        for (ingest, diff_id) in ingests.iter().zip(&diff_ids) {
            if let Err(error) = unpack(&ingest.data(), diff_id, &target) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(rootfs))
    });
    unpacked.await.map_err(|error| store(&error))?
}

async fn download(
    repository: &mut Repository<'_>,
    layer: &Descriptor,
    to: &Path,
    mut advance: impl FnMut(u64),
) -> Result<(), PullError> {
    let store = |error: std::io::Error| PullError::Store { why: error.to_string() };
    let cut = |why: String| PullError::Cut { why };
    let mut body = repository.get(&blob(layer)?, "*/*").await?.into_body();
    let mut file = tokio::fs::File::options().write(true).open(to).await.map_err(store)?;
    let mut hash = Sha256::new();
    let mut done = 0_u64;
    loop {
        let frame = timeout(PATIENCE, body.frame()).await.map_err(|_| cut("no more data".to_owned()))?;
        let Some(frame) = frame else { break };
        let Ok(bytes) = frame.map_err(|error| cut(error.to_string()))?.into_data() else { continue };
        hash.update(&bytes);
        file.write_all(&bytes).await.map_err(store)?;
        done += bytes.len() as u64;
        if done > layer.size {
            return Err(bad(format!("{} is longer than its {} bytes", layer.digest, layer.size)));
        }
        advance(done);
    }
    file.flush().await.map_err(store)?;
    if done < layer.size {
        return Err(cut(format!("{done} of {} bytes", layer.size)));
    }
    check_digest("layer", &layer.digest, &hash.finalize())
}

/// The directory of a layer that is on its way, laid out as containerd's content store does it.
struct Ingest(PathBuf);

impl Ingest {
    /// Without a turn for others: a pull that is given up in between would leave it behind.
    fn new(directory: PathBuf, layer: &Descriptor) -> std::io::Result<Self> {
        let ingest = Self(directory);
        fs::create_dir_all(&ingest.0)?;
        fs::write(ingest.0.join("ref"), format!("layer-{}", layer.digest))?;
        fs::write(ingest.0.join("total"), layer.size.to_string())?;
        // Opened later without being made: that goes on beside a removal of the directory when the pull is given up.
        fs::write(ingest.data(), [])?;
        Ok(ingest)
    }

    /// What has arrived.
    fn data(&self) -> PathBuf {
        self.0.join("data")
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        let _ = remove_tree(&self.0);
    }
}

/// A manifest or an index.
#[derive(Deserialize)]
struct Document {
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    size: u64,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
}

impl Document {
    fn manifest(self) -> Result<Manifest, PullError> {
        match (self.config, self.layers) {
            (Some(config), Some(layers)) => Ok(Manifest { config, layers }),
            _ => Err(bad("no configuration or no layers".to_owned())),
        }
    }
}

fn blob(descriptor: &Descriptor) -> Result<String, PullError> {
    if is_digest(&descriptor.digest) {
        Ok(format!("blobs/{}", descriptor.digest))
    } else {
        Err(bad(format!("{:?} is not a digest", descriptor.digest)))
    }
}

pub(super) fn check_digest(part: &'static str, expected: &str, got: &[u8]) -> Result<(), PullError> {
    let got = format!("sha256:{}", hex(got));
    if expected == got {
        Ok(())
    } else {
        Err(PullError::DigestMismatch { part, expected: expected.to_owned(), got })
    }
}

fn bad(why: String) -> PullError {
    PullError::BadManifest { why }
}
