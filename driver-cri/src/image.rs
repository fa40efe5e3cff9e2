//! Images.

use async_trait::async_trait;
use futures::{StreamExt, stream};
use k8s_cri::v1 as cri;
use runtime_core::{
    Call, Context, Error, ErrorKind, FilesystemUsage, ImageFilter, ImageId, ImageStatus, ImageStore, Object,
    PullEvent, PullOptions, PullStream, Result, helpers::image_ref::ImageReference,
    spec::RegistryCredentials,
};

use tonic::Code;

use crate::{driver::CriDriver, translate::status};

/// The registry that images are from whose names say none, and the host that serves it.
const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

#[async_trait]
impl ImageStore for CriDriver {
    async fn pull(&self, cx: &Context, image: &ImageReference, options: &PullOptions) -> Result<PullStream> {
        self.admit(cx, &Call::ImagePull { image, options })?;
        // CRI reports no progress: the stream is its end. Nothing is asked before it is polled.
        let (driver, of_pull, image, options) = (self.clone(), cx.clone(), image.clone(), options.clone());
        let pull = async move {
            let id = driver.pull_image(&of_pull, &image, options.credentials.as_ref()).await?;
            Ok(PullEvent::Done(id))
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

    /// Pulls an image. containerd answers `Unknown` when the registry wants other credentials or can't be reached, and only
    /// words tell one from the other; so both are `Failed`, with these words.
    pub(crate) async fn pull_image(
        &self,
        cx: &Context,
        image: &ImageReference,
        credentials: Option<&RegistryCredentials>,
    ) -> Result<ImageId> {
        let request = cri::PullImageRequest {
            image: Some(spec(image)),
            auth: credentials.map(auth),
            sandbox_config: None,
        };
        match self.client().pull_image(cx, request).await {
            Ok(answer) => Ok(ImageId::new(answer.image_ref)),
            Err(refusal) => {
                let refusal = refusal.without(credentials.into_iter().flat_map(secrets));
                // The precondition that failed is that the content is what its digest says.
                let error = match refusal.code {
                    Some(Code::FailedPrecondition) => refusal.with_kind(ErrorKind::Failed),
                    _ => refusal.into(),
                };
                Err(error.with_object(Object::image(image.to_string())))
            }
        }
    }
}

/// Reads a reference as people write it.
pub(crate) fn reference(text: &str) -> Result<ImageReference> {
    text.parse().map_err(|error| Error::invalid("reference", error))
}

/// In full form, which no runtime takes for the beginning of an image's id.
fn spec(image: &ImageReference) -> cri::ImageSpec {
    cri::ImageSpec { image: image.to_string(), ..Default::default() }
}

fn auth(credentials: &RegistryCredentials) -> cri::AuthConfig {
    cri::AuthConfig {
        username: credentials.username.clone(),
        password: credentials.password.expose().to_owned(),
        auth: String::new(),
        server_address: server_address(&credentials.registry),
        identity_token: credentials.identity_token.expose().to_owned(),
        registry_token: credentials.registry_token.expose().to_owned(),
    }
}

/// The host that the credentials are for, as containerd compares it: it sends them to no other, such as a mirror.
fn server_address(registry: &str) -> String {
    let host = if registry == DOCKER_HUB { DOCKER_HUB_HOST } else { registry };
    format!("https://{host}")
}

fn secrets(credentials: &RegistryCredentials) -> [&str; 3] {
    [&credentials.password, &credentials.identity_token, &credentials.registry_token]
        .map(|secret| secret.expose())
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
