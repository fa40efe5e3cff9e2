//! What is taken from, and sent to, a peer at most.

/// The most bytes of a control frame, without its own 8 bytes of header.
pub const MAX_CONTROL_FRAME: usize = 64 * 1024;

/// The most bytes of a header block, before compression.
pub const MAX_HEADERS: usize = 16 * 1024;

/// The most bytes of a `DATA` frame that can be said.
pub const MAX_DATA: usize = (1 << 24) - 1;
