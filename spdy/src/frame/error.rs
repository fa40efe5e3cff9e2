//! What is wrong with bytes, or with what was to become bytes.

/// What is wrong with a peer's bytes. After one of these the direction can't be read on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A control frame of another version.
    #[error("a frame of version {0}, not 3")]
    Version(u16),
    /// A control frame of a type that SPDY/3 does not have.
    #[error("a frame of the unknown type {0}")]
    UnknownType(u16),
    /// A control frame that is longer than [`MAX_CONTROL_FRAME`](super::MAX_CONTROL_FRAME).
    #[error("a control frame of {0} bytes is too large")]
    FrameTooLarge(usize),
    /// A control frame whose length does not fit its type.
    #[error("a frame of type {kind} has {length} bytes")]
    FrameLength {
        /// The frame's type.
        kind: u16,
        /// Its length.
        length: usize,
    },
    /// A control frame with a flag that its type does not have.
    #[error("a frame of type {kind} has the flags {flags:#04x}")]
    Flags {
        /// The frame's type.
        kind: u16,
        /// All its flags.
        flags: u8,
    },
    /// A frame of a stream, with no stream's number.
    #[error("a frame for stream 0")]
    ZeroStream,
    /// A `PING` with the number 0.
    #[error("a ping with the number 0")]
    ZeroPing,
    /// A `RST_STREAM` with the status 0.
    #[error("a reset of stream {0} without a status")]
    ZeroStatus(u32),
    /// A header block that is no zlib data, or asks for another dictionary.
    #[error("a header block can't be decompressed")]
    Compression,
    /// A header block that is longer than [`MAX_HEADERS`](super::MAX_HEADERS) when decompressed.
    #[error("a header block is too large")]
    HeadersTooLarge,
    /// A header block that ends too early, or doesn't.
    #[error("a header block's lengths are wrong")]
    HeaderLength,
    /// An empty header name, or one with an upper case letter.
    #[error("a header block has an invalid name")]
    HeaderName,
    /// A header name that occurs twice.
    #[error("a header block has a name twice")]
    DuplicateHeader,
    /// A header that is not UTF-8.
    #[error("a header block has text that is not UTF-8")]
    HeaderText,
}

/// What can't be said in a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// Headers of more than [`MAX_HEADERS`](super::MAX_HEADERS) bytes.
    #[error("the headers are too large")]
    HeadersTooLarge,
    /// An empty header name, or a name or value with a NUL character.
    #[error("a header name is empty, or a header has a NUL character")]
    InvalidHeader,
    /// A `DATA` frame of more than [`MAX_DATA`](super::MAX_DATA) bytes, or too many settings.
    #[error("the frame is too large")]
    FrameTooLarge,
    /// The compressor failed.
    #[error("the headers can't be compressed")]
    Compression,
}
