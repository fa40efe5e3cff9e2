//! How a daemon reaches the data of an image: the configuration of a mount, typed.
//!
//! Fields are called what nydusd calls them, in its configuration of version 2. What isn't said is nydusd's default.

mod backend;
mod cache;
mod config;
mod document;
mod remote;
mod seconds;
mod secrets;
mod validate;

#[cfg(test)]
mod tests;

pub use backend::{Backend, HttpProxy, LocalDisk, LocalFs, Oss, Registry, S3};
pub use cache::{BlobCache, Cache, FsCache};
pub use config::{MetadataMode, Prefetch, RafsConfig};
pub use remote::{Mirror, Proxy, Remote};

pub(crate) use document::Document;
pub(crate) use secrets::without_secrets;
