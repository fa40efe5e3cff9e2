//! A built image, and an index of images for several machines.

use runtime_core::helpers::digest::Digest;
use serde::Serialize;

use super::blob::Blob;
use super::config::Platform;
use super::error::Result;

/// An image for one machine, with all that its manifest refers to.
#[derive(Clone, Debug)]
pub struct Image {
    /// The manifest; its digest is the image's.
    pub manifest: Blob,
    /// The config document; its digest is what runtimes call the image id.
    pub config: Blob,
    /// The layers, lowest first.
    pub layers: Vec<Blob>,
    /// The machine it is for.
    pub platform: Platform,
}

/// Images for several machines under one name.
#[derive(Clone, Debug)]
pub struct ImageIndex {
    /// The index; its digest is the one that a tag gives.
    pub manifest: Blob,
    /// The images it lists.
    pub images: Vec<Image>,
}

/// Which family of media types an image uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The OCI image specification.
    #[default]
    Oci,
    /// Docker's image manifest, version 2, schema 2.
    Docker,
}

impl Image {
    /// The manifest's digest.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.manifest.digest
    }

    /// Config and layers.
    pub fn blobs(&self) -> impl Iterator<Item = &Blob> {
        std::iter::once(&self.config).chain(&self.layers)
    }

    pub(super) fn new(format: Format, config: Blob, layers: Vec<Blob>, platform: Platform) -> Result<Self> {
        let document = Manifest {
            schema_version: 2,
            media_type: format.manifest(),
            config: Descriptor::of(&config, None),
            layers: layers.iter().map(|layer| Descriptor::of(layer, None)).collect(),
        };
        let manifest = Blob::new(format.manifest(), serde_json::to_vec(&document)?);
        Ok(Self { manifest, config, layers, platform })
    }
}

impl ImageIndex {
    /// Lists images under one index. Each should be for another machine.
    pub fn new(format: Format, images: Vec<Image>) -> Result<Self> {
        let document = Index {
            schema_version: 2,
            media_type: format.index(),
            manifests: images
                .iter()
                .map(|image| Descriptor::of(&image.manifest, Some(&image.platform)))
                .collect(),
        };
        let manifest = Blob::new(format.index(), serde_json::to_vec(&document)?);
        Ok(Self { manifest, images })
    }

    /// The index's digest.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.manifest.digest
    }
}

impl Format {
    /// The media type of a manifest.
    #[must_use]
    pub fn manifest(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.manifest.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.v2+json",
        }
    }

    /// The media type of an index.
    #[must_use]
    pub fn index(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.index.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.list.v2+json",
        }
    }

    /// The media type of a config document.
    #[must_use]
    pub fn config(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.config.v1+json",
            Self::Docker => "application/vnd.docker.container.image.v1+json",
        }
    }

    /// The media type of a compressed layer.
    #[must_use]
    pub fn layer(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Docker => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        }
    }
}

/// How one document refers to another.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor<'a> {
    media_type: &'a str,
    digest: &'a Digest,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<&'a Platform>,
}

impl<'a> Descriptor<'a> {
    pub(super) fn of(blob: &'a Blob, platform: Option<&'a Platform>) -> Self {
        Self { media_type: &blob.media_type, digest: &blob.digest, size: blob.data.len(), platform }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u32,
    media_type: &'a str,
    config: Descriptor<'a>,
    layers: Vec<Descriptor<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u32,
    media_type: &'a str,
    manifests: Vec<Descriptor<'a>>,
}
