//! OCI images, built in memory from the guest program.

mod archive;
mod blob;
mod builder;
mod config;
mod error;
pub mod guest;
mod layer;
mod manifest;
pub mod shell;
pub mod standard;

pub use archive::write_archive;
pub use blob::{Blob, digest_of};
pub use builder::ImageBuilder;
pub use config::Platform;
pub use error::{Error, Result};
pub use layer::{Entry, Layer, LayerBuilder};
pub use manifest::{Format, Image, ImageIndex};
pub use runtime_core::helpers::digest::Digest;
