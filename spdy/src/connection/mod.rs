//! A connection over a socket: one task that owns the socket, and handles that share its state.

mod error;
mod handle;
mod incoming;
mod receive;
mod state;
mod stream;
mod task;
#[cfg(test)]
mod tests;

pub use error::{CloseReason, Error, ProtocolError};
pub use handle::Connection;
pub use incoming::{Incoming, Offer};
pub use stream::{ReadHalf, Stream, WriteHalf};

/// From how many bytes of one stream that nobody has read nothing more is read from the socket.
pub const STREAM_BUFFER: usize = 256 * 1024;

/// From how many bytes of all streams that nobody has read nothing more is read from the socket.
pub const CONNECTION_BUFFER: usize = 4 * 1024 * 1024;

/// From how many bytes that the socket has not taken a write waits.
pub const SEND_BUFFER: usize = 256 * 1024;

/// How many streams of the peer there can be at once. One more is refused.
pub const MAX_PEER_STREAMS: usize = 1024;

/// How many bytes a `DATA` frame carries at most, so that streams take turns.
const MAX_CHUNK: usize = 64 * 1024;
