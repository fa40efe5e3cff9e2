//! Tar that can't escape: archives from anywhere, unpacked into one directory and never beside it.
//!
//! All of it blocks: call it where blocking is allowed.

mod error;
mod member;
mod pack;
mod path;
mod unpack;

pub use error::TarError;
pub use pack::pack;
pub use unpack::{Limits, Report, unpack};

#[cfg(test)]
mod tests;
