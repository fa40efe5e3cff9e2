//! Images: RAFS mounted on daemons.

use async_trait::async_trait;
use runtime_core::{
    Call, Context, Error, FilesystemUsage, ImageFilter, ImageMount, ImageStatus, ImageStore, Operation,
    PodId, PullOptions, PullStream, Result, helpers::image_ref::ImageReference, spec::ImageMountSpec,
};

use crate::driver::NydusDriver;

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
        Err(Error::unsupported(Operation::ImageMount))
    }

    async fn unmount(&self, cx: &Context, pod: &PodId, id: &str) -> Result<()> {
        self.admit(cx, &Call::ImageUnmount { pod, id })?;
        Err(Error::unsupported(Operation::ImageUnmount))
    }

    async fn remount(&self, cx: &Context, pod: &PodId, spec: &ImageMountSpec) -> Result<ImageMount> {
        self.admit(cx, &Call::ImageRemount { pod, spec })?;
        Err(Error::unsupported(Operation::ImageRemount))
    }

    async fn mounts(&self, cx: &Context, pod: &PodId) -> Result<Vec<ImageMount>> {
        self.admit(cx, &Call::ImageMounts { pod })?;
        Err(Error::unsupported(Operation::ImageMounts))
    }
}
