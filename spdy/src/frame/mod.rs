//! Frames, without IO: what they say, and their bytes.
//!
//! [`Encoder`] and [`Decoder`] each hold the compression of one direction's header blocks, so a connection needs one of
//! each for its whole life, and the frames of a direction must pass through it in the order of the wire.

mod compress;
mod decode;
mod dictionary;
mod encode;
mod error;
mod headers;
mod limits;
mod status;
#[cfg(test)]
mod tests;

pub use decode::Decoder;
pub use encode::Encoder;
pub use error::{DecodeError, EncodeError};
pub use headers::Headers;
pub use limits::{MAX_CONTROL_FRAME, MAX_DATA, MAX_HEADERS};
pub use status::{GoAwayStatus, ResetStatus};

use bytes::Bytes;

/// A stream's number: 1 to 2³¹ − 1, odd where the client opened it. 0 stands for none.
pub type StreamId = u32;

/// One frame. Of `DATA` it may be a part: see [`Decoder`].
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Frame {
    /// Opens a stream.
    SynStream {
        /// The new stream.
        stream: StreamId,
        /// The stream that it belongs to, 0 for none.
        associated: StreamId,
        /// 0, the most urgent, to 7.
        priority: u8,
        /// The opener will send nothing.
        fin: bool,
        /// The other side may send nothing.
        unidirectional: bool,
        /// What the stream is for.
        headers: Headers,
    },
    /// Accepts a stream.
    SynReply {
        /// The stream.
        stream: StreamId,
        /// The accepting side will send nothing.
        fin: bool,
        /// The answer.
        headers: Headers,
    },
    /// Ends a stream at once, in both directions.
    RstStream {
        /// The stream.
        stream: StreamId,
        /// Why.
        status: ResetStatus,
    },
    /// Settings of the sender.
    Settings {
        /// Earlier settings, which were kept, are void.
        clear: bool,
        /// The settings.
        settings: Vec<Setting>,
    },
    /// Asks for its own return.
    Ping {
        /// Odd where the client asks.
        id: u32,
    },
    /// No streams after this one will be heard.
    GoAway {
        /// The last stream of the other side that was or may be heard.
        last_good: StreamId,
        /// Why.
        status: GoAwayStatus,
    },
    /// More headers of a stream.
    Headers {
        /// The stream.
        stream: StreamId,
        /// The sender will send nothing more.
        fin: bool,
        /// The headers.
        headers: Headers,
    },
    /// The sender can take more bytes of a stream.
    WindowUpdate {
        /// The stream, 0 for the connection.
        stream: StreamId,
        /// How many bytes more.
        delta: u32,
    },
    /// A stream's bytes.
    Data {
        /// The stream.
        stream: StreamId,
        /// The sender will send nothing more.
        fin: bool,
        /// The bytes.
        data: Bytes,
    },
}

/// One setting of a `SETTINGS` frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Setting {
    /// Whether to keep it, or that it was kept.
    pub flags: u8,
    /// Which, 24 bits.
    pub id: u32,
    /// Its value.
    pub value: u32,
}

/// The version that control frames carry. SPDY/3.1 differs from 3 in flow control alone.
const VERSION: u16 = 3;
const HEADER: usize = 8;
const CONTROL_BIT: u8 = 0x80;
const STREAM_MASK: u32 = 0x7fff_ffff;

const FLAG_FIN: u8 = 1;
const FLAG_UNIDIRECTIONAL: u8 = 2;
const FLAG_CLEAR: u8 = 1;

/// Types of control frames.
mod kind {
    pub(super) const SYN_STREAM: u16 = 1;
    pub(super) const SYN_REPLY: u16 = 2;
    pub(super) const RST_STREAM: u16 = 3;
    pub(super) const SETTINGS: u16 = 4;
    pub(super) const PING: u16 = 6;
    pub(super) const GOAWAY: u16 = 7;
    pub(super) const HEADERS: u16 = 8;
    pub(super) const WINDOW_UPDATE: u16 = 9;
}
