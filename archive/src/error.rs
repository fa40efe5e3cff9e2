//! Why an archive is refused.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why an archive could not be unpacked or packed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TarError {
    /// The name is absolute, goes up by `..`, or holds a NUL.
    #[error("the archive entry {} would leave the target directory", .path.display())]
    Escapes {
        /// The entry's name.
        path: PathBuf,
    },
    /// A link leads out of the target directory, or could once other links exist.
    #[error("the archive entry {} links to {}, which may leave the target directory", .path.display(), .target.display())]
    LinkEscapes {
        /// The entry's name.
        path: PathBuf,
        /// What it links to.
        target: PathBuf,
    },
    /// The entry lies below a symbolic link, or would replace one by a directory.
    #[error("the archive entry {} goes through the symbolic link {}", .path.display(), .link.display())]
    ThroughLink {
        /// The entry's name.
        path: PathBuf,
        /// The link.
        link: PathBuf,
    },
    /// A hard link to what is no file of the target directory.
    #[error("the archive entry {} is a hard link to {}, which is no file there", .path.display(), .target.display())]
    BadHardLink {
        /// The entry's name.
        path: PathBuf,
        /// What it links to.
        target: PathBuf,
    },
    /// A directory stands where a file should go, or the other way round.
    #[error("the archive entry {} meets something else of this name", .path.display())]
    InTheWay {
        /// The entry's name.
        path: PathBuf,
    },
    /// There is to be one entry at the root, and this is beside it.
    #[error("the archive entry {} is not below the archive's one root", .path.display())]
    AnotherRoot {
        /// The entry's name.
        path: PathBuf,
    },
    /// A device, pipe, socket, sparse file or unknown kind of entry.
    #[error("{} is neither a file, a directory nor a link", .path.display())]
    UnsupportedKind {
        /// The entry's name, or the path on disk.
        path: PathBuf,
    },
    /// The files hold more than is allowed.
    #[error("the archive holds more than {limit} bytes")]
    TooManyBytes {
        /// What is allowed.
        limit: u64,
    },
    /// There are more entries, or directories above them, than are allowed.
    #[error("the archive holds more than {limit} entries")]
    TooManyEntries {
        /// What is allowed.
        limit: u64,
    },
    /// The archive ends in the middle of an entry, or without its end mark.
    #[error("the archive is cut short")]
    Truncated,
    /// A header is broken.
    #[error("the archive is malformed: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// A file changed its size while it was packed.
    #[error("{} changed while it was packed", .path.display())]
    Changed {
        /// The path on disk.
        path: PathBuf,
    },
    /// Reading or writing failed.
    #[error("io error at {}: {source}", .path.display())]
    Io {
        /// The path on disk; empty for the archive itself.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Says at which path an IO error happened.
pub(super) trait At<T> {
    fn at(self, path: impl Into<PathBuf>) -> Result<T, TarError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: impl Into<PathBuf>) -> Result<T, TarError> {
        self.map_err(|source| TarError::Io { path: path.into(), source })
    }
}
