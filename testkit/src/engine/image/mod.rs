//! Images: pulled from registries on loopback, unpacked once, shared by containers.

mod flight;
mod pull;
mod record;
mod reference;
mod registry;
mod table;
mod unpack;

pub use flight::{LayerProgress, Pull, PullEvent};
pub use pull::{Asked, PullError};
pub use record::{HOST_IMAGE, ImageConfig, ImageRecord};
pub use reference::Reference;
pub use registry::Credentials;
pub(crate) use table::{ImageTable, Rootfs};

#[cfg(test)]
#[cfg(feature = "full")]
mod tests;
