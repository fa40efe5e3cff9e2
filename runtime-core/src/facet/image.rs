//! Images.

use async_trait::async_trait;
use futures::stream::BoxStream;

use super::{ImageFilter, PullOptions};
use crate::{
    Context, FilesystemUsage, ImageMount, ImageStatus, PodId, PullEvent, Result,
    helpers::image_ref::ImageReference, spec::ImageMountSpec,
};

/// The steps of a pull; the last item is [`PullEvent::Done`] or an error.
pub type PullStream = BoxStream<'static, Result<PullEvent>>;

/// The images that a system has.
#[async_trait]
pub trait ImageStore: Send + Sync {
    /// Pulls an image, whether it is there or not.
    ///
    /// *Requires capability* `image.pull`.
    ///
    /// *Behaviour:* no such image is `NotFound`; refused by the registry is `Unauthenticated` or `PermissionDenied`; a
    /// registry that can't be reached or is in trouble is `Unavailable` and transient; one that isn't trusted, a signature that
    /// doesn't fit and content that isn't what its digest says are `Failed`. Pulls of the same image with the same credentials
    /// may be one. Dropping the stream leaves it, which ends it when nobody else waits for it.
    async fn pull(&self, cx: &Context, image: &ImageReference, options: &PullOptions) -> Result<PullStream>;

    /// What is known of an image that is there.
    ///
    /// *Requires capability* `image.status`.
    ///
    /// *Behaviour:* not there is `NotFound`.
    async fn status(&self, cx: &Context, image: &ImageReference) -> Result<ImageStatus>;

    /// The images that are there and fit a filter.
    ///
    /// *Requires capability* `image.list`.
    async fn list(&self, cx: &Context, filter: &ImageFilter) -> Result<Vec<ImageStatus>>;

    /// Removes an image.
    ///
    /// *Requires capability* `image.remove`.
    ///
    /// *Behaviour:* not there is `Ok`. Containers made from it go on.
    async fn remove(&self, cx: &Context, image: &ImageReference) -> Result<()>;

    /// How much room images take.
    ///
    /// *Requires capability* `image.filesystem`.
    async fn filesystem(&self, cx: &Context) -> Result<Vec<FilesystemUsage>>;

    /// Mounts the files of an image into a running pod, without pulling it first: what is read is fetched then.
    ///
    /// *Requires capability* `image.mount`, and `image.mount_prefetch` where files are to be fetched ahead.
    ///
    /// *Behaviour:* a missing pod is `NotFound`, one that does not run `InvalidState`. An id that is in use in the pod is
    /// `AlreadyExists`. If it fails, or the future is dropped, nothing is mounted.
    async fn mount(&self, cx: &Context, pod: &PodId, spec: &ImageMountSpec) -> Result<ImageMount>;

    /// Takes a mounted image away.
    ///
    /// *Requires capability* `image.unmount`.
    ///
    /// *Behaviour:* not mounted, or a missing or ended pod, is `Ok`.
    async fn unmount(&self, cx: &Context, pod: &PodId, id: &str) -> Result<()>;

    /// Puts another image, or the same with another configuration, in the place of a mounted one.
    ///
    /// *Requires capability* `image.remount`.
    ///
    /// *Behaviour:* not mounted is `NotFound`. If it fails, what was mounted stays.
    async fn remount(&self, cx: &Context, pod: &PodId, spec: &ImageMountSpec) -> Result<ImageMount>;

    /// The images that are mounted in a pod, in no particular order.
    ///
    /// *Requires capability* `image.mounts`.
    ///
    /// *Behaviour:* a missing pod is `NotFound`; one that does not run has none.
    async fn mounts(&self, cx: &Context, pod: &PodId) -> Result<Vec<ImageMount>>;
}
