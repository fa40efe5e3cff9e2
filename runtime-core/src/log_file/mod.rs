//! Log files of containers, in the format that CRI runtimes write: read from any line on, and followed.
//!
//! A log is one file and those that rotation has moved aside beside it (`0.log`, `0.log.20260102-030405`). [`read`]
//! takes them together, oldest first; compressed ones (`.gz`) are left out.

mod decoder;
mod generation;
mod reader;
mod tail;
#[cfg(test)]
mod tests;

pub use decoder::MAX_LINE_BYTES;
pub use reader::read;
