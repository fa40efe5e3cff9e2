//! Why an image could not be built.

use std::io;

/// The result of building an image.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an image could not be built or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program for containers could not be built; the compiler's own words follow.
    #[error("cannot build a program for containers: {0}")]
    Guest(String),
    /// A file could not be read or written.
    #[error("{object}: {source}")]
    Io {
        /// The file, or what was done.
        object: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A manifest or config could not be written as JSON.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Error {
    /// Names the object of a failed system call.
    pub(crate) fn io(object: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { object: object.into(), source }
    }
}
