//! Copying files into containers and out of them: what every driver needs for it.
//!
//! Files travel as tar archives. The reading and writing of archives blocks, so it has threads of its own, with a few pieces
//! of the archive between them and the runtime and no more: memory stays flat, however large a file is.

mod error;
mod local;
mod over_exec;
mod pieces;
mod remote;
#[cfg(test)]
mod tests;

pub use archive::{Limits, Links, Root, TarError, UnpackOptions, pack_root, unpack_with};
pub use error::convert;
pub use local::{LocalSource, unpack_local};
pub use over_exec::{Archiver, copy_in, copy_out};
pub use pieces::{PieceReader, PieceWriter, read_with, write_with};
pub use remote::RemotePath;
