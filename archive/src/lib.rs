//! Tar that can't escape: archives from anywhere, unpacked into one directory and never beside it.
//!
//! All of it but [`EndScanner`] blocks: call it where blocking is allowed. It knows nothing of the rest of the project, so
//! that the small program inside containers can use it as well.

mod end;
mod error;
mod member;
mod options;
mod pack;
mod path;
mod place;
mod unpack;
mod vet;

pub use end::EndScanner;
pub use error::TarError;
pub use options::{Limits, Links, Report, Root, UnpackOptions};
pub use pack::{pack, pack_root};
pub use unpack::{unpack, unpack_with};
pub use vet::vet;

#[cfg(test)]
mod tests;
