//! Images.

use async_trait::async_trait;
use futures::{StreamExt, stream};
use k8s_cri::v1 as cri;
use runtime_core::{
    Call, Context, Error, FilesystemUsage, ImageFilter, ImageMount, ImageStatus, ImageStore, Object,
    Operation, PodId, PullEvent, PullOptions, PullStream, Result, helpers::image_ref::ImageReference,
    spec::ImageMountSpec,
};

use crate::{driver::CriDriver, translate::status};

#[async_trait]
impl ImageStore for CriDriver {
    async fn pull(&self, cx: &Context, image: &ImageReference, options: &PullOptions) -> Result<PullStream> {
        self.admit(cx, &Call::ImagePull { image, options })?;
        // CRI reports no progress: the stream is its end. Nothing is asked before it is polled.
        let (driver, of_pull, image, options) = (self.clone(), cx.clone(), image.clone(), options.clone());
        let pull = async move {
            let pull = async {
                match &options.credentials {
                    Some(own) => driver.pull_with(&of_pull, &image, Some(own)).await,
                    None => driver.pull_image(&of_pull, &image, None).await,
                }
            };
            let id = match options.no_progress_limit {
                Some(limit) => driver.while_something_arrives(limit, pull).await,
                None => pull.await,
            };
            id.map(PullEvent::Done).map_err(|error| error.with_object(Object::image(image.to_string())))
        };
        Ok(stream::once(pull).boxed())
    }

    async fn status(&self, cx: &Context, image: &ImageReference) -> Result<ImageStatus> {
        self.admit(cx, &Call::ImageStatus { image })?;
        let found = self.find_image(cx, image).await?;
        found.map(status::image).ok_or_else(|| Error::not_found(Object::image(image.to_string())))
    }

    async fn list(&self, cx: &Context, filter: &ImageFilter) -> Result<Vec<ImageStatus>> {
        self.admit(cx, &Call::ImageList { filter })?;
        let wanted = filter.reference.as_deref().map(reference).transpose();
        let wanted = wanted.map_err(|error| error.in_field("filter"))?;
        let images = self.client().list_images(cx, cri::ListImagesRequest { filter: None }).await?.images;
        let images = images.into_iter().map(status::image);
        // Runtimes ignore filters, so they get none.
        Ok(images.filter(|image| wanted.as_ref().is_none_or(|wanted| is_named(image, wanted))).collect())
    }

    async fn remove(&self, cx: &Context, image: &ImageReference) -> Result<()> {
        self.admit(cx, &Call::ImageRemove { image })?;
        match self.client().remove_image(cx, cri::RemoveImageRequest { image: Some(spec(image)) }).await {
            Err(refusal) if !refusal.is_not_found() => Err(refusal.into()),
            _ => Ok(()),
        }
    }

    async fn filesystem(&self, cx: &Context) -> Result<Vec<FilesystemUsage>> {
        self.admit(cx, &Call::ImageFilesystem)?;
        let answer = self.client().image_fs_info(cx, cri::ImageFsInfoRequest {}).await?;
        Ok(answer.image_filesystems.into_iter().map(status::filesystem).collect())
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

impl CriDriver {
    pub(crate) async fn find_image(
        &self,
        cx: &Context,
        image: &ImageReference,
    ) -> Result<Option<cri::Image>> {
        let request = cri::ImageStatusRequest { image: Some(spec(image)), verbose: false };
        match self.client().image_status(cx, request).await {
            Ok(answer) => Ok(answer.image),
            Err(refusal) if refusal.is_not_found() => Ok(None),
            Err(refusal) => Err(refusal.into()),
        }
    }
}

/// Reads a reference as people write it.
pub(crate) fn reference(text: &str) -> Result<ImageReference> {
    text.parse().map_err(|error| Error::invalid("reference", error))
}

/// In full form, which no runtime takes for the beginning of an image's id.
pub(crate) fn spec(image: &ImageReference) -> cri::ImageSpec {
    cri::ImageSpec { image: image.to_string(), ..Default::default() }
}

fn is_named(image: &ImageStatus, wanted: &ImageReference) -> bool {
    let names =
        image.tags.iter().chain(&image.digests).filter_map(|name| name.parse::<ImageReference>().ok());
    // What is wanted by tag and digest is known by digest.
    let by_digest = wanted.digest().map(|digest| wanted.pinned(digest.clone()));
    let wanted = by_digest.as_ref().unwrap_or(wanted);
    names.into_iter().any(|name| name == *wanted)
}

#[cfg(test)]
mod tests {
    use runtime_core::ImageId;

    use super::*;

    #[test]
    fn images_are_found_by_any_form_of_their_names() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let mut image = ImageStatus::new(ImageId::new("sha256:1"));
        image.tags = vec!["docker.io/library/busybox:1".to_owned()];
        image.digests = vec![format!("docker.io/library/busybox@{digest}")];
        for (name, is) in [
            ("busybox:1".to_owned(), true),
            ("docker.io/library/busybox:1".to_owned(), true),
            (format!("busybox@{digest}"), true),
            (format!("busybox:7@{digest}"), true),
            ("busybox".to_owned(), false),
            ("other:1".to_owned(), false),
        ] {
            assert_eq!(is_named(&image, &name.parse().unwrap()), is, "{name}");
        }
    }
}
