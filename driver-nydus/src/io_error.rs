//! Failures of the host's own calls as errors.

use std::{fmt, io};

use runtime_core::{Error, ErrorKind};
use rustix::io::Errno;

/// The error for a call of the host's that failed while `what` was done.
pub(crate) fn failed(what: impl fmt::Display, error: io::Error) -> Error {
    let (kind, transient) = kind_of(&error);
    Error::new(kind, format!("can't {what}: {error}")).with_transient(transient).with_source(error)
}

/// The kind of an error of the host, and whether it may go away by itself.
fn kind_of(error: &io::Error) -> (ErrorKind, bool) {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN | Errno::NOBUFS) => {
            (ErrorKind::ResourceExhausted, true)
        }
        Some(Errno::NOSPC | Errno::DQUOT) => (ErrorKind::ResourceExhausted, false),
        Some(Errno::PERM | Errno::ACCESS) => (ErrorKind::PermissionDenied, false),
        _ => (ErrorKind::Unexpected, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_lacks_is_told_from_what_it_refuses() {
        for (errno, expected) in [
            (Errno::MFILE, (ErrorKind::ResourceExhausted, true)),
            (Errno::NOSPC, (ErrorKind::ResourceExhausted, false)),
            (Errno::ACCESS, (ErrorKind::PermissionDenied, false)),
            (Errno::IO, (ErrorKind::Unexpected, false)),
        ] {
            let error = failed("write", errno.into());
            assert_eq!((error.kind(), error.is_transient()), expected, "{errno}");
            assert!(error.message().starts_with("can't write: "), "{error}");
        }
    }
}
