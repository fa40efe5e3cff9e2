//! Why a command was not started.

use std::io;

/// Why a command was not started: a word that the driver knows, and the system's number for what went wrong, else 0.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: &'static str,
    pub(crate) errno: i32,
}

impl Failure {
    /// One that this program found itself.
    pub(crate) const fn new(code: &'static str) -> Self {
        Self { code, errno: 0 }
    }

    /// Makes one of what the system refused.
    pub(crate) fn system<E: Into<io::Error>>(code: &'static str) -> impl Fn(E) -> Self {
        move |error| Self { code, errno: error.into().raw_os_error().unwrap_or(0) }
    }
}
