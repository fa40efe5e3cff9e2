//! Copying files in and out: by a thread inside the container.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use futures::{StreamExt, future};
use runtime_core::{
    ByteStream, ContainerId, Context, Error, ErrorKind, Result,
    copy::{
        self, Limits, RemotePath, Root, TarError, UnpackOptions, pack_root, read_with, unpack_with,
        write_with,
    },
};
use tokio::sync::watch;

use super::{MemoryDriver, error::convert};
use crate::engine::{ContainerState, resolve_in_root};

impl MemoryDriver {
    /// Reads a path of a running container as an archive.
    pub(super) async fn pack(&self, cx: &Context, id: &ContainerId, path: &str) -> Result<ByteStream> {
        let path = RemotePath::parse(path)?;
        let ended = self.engine().watch_container(id.as_str()).map_err(convert)?;
        let (engine, container) = (self.engine().clone(), id.as_str().to_owned());
        let mut archive = read_with(move |writer| async move {
            let work = move |root: &Path| -> Result<(), TarError> {
                let (place, name) = (place(root, &path)?, path.name);
                pack_root(&place, name.as_ref(), Limits::NONE, writer)?.flush().map_err(at(Path::new("")))
            };
            engine.inside(&container, work).await.map_err(convert)?.map_err(copy::convert)
        });
        // The first piece tells whether there is something.
        let first = cx.run(async { archive.next().await.transpose() }).await?;
        let rest = futures::stream::iter(first.map(Ok)).chain(archive);
        Ok(while_running(rest.boxed(), ended))
    }

    /// Unpacks an archive into a directory of a running container.
    pub(super) async fn unpack(
        &self,
        cx: &Context,
        id: &ContainerId,
        directory: &str,
        archive: ByteStream,
    ) -> Result<()> {
        let ended = self.engine().watch_container(id.as_str()).map_err(convert)?;
        let target = PathBuf::from(directory);
        let work = write_with(while_running(archive, ended), |reader| async {
            let work = move |root: &Path| -> Result<()> {
                let target = resolve(root, &target).map_err(copy::convert)?;
                let is_directory = match fs::metadata(&target) {
                    Err(error) if error.kind() == io::ErrorKind::NotADirectory => false,
                    found => found.map_err(at(&target)).map_err(copy::convert)?.is_dir(),
                };
                if !is_directory {
                    let message = format!("{} is not a directory", target.display());
                    return Err(Error::invalid("directory", message));
                }
                unpack_with(reader, &target, &UnpackOptions::faithful(Root::Any)).map(drop).map_err(|error| {
                    let error = copy::convert(error);
                    // The directory was there when this began.
                    let is_missing = error.kind() == ErrorKind::NotFound;
                    if is_missing { Error::new(ErrorKind::Failed, error.message()) } else { error }
                })
            };
            self.engine().inside(id.as_str(), work).await.map_err(convert)?
        });
        cx.run(work).await
    }
}

/// Passes an archive on as long as the container runs.
fn while_running(archive: ByteStream, mut state: watch::Receiver<ContainerState>) -> ByteStream {
    let ended = Box::pin(async move {
        // A channel that closes is a removal.
        let _ = state.wait_for(|state| !matches!(state, ContainerState::Running { .. })).await;
    });
    futures::stream::unfold(Some((archive, ended)), |state| async {
        let (mut archive, ended) = state?;
        match future::select(ended, archive.next()).await {
            future::Either::Left(_) => {
                let message = "the container ended before the copy was complete";
                Some((Err(Error::new(ErrorKind::InvalidState, message)), None))
            }
            future::Either::Right((item, ended)) => item.map(|item| (item, Some((archive, ended)))),
        }
    })
    .boxed()
}

/// Where a path of the container is; what it names is not followed if it is a link.
fn place(root: &Path, path: &RemotePath) -> Result<PathBuf, TarError> {
    let place = resolve(root, Path::new(&path.parent))?.join(&path.name);
    match fs::symlink_metadata(&place) {
        // Nothing is below a file.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(at(&place)(io::ErrorKind::NotFound.into()))
        }
        found => found.map_err(at(&place)).map(|_| place),
    }
}

/// With walls the kernel resolves paths; without, links must not lead out of the container's files.
fn resolve(root: &Path, path: &Path) -> Result<PathBuf, TarError> {
    if root == Path::new("/") {
        return Ok(path.to_owned());
    }
    resolve_in_root(root, path).map_err(at(path))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> TarError + use<> {
    let path = path.to_owned();
    move |source| TarError::Io { path, source }
}
