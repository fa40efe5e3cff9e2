//! Images, as nodes report them: names and sizes. A node names 50 of its largest unless told otherwise.

use std::collections::BTreeMap;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{ContainerImage, Node};
use kube::api::ListParams;
use runtime_core::{
    Call, Context, Error, FilesystemUsage, ImageFilter, ImageId, ImageMount, ImageStatus, ImageStore, Object,
    PodId, PullOptions, PullStream, Result,
    helpers::{arch::Architecture, image_ref::ImageReference},
    spec::{Bytes, ImageMountSpec},
};

use crate::{api::Api, client::Client, driver::K8sDriver, error::Refusal};

/// How many nodes a page of a list holds. What a node reports of images makes it large.
const PAGE: u32 = 100;

#[async_trait]
impl ImageStore for K8sDriver {
    async fn pull(&self, cx: &Context, image: &ImageReference, options: &PullOptions) -> Result<PullStream> {
        self.admit(cx, &Call::ImagePull { image, options })?;
        Err(Error::unsupported("pulling an image"))
    }

    async fn status(&self, cx: &Context, image: &ImageReference) -> Result<ImageStatus> {
        self.admit(cx, &Call::ImageStatus { image })?;
        let name = image.to_string();
        let found = self.reported_images(cx).await?.into_iter().find(|one| is_named(one, &name));
        found.ok_or_else(|| Error::not_found(Object::image(name)))
    }

    async fn list(&self, cx: &Context, filter: &ImageFilter) -> Result<Vec<ImageStatus>> {
        self.admit(cx, &Call::ImageList { filter })?;
        let mut images = self.reported_images(cx).await?;
        if let Some(reference) = &filter.reference {
            let name =
                reference.parse::<ImageReference>().map_err(|error| Error::invalid("reference", error))?;
            images.retain(|image| is_named(image, &name.to_string()));
        }
        Ok(images)
    }

    async fn remove(&self, cx: &Context, image: &ImageReference) -> Result<()> {
        self.admit(cx, &Call::ImageRemove { image })?;
        Err(Error::unsupported("removing an image"))
    }

    async fn filesystem(&self, cx: &Context) -> Result<Vec<FilesystemUsage>> {
        self.admit(cx, &Call::ImageFilesystem)?;
        Err(Error::unsupported("the file system of images"))
    }

    async fn mount(&self, cx: &Context, pod: &PodId, spec: &ImageMountSpec) -> Result<ImageMount> {
        self.admit(cx, &Call::ImageMount { pod, spec })?;
        Err(Error::unsupported("mounting an image into a running pod"))
    }

    async fn unmount(&self, cx: &Context, pod: &PodId, id: &str) -> Result<()> {
        self.admit(cx, &Call::ImageUnmount { pod, id })?;
        Err(Error::unsupported("unmounting an image"))
    }

    async fn remount(&self, cx: &Context, pod: &PodId, spec: &ImageMountSpec) -> Result<ImageMount> {
        self.admit(cx, &Call::ImageRemount { pod, spec })?;
        Err(Error::unsupported("remounting an image"))
    }

    async fn mounts(&self, cx: &Context, pod: &PodId) -> Result<Vec<ImageMount>> {
        self.admit(cx, &Call::ImageMounts { pod })?;
        Err(Error::unsupported("listing mounted images"))
    }
}

impl K8sDriver {
    /// The architectures of the nodes, each once.
    ///
    /// # Errors
    /// The nodes can't be listed; one of an architecture that nobody knows is left out.
    pub async fn archs(&self, cx: &Context) -> Result<Vec<Architecture>> {
        let label = self.server().arch_label();
        let mut archs: Vec<_> = nodes(self.client(), cx)
            .await?
            .iter()
            .filter_map(|node| node.metadata.labels.as_ref()?.get(label).cloned())
            .filter_map(|arch| Architecture::from_go(&arch).ok())
            .collect();
        archs.sort_by_key(|arch| arch.go());
        archs.dedup();
        Ok(archs)
    }

    async fn reported_images(&self, cx: &Context) -> Result<Vec<ImageStatus>> {
        let nodes = nodes(self.client(), cx).await?;
        let reported = nodes.into_iter().filter_map(|node| node.status?.images).flatten();
        // The same on several nodes is one.
        let all: BTreeMap<String, ImageStatus> =
            reported.filter_map(status).map(|image| (image.id.as_str().to_owned(), image)).collect();
        Ok(all.into_values().collect())
    }
}

/// All nodes, without what none of this looks at.
pub(crate) async fn nodes(client: &Client, cx: &Context) -> Result<Vec<Node>, Refusal> {
    let api: Api<Node> = Api::of_cluster(client);
    let mut what = ListParams::default().limit(PAGE);
    let mut nodes = Vec::new();
    loop {
        let page = api.list(cx, &what).await?;
        nodes.extend(page.items.into_iter().map(|mut node| {
            node.metadata.managed_fields = None;
            node
        }));
        match page.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => what.continue_token = Some(next),
            None => return Ok(nodes),
        }
    }
}

/// Nodes don't tell an image's id: it is known by its digest, or by its name.
fn status(image: ContainerImage) -> Option<ImageStatus> {
    let names = image.names.unwrap_or_default();
    let (digests, tags): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name.contains('@'));
    let id = digests.first().and_then(|name| name.split_once('@')).map(|(_, digest)| digest.to_owned());
    let mut status = ImageStatus::new(ImageId::new(id.or_else(|| tags.first().cloned())?));
    status.size = image.size_bytes.and_then(|size| u64::try_from(size).ok()).map(Bytes);
    (status.tags, status.digests) = (tags, digests);
    Some(status)
}

fn is_named(image: &ImageStatus, name: &str) -> bool {
    image
        .tags
        .iter()
        .chain(&image.digests)
        .any(|own| own == name || own.parse::<ImageReference>().is_ok_and(|own| own.to_string() == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_and_the_digest_is_the_id() {
        let image = |names: &[&str]| ContainerImage {
            names: Some(names.iter().map(|&name| name.to_owned()).collect()),
            size_bytes: Some(7),
        };
        let digest = format!("sha256:{}", "a".repeat(64));
        let both = status(image(&[&format!("registry.example/a@{digest}"), "registry.example/a:1"])).unwrap();
        assert_eq!((both.id.as_str(), both.size), (digest.as_str(), Some(Bytes(7))));
        assert_eq!(both.tags, ["registry.example/a:1"]);
        assert!(is_named(&both, "registry.example/a:1") && !is_named(&both, "registry.example/a:2"));
        assert_eq!(status(image(&["a:1"])).unwrap().id.as_str(), "a:1");
        assert!(status(image(&[])).is_none());
    }
}
