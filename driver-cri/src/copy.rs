//! Copying files in and out: CRI has no call for it, so a command in the container does it.

use runtime_core::{
    ByteStream, ContainerId, Context, Result,
    copy::{self, Archiver, RemotePath},
    emulation::Helper,
};

use crate::driver::CriDriver;

impl CriDriver {
    /// Reads a path of a running container as an archive.
    pub(crate) async fn pack(&self, cx: &Context, id: &ContainerId, path: &str) -> Result<ByteStream> {
        RemotePath::parse(path)?;
        let archiver = self.archiver(cx, id).await?;
        copy::copy_out(self, cx, id, &archiver, path).await
    }

    /// Unpacks an archive into a directory of a running container.
    pub(crate) async fn unpack(
        &self,
        cx: &Context,
        id: &ContainerId,
        directory: &str,
        archive: ByteStream,
    ) -> Result<()> {
        let archiver = self.archiver(cx, id).await?;
        copy::copy_in(self, cx, id, &archiver, directory, archive).await
    }

    /// What packs and unpacks in a container. Whether an image has a `tar` shows when it is tried.
    async fn archiver(&self, cx: &Context, id: &ContainerId) -> Result<Archiver> {
        Ok(match self.helper(cx, id).await? {
            Some(Helper::Toolbox(path)) => Archiver::Toolbox(path),
            _ => Archiver::Tar,
        })
    }
}
