//! Why a stream or a connection ends, as numbers.

use std::fmt;

/// Why a stream was reset.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ResetStatus {
    /// The peer broke the protocol.
    ProtocolError,
    /// There is no such stream.
    InvalidStream,
    /// The stream was refused before anything was done for it.
    RefusedStream,
    /// The version is not spoken.
    UnsupportedVersion,
    /// The stream is no longer wanted.
    Cancel,
    /// The sender failed.
    InternalError,
    /// The peer broke flow control.
    FlowControlError,
    /// The number was used before.
    StreamInUse,
    /// The peer sent after its end.
    StreamAlreadyClosed,
    /// Any other number, 0 excepted.
    Other(u32),
}

impl ResetStatus {
    const NAMED: [Self; 9] = [
        Self::ProtocolError,
        Self::InvalidStream,
        Self::RefusedStream,
        Self::UnsupportedVersion,
        Self::Cancel,
        Self::InternalError,
        Self::FlowControlError,
        Self::StreamInUse,
        Self::StreamAlreadyClosed,
    ];

    /// From the number of the wire. Zero is none.
    pub fn from_code(code: u32) -> Option<Self> {
        let index = usize::try_from(code).ok()?.checked_sub(1)?;
        Some(Self::NAMED.get(index).copied().unwrap_or(Self::Other(code)))
    }

    /// The number of the wire.
    pub fn code(self) -> u32 {
        match self {
            Self::ProtocolError => 1,
            Self::InvalidStream => 2,
            Self::RefusedStream => 3,
            Self::UnsupportedVersion => 4,
            Self::Cancel => 5,
            Self::InternalError => 6,
            Self::FlowControlError => 7,
            Self::StreamInUse => 8,
            Self::StreamAlreadyClosed => 9,
            Self::Other(code) => code,
        }
    }
}

impl fmt::Display for ResetStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ProtocolError => "protocol error",
            Self::InvalidStream => "no such stream",
            Self::RefusedStream => "stream refused",
            Self::UnsupportedVersion => "version not spoken",
            Self::Cancel => "cancelled",
            Self::InternalError => "internal error",
            Self::FlowControlError => "flow control error",
            Self::StreamInUse => "stream in use",
            Self::StreamAlreadyClosed => "stream already closed",
            Self::Other(code) => return write!(f, "status {code}"),
        })
    }
}

/// Why the peer goes away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum GoAwayStatus {
    /// In order.
    Ok,
    /// The other side broke the protocol.
    ProtocolError,
    /// The sender failed.
    InternalError,
    /// Any other number.
    Other(u32),
}

impl GoAwayStatus {
    /// From the number of the wire.
    pub fn from_code(code: u32) -> Self {
        match code {
            0 => Self::Ok,
            1 => Self::ProtocolError,
            2 => Self::InternalError,
            other => Self::Other(other),
        }
    }

    /// The number of the wire.
    pub fn code(self) -> u32 {
        match self {
            Self::Ok => 0,
            Self::ProtocolError => 1,
            Self::InternalError => 2,
            Self::Other(code) => code,
        }
    }
}

impl fmt::Display for GoAwayStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "in order",
            Self::ProtocolError => "protocol error",
            Self::InternalError => "internal error",
            Self::Other(code) => return write!(f, "status {code}"),
        })
    }
}
