//! How a membership ends.

use std::fmt;

use crate::{Error, ErrorKind};

/// Why an executor is no member any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Loss {
    /// It could not renew its lease for too long. The others may not know yet.
    Expired,
    /// Its lease is gone from the store.
    Removed,
    /// Another life of the same executor has the lease.
    TakenOver,
    /// It gave its lease back, or dropped its membership.
    Left,
}

impl Loss {
    /// The error of what only a member may do.
    pub(super) fn error(self) -> Error {
        Error::new(ErrorKind::InvalidState, format!("the executor is no member of its group: {self}"))
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "its lease could not be renewed in time",
            Self::Removed => "its lease was removed",
            Self::TakenOver => "its lease was taken over",
            Self::Left => "it left",
        })
    }
}
