//! Images to be mounted.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use futures::future::BoxFuture;
use testkit::fake_nydusd;
use tokio::process::Command;
use wharf::{
    Error, ErrorKind, Result,
    nydus::{
        NydusMountOptions,
        rafs::{BlobCache, LocalFs, Prefetch, RafsConfig},
    },
    spec::ImageMountSpec,
};

use crate::unusable;

/// Who makes them.
#[derive(Debug, Clone)]
pub(crate) enum Maker {
    /// Nobody: what the stand-in takes for one has nothing in it.
    Fake,
    /// `nydus-image`, at this path.
    Real(PathBuf),
}

impl Maker {
    /// An image of the files in `content`, put together in `place`: the bootstrap, the blobs, and a cache.
    pub(crate) fn make(&self, content: &Path, place: &Path) -> BoxFuture<'static, Result<ImageMountSpec>> {
        let (maker, content, place) = (self.clone(), content.to_owned(), place.to_owned());
        Box::pin(async move {
            let [bootstrap, blobs, cache] = ["bootstrap", "blobs", "cache"].map(|name| place.join(name));
            for directory in [&blobs, &cache] {
                tokio::fs::create_dir_all(directory).await.map_err(unusable)?;
            }
            match maker {
                Self::Fake => {
                    tokio::fs::write(&bootstrap, fake_nydusd::bootstrap()).await.map_err(unusable)?;
                }
                Self::Real(program) => create(&program, &content, &bootstrap, &blobs).await?,
            }
            spec(&bootstrap, &blobs, &cache)
        })
    }
}

async fn create(program: &Path, content: &Path, bootstrap: &Path, blobs: &Path) -> Result<()> {
    let mut command = Command::new(program);
    command.arg("create").arg("--bootstrap").arg(bootstrap).arg("--blob-dir").arg(blobs).arg(content);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.map_err(unusable)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::new(ErrorKind::Unavailable, format!("no image was made: {}, {said}", output.status)))
}

fn spec(bootstrap: &Path, blobs: &Path, cache: &Path) -> Result<ImageMountSpec> {
    let config = RafsConfig::new(LocalFs::new(blobs))
        .with_cache(BlobCache::new(cache))
        // Only of what the caller of the mount names.
        .with_prefetch(Prefetch::default());
    let mut spec = ImageMountSpec::new("image", bootstrap.display().to_string());
    spec.extensions.set(&NydusMountOptions::new(config))?;
    Ok(spec)
}
