//! The images of a runtime.

use futures::StreamExt;

use super::Client;
use crate::{
    Error, ErrorKind, FilesystemUsage, ImageFilter, ImageId, ImageMount, ImageStatus, Operation, PodId,
    PullEvent, PullOptions, PullStream, Result, helpers::image_ref::ImageReference, spec::ImageMountSpec,
};

/// The images of a runtime.
#[derive(Debug, Clone)]
pub struct Images {
    client: Client,
}

impl Images {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Pulls an image to its end. See [`ImageStore::pull`](crate::ImageStore::pull).
    ///
    /// # Errors
    /// As there, and `InvalidArgument` for what is not a reference.
    pub async fn pull(&self, image: &str, options: &PullOptions) -> Result<ImageId> {
        let mut events = self.pull_events(image, options).await?;
        while let Some(event) = events.next().await {
            if let PullEvent::Done(id) = event? {
                return Ok(id);
            }
        }
        Err(Error::new(ErrorKind::Protocol, "the pull ended without a result")
            .with_operation(Operation::ImagePull))
    }

    /// Pulls an image and tells how far it is. See [`ImageStore::pull`](crate::ImageStore::pull).
    ///
    /// # Errors
    /// As there, and `InvalidArgument` for what is not a reference.
    pub async fn pull_events(&self, image: &str, options: &PullOptions) -> Result<PullStream> {
        let reference = self.reference(image, Operation::ImagePull)?;
        self.client.image_store(Operation::ImagePull)?.pull(&self.client.cx, &reference, options).await
    }

    /// What is known of an image. See [`ImageStore::status`](crate::ImageStore::status).
    ///
    /// # Errors
    /// As there, and `InvalidArgument` for what is not a reference.
    pub async fn status(&self, image: &str) -> Result<ImageStatus> {
        let reference = self.reference(image, Operation::ImageStatus)?;
        self.client.image_store(Operation::ImageStatus)?.status(&self.client.cx, &reference).await
    }

    /// The images that are there. See [`ImageStore::list`](crate::ImageStore::list).
    ///
    /// # Errors
    /// As there.
    pub async fn list(&self, filter: &ImageFilter) -> Result<Vec<ImageStatus>> {
        self.client.image_store(Operation::ImageList)?.list(&self.client.cx, filter).await
    }

    /// Removes an image. See [`ImageStore::remove`](crate::ImageStore::remove).
    ///
    /// # Errors
    /// As there, and `InvalidArgument` for what is not a reference.
    pub async fn remove(&self, image: &str) -> Result<()> {
        let reference = self.reference(image, Operation::ImageRemove)?;
        self.client.image_store(Operation::ImageRemove)?.remove(&self.client.cx, &reference).await
    }

    /// How much room images take. See [`ImageStore::filesystem`](crate::ImageStore::filesystem).
    ///
    /// # Errors
    /// As there.
    pub async fn filesystem(&self) -> Result<Vec<FilesystemUsage>> {
        self.client.image_store(Operation::ImageFilesystem)?.filesystem(&self.client.cx).await
    }

    /// Mounts an image into a pod. See [`ImageStore::mount`](crate::ImageStore::mount).
    ///
    /// # Errors
    /// As there.
    pub async fn mount(&self, pod: &PodId, spec: &ImageMountSpec) -> Result<ImageMount> {
        self.client.image_store(Operation::ImageMount)?.mount(&self.client.cx, pod, spec).await
    }

    /// Unmounts an image. See [`ImageStore::unmount`](crate::ImageStore::unmount).
    ///
    /// # Errors
    /// As there.
    pub async fn unmount(&self, pod: &PodId, id: &str) -> Result<()> {
        self.client.image_store(Operation::ImageUnmount)?.unmount(&self.client.cx, pod, id).await
    }

    /// Puts another image in the place of a mounted one. See [`ImageStore::remount`](crate::ImageStore::remount).
    ///
    /// # Errors
    /// As there.
    pub async fn remount(&self, pod: &PodId, spec: &ImageMountSpec) -> Result<ImageMount> {
        self.client.image_store(Operation::ImageRemount)?.remount(&self.client.cx, pod, spec).await
    }

    /// The images that are mounted in a pod. See [`ImageStore::mounts`](crate::ImageStore::mounts).
    ///
    /// # Errors
    /// As there.
    pub async fn mounts(&self, pod: &PodId) -> Result<Vec<ImageMount>> {
        self.client.image_store(Operation::ImageMounts)?.mounts(&self.client.cx, pod).await
    }

    fn reference(&self, image: &str, operation: Operation) -> Result<ImageReference> {
        image.parse().map_err(|error| {
            Error::invalid("image", error).with_operation(operation).with_driver(self.client.info().name)
        })
    }
}
