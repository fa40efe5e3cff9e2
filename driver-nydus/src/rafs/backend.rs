//! Where the data of an image is.
//!
//! An unknown field is refused also where fields are flattened; serde does not promise that, so a test holds it.

use std::path::PathBuf;

use base64::{Engine, engine::general_purpose::STANDARD};
use runtime_core::Secret;
use serde::{Deserialize, Serialize};

use super::Remote;

/// Where the data of an image is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Backend {
    /// In files of this host.
    #[serde(rename = "localfs")]
    LocalFs(LocalFs),
    /// On a disk of this host.
    #[serde(rename = "localdisk")]
    LocalDisk(LocalDisk),
    /// In an image registry.
    Registry(Registry),
    /// In Alibaba Cloud's object storage.
    Oss(Oss),
    /// In an object storage that speaks S3.
    S3(S3),
    /// With a server that has blobs by their names.
    HttpProxy(HttpProxy),
}

/// Files of this host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LocalFs {
    /// The directory with a file for each blob, named by its id.
    #[serde(skip_serializing_if = "is_empty")]
    pub dir: PathBuf,
    /// The one file with all data, instead of a directory.
    #[serde(skip_serializing_if = "is_empty")]
    pub blob_file: PathBuf,
    /// More directories to look in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alt_dirs: Vec<PathBuf>,
}

/// A disk of this host, with a partition for each blob.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LocalDisk {
    /// The disk.
    pub device_path: PathBuf,
}

/// An image registry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Registry {
    /// `https` unless said, or `http`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Its host, with a port if need be.
    pub host: String,
    /// The repository of the image.
    pub repo: String,
    /// User and password as HTTP's basic authentication has them; see [`Registry::with_credentials`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Secret>,
    /// A token of the registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry_token: Option<Secret>,
    /// The scheme for blobs, where it differs.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub blob_url_scheme: String,
    /// The host that blobs are fetched from, instead of the one that the registry sends to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub blob_redirected_host: String,
    /// How it is reached.
    #[serde(flatten)]
    pub remote: Remote,
}

/// Alibaba Cloud's object storage.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Oss {
    /// `https` unless said, or `http`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Its host.
    pub endpoint: String,
    /// The bucket.
    pub bucket_name: String,
    /// What the names of blobs begin with.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub object_prefix: String,
    /// Who is asking.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub access_key_id: String,
    /// The key of who is asking.
    #[serde(skip_serializing_if = "Secret::is_empty")]
    pub access_key_secret: Secret,
    /// How it is reached.
    #[serde(flatten)]
    pub remote: Remote,
}

/// An object storage that speaks S3.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct S3 {
    /// `https` unless said, or `http`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Its host.
    pub endpoint: String,
    /// The region.
    pub region: String,
    /// The bucket.
    pub bucket_name: String,
    /// What the names of blobs begin with.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub object_prefix: String,
    /// Who is asking.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub access_key_id: String,
    /// The key of who is asking.
    #[serde(skip_serializing_if = "Secret::is_empty")]
    pub access_key_secret: Secret,
    /// How it is reached.
    #[serde(flatten)]
    pub remote: Remote,
}

/// A server that has blobs by their names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HttpProxy {
    /// Its URL, or the absolute path of its unix socket.
    pub addr: String,
    /// What stands before the names of blobs.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// How it is reached.
    #[serde(flatten)]
    pub remote: Remote,
}

fn is_empty(path: &std::path::Path) -> bool {
    path.as_os_str().is_empty()
}

impl LocalFs {
    /// A directory with a file for each blob.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), ..Self::default() }
    }

    /// One file with all data.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { blob_file: path.into(), ..Self::default() }
    }
}

impl LocalDisk {
    /// This disk.
    #[must_use]
    pub fn new(device_path: impl Into<PathBuf>) -> Self {
        Self { device_path: device_path.into() }
    }
}

impl Registry {
    /// A repository of a registry.
    #[must_use]
    pub fn new(host: impl Into<String>, repo: impl Into<String>) -> Self {
        Self { host: host.into(), repo: repo.into(), ..Self::default() }
    }

    /// Speaks plain HTTP.
    #[must_use]
    pub fn with_plain_http(mut self) -> Self {
        self.scheme = Some("http".to_owned());
        self
    }

    /// Says who is asking.
    #[must_use]
    pub fn with_credentials(mut self, user: &str, password: &Secret) -> Self {
        self.auth = Some(Secret::new(STANDARD.encode(format!("{user}:{}", password.expose()))));
        self
    }

    /// Sets how it is reached.
    #[must_use]
    pub fn with_remote(mut self, remote: Remote) -> Self {
        self.remote = remote;
        self
    }
}

impl Oss {
    /// A bucket.
    #[must_use]
    pub fn new(endpoint: impl Into<String>, bucket_name: impl Into<String>) -> Self {
        Self { endpoint: endpoint.into(), bucket_name: bucket_name.into(), ..Self::default() }
    }

    /// Says who is asking.
    #[must_use]
    pub fn with_access_key(mut self, id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        self.access_key_id = id.into();
        self.access_key_secret = secret.into();
        self
    }

    /// Sets how it is reached.
    #[must_use]
    pub fn with_remote(mut self, remote: Remote) -> Self {
        self.remote = remote;
        self
    }
}

impl S3 {
    /// A bucket.
    #[must_use]
    pub fn new(
        endpoint: impl Into<String>,
        region: impl Into<String>,
        bucket_name: impl Into<String>,
    ) -> Self {
        Self {
            endpoint: endpoint.into(),
            region: region.into(),
            bucket_name: bucket_name.into(),
            ..Self::default()
        }
    }

    /// Says who is asking.
    #[must_use]
    pub fn with_access_key(mut self, id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        self.access_key_id = id.into();
        self.access_key_secret = secret.into();
        self
    }

    /// Sets how it is reached.
    #[must_use]
    pub fn with_remote(mut self, remote: Remote) -> Self {
        self.remote = remote;
        self
    }
}

impl HttpProxy {
    /// The server at a URL, or at a unix socket.
    #[must_use]
    pub fn new(addr: impl Into<String>) -> Self {
        Self { addr: addr.into(), ..Self::default() }
    }

    /// Sets how it is reached.
    #[must_use]
    pub fn with_remote(mut self, remote: Remote) -> Self {
        self.remote = remote;
        self
    }
}

macro_rules! backends {
    ($($name:ident),*) => {
        $(impl From<$name> for Backend {
            fn from(backend: $name) -> Self {
                Self::$name(backend)
            }
        })*
    };
}

backends!(LocalFs, LocalDisk, Registry, Oss, S3, HttpProxy);
