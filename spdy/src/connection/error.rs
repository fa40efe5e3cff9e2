//! Why a call failed, and why a connection ended.

use crate::frame::{DecodeError, EncodeError, GoAwayStatus, ResetStatus, StreamId};
use std::io;
use std::sync::Arc;

/// Why a call on a connection or a stream failed. Reads and writes wrap it in an [`io::Error`], from which
/// [`io::Error::get_ref`] and a downcast get it back.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer reset the stream, or refused to open it.
    #[error("the peer reset the stream: {0}")]
    Reset(ResetStatus),
    /// The peer takes no new streams.
    #[error("the peer goes away: {0}")]
    GoingAway(GoAwayStatus),
    /// The connection has ended.
    #[error("the connection has ended: {0}")]
    Closed(CloseReason),
    /// The stream's headers can't be sent.
    #[error(transparent)]
    Headers(#[from] EncodeError),
    /// All stream numbers of the connection are used up.
    #[error("the connection has no stream numbers left")]
    Exhausted,
    /// This side has ended its direction of the stream.
    #[error("the stream's sending half is shut down")]
    Shutdown,
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Reset(_) => io::ErrorKind::ConnectionReset,
            Error::Closed(_) | Error::GoingAway(_) => io::ErrorKind::ConnectionAborted,
            Error::Shutdown => io::ErrorKind::BrokenPipe,
            Error::Headers(_) => io::ErrorKind::InvalidInput,
            Error::Exhausted => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// Why a connection ended.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// This side closed it, dropped its last handle, or its runtime ended.
    #[error("closed by this side")]
    Local,
    /// The peer said that it goes away, and closed it.
    #[error("closed by the peer: {0}")]
    GoneAway(GoAwayStatus),
    /// The peer closed it without a word.
    #[error("closed by the peer without a word")]
    Lost,
    /// The peer broke the protocol.
    #[error("the peer broke the protocol: {0}")]
    Protocol(ProtocolError),
    /// The socket failed.
    #[error("{0}")]
    Io(Arc<io::Error>),
}

/// What a peer did that the protocol forbids.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// Bytes that are no frame.
    #[error(transparent)]
    Frame(#[from] DecodeError),
    /// A new stream whose number is this side's, or not above those before.
    #[error("a new stream with the number {0}")]
    StreamNumber(StreamId),
}
