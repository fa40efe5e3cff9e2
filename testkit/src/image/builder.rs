//! Puts an image together.

use super::blob::Blob;
use super::config::{ConfigDocument, Nothing, Platform, RootFs, RunConfig};
use super::error::Result;
use super::layer::Layer;
use super::manifest::{Format, Image};

/// Collects layers and config of an image. The same input gives the same digest.
#[derive(Clone, Debug)]
pub struct ImageBuilder {
    platform: Platform,
    format: Format,
    layers: Vec<Layer>,
    config: RunConfig,
}

impl ImageBuilder {
    /// An image without layers and with an empty config, for a machine.
    #[must_use]
    pub fn new(platform: Platform) -> Self {
        Self { platform, format: Format::default(), layers: Vec::new(), config: RunConfig::default() }
    }

    /// Chooses the family of media types; OCI unless set.
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Lays a layer over those before.
    #[must_use]
    pub fn layer(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    /// Sets the entrypoint.
    #[must_use]
    pub fn entrypoint<const N: usize>(mut self, words: [&str; N]) -> Self {
        self.config.entrypoint = words.map(str::to_owned).into();
        self
    }

    /// Sets the command: the entrypoint's arguments, or the whole command without one.
    #[must_use]
    pub fn cmd<const N: usize>(mut self, words: [&str; N]) -> Self {
        self.config.cmd = words.map(str::to_owned).into();
        self
    }

    /// Adds an environment variable; the order is kept.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.config.env.push(format!("{name}={value}"));
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn working_dir(mut self, path: &str) -> Self {
        self.config.working_dir = path.to_owned();
        self
    }

    /// Sets the user: `NAME`, `UID`, `NAME:GROUP` or `UID:GID`.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        self.config.user = user.to_owned();
        self
    }

    /// Sets the signal that stops a container, as in `SIGUSR1`.
    #[must_use]
    pub fn stop_signal(mut self, signal: &str) -> Self {
        self.config.stop_signal = signal.to_owned();
        self
    }

    /// Sets a label.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.config.labels.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Declares a path as a volume.
    #[must_use]
    pub fn volume(mut self, path: &str) -> Self {
        self.config.volumes.insert(path.to_owned(), Nothing {});
        self
    }

    /// Declares a port, as in `80/tcp`.
    #[must_use]
    pub fn expose(mut self, port: &str) -> Self {
        self.config.exposed_ports.insert(port.to_owned(), Nothing {});
        self
    }

    /// Writes config and manifest.
    pub fn build(&self) -> Result<Image> {
        let document = ConfigDocument {
            created: "1970-01-01T00:00:00Z",
            platform: &self.platform,
            config: &self.config,
            rootfs: RootFs {
                kind: "layers",
                diff_ids: self.layers.iter().map(|layer| layer.diff_id.clone()).collect(),
            },
        };
        let config = Blob::new(self.format.config(), serde_json::to_vec(&document)?);
        let layers = self.layers.iter().map(|layer| layer.blob(self.format.layer())).collect();
        Image::new(self.format, config, layers, self.platform.clone())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::layer::{Entry, LayerBuilder};
    use super::*;

    #[test]
    fn the_documents_refer_to_each_other() {
        let layer = LayerBuilder::new().with("file", Entry::file("x")).build().unwrap();
        let image = ImageBuilder::new(Platform::linux("arm64"))
            .layer(layer.clone())
            .entrypoint(["/guest"])
            .env("A", "b=c")
            .volume("/data")
            .build()
            .unwrap();
        let config: Value = serde_json::from_slice(&image.config.data).unwrap();
        assert_eq!(
            config,
            json!({
                "created": "1970-01-01T00:00:00Z", "architecture": "arm64", "os": "linux",
                "config": {"Entrypoint": ["/guest"], "Env": ["A=b=c"], "Volumes": {"/data": {}}},
                "rootfs": {"type": "layers", "diff_ids": [layer.diff_id.as_str()]},
            })
        );
        let manifest: Value = serde_json::from_slice(&image.manifest.data).unwrap();
        assert_eq!(manifest["config"]["digest"], image.config.digest.as_str());
        assert_eq!(manifest["config"]["size"], image.config.data.len());
        assert_eq!(manifest["layers"][0]["digest"], layer.digest.as_str());
        assert_eq!(manifest["mediaType"], image.manifest.media_type);
    }

    #[test]
    fn the_format_shows_in_each_media_type() {
        let layer = LayerBuilder::new().build().unwrap();
        let image = ImageBuilder::new(Platform::host()).format(Format::Docker).layer(layer).build().unwrap();
        for blob in image.blobs().chain([&image.manifest]) {
            assert!(blob.media_type.starts_with("application/vnd.docker."), "{}", blob.media_type);
        }
    }
}
