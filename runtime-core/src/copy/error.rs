//! What goes wrong with an archive, in the project's terms.

use std::io;

use archive::TarError;

use crate::{Error, ErrorKind};

/// The error that callers get: one table.
#[must_use]
pub fn convert(error: TarError) -> Error {
    let kind = match &error {
        TarError::TooManyBytes { .. } | TarError::TooManyEntries { .. } => ErrorKind::ResourceExhausted,
        // A directory where a file should go, or the other way round.
        TarError::InTheWay { .. } => ErrorKind::InvalidState,
        TarError::Io { source, .. } => match source.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                ErrorKind::PermissionDenied
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::ResourceExhausted,
            _ => ErrorKind::Failed,
        },
        _ => ErrorKind::Failed,
    };
    Error::new(kind, error.to_string())
}
