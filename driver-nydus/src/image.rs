//! Images: RAFS mounted on daemons.

use async_trait::async_trait;
use runtime_core::{
    Call, Context, Error, ErrorKind, FilesystemUsage, ImageFilter, ImageMount, ImageStatus, ImageStore,
    Leftover, Operation, PodId, PullOptions, PullStream, Result, helpers::image_ref::ImageReference,
    spec::ImageMountSpec,
};

use crate::{driver::NydusDriver, mount_request::request, mounts};

#[async_trait]
impl ImageStore for NydusDriver {
    async fn pull(&self, cx: &Context, image: &ImageReference, options: &PullOptions) -> Result<PullStream> {
        self.admit(cx, &Call::ImagePull { image, options })?;
        Err(Error::unsupported(Operation::ImagePull))
    }

    async fn status(&self, cx: &Context, image: &ImageReference) -> Result<ImageStatus> {
        self.admit(cx, &Call::ImageStatus { image })?;
        Err(Error::unsupported(Operation::ImageStatus))
    }

    async fn list(&self, cx: &Context, filter: &ImageFilter) -> Result<Vec<ImageStatus>> {
        self.admit(cx, &Call::ImageList { filter })?;
        Err(Error::unsupported(Operation::ImageList))
    }

    async fn remove(&self, cx: &Context, image: &ImageReference) -> Result<()> {
        self.admit(cx, &Call::ImageRemove { image })?;
        Err(Error::unsupported(Operation::ImageRemove))
    }

    async fn filesystem(&self, cx: &Context) -> Result<Vec<FilesystemUsage>> {
        self.admit(cx, &Call::ImageFilesystem)?;
        Err(Error::unsupported(Operation::ImageFilesystem))
    }

    async fn mount(&self, cx: &Context, pod: &PodId, spec: &ImageMountSpec) -> Result<ImageMount> {
        self.admit(cx, &Call::ImageMount { pod, spec })?;
        let request = request(spec)?;
        let live = self.live(cx, pod).await?;
        mounts::mount(cx, self.janitor(), live, pod, &spec.id, request).await
    }

    async fn unmount(&self, cx: &Context, pod: &PodId, id: &str) -> Result<()> {
        self.admit(cx, &Call::ImageUnmount { pod, id })?;
        match self.live(cx, pod).await {
            Ok(live) => mounts::unmount(cx, &live, id).await,
            // With the daemon everything that was mounted on it went.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidState) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn remount(&self, cx: &Context, pod: &PodId, spec: &ImageMountSpec) -> Result<ImageMount> {
        self.admit(cx, &Call::ImageRemount { pod, spec })?;
        let request = request(spec)?;
        let live = self.live(cx, pod).await?;
        mounts::remount(cx, &live, pod, &spec.id, &request).await
    }

    async fn mounts(&self, cx: &Context, pod: &PodId) -> Result<Vec<ImageMount>> {
        self.admit(cx, &Call::ImageMounts { pod })?;
        match self.live(cx, pod).await {
            Ok(live) => mounts::list(cx, &live, pod).await,
            Err(error) if error.kind() == ErrorKind::InvalidState => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

impl NydusDriver {
    /// Takes away a mount that a call left behind. With its daemon it went by itself.
    pub(crate) async fn reap_mount(&self, cx: &Context, leftover: &Leftover) -> Result<()> {
        let (pod, attempt) = mounts::left(leftover)?;
        match self.live(cx, &pod).await {
            Ok(live) => attempt.on(live).undo(cx).await,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidState) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
