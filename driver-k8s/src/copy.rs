//! Copying files in and out: Kubernetes has no call for it, so a command in the container does it.

use runtime_core::{
    ByteStream, ContainerId, Context, Result,
    copy::{self, Archiver, RemotePath},
    emulation::Helper,
};

use crate::{driver::K8sDriver, id::ContainerKey};

/// Reads a path of a running container as an archive.
pub(crate) async fn copy_out(
    driver: &K8sDriver,
    cx: &Context,
    id: &ContainerId,
    path: &str,
) -> Result<ByteStream> {
    RemotePath::parse(path)?;
    let archiver = archiver(driver, cx, id).await?;
    copy::copy_out(driver, cx, id, &archiver, path).await
}

/// Unpacks an archive into a directory of a running container.
pub(crate) async fn copy_in(
    driver: &K8sDriver,
    cx: &Context,
    id: &ContainerId,
    directory: &str,
    archive: ByteStream,
) -> Result<()> {
    let archiver = archiver(driver, cx, id).await?;
    copy::copy_in(driver, cx, id, &archiver, directory, archive).await
}

/// What packs and unpacks in a container. Whether an image has a `tar` shows when it is tried.
async fn archiver(driver: &K8sDriver, cx: &Context, id: &ContainerId) -> Result<Archiver> {
    let key = ContainerKey::parse(id)?;
    let target = driver.running(cx, &key).await?;
    Ok(match driver.helper(cx, &key, &target).await? {
        Some(Helper::Toolbox(path)) => Archiver::Toolbox(path),
        _ => Archiver::Tar,
    })
}
