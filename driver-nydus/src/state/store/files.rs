//! Files of a work directory: only its owner's, and each there as a whole or not at all.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

/// Whoever can reach a daemon's sockets can have it mount anything.
pub(super) fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// Writes a file as a whole: readers see the old one or the new one.
pub(super) fn write(directory: &Path, name: &str, value: &impl Serialize) -> io::Result<()> {
    fs::rename(write_temporary(directory, name, value)?, directory.join(name))
}

/// Writes a file of which nobody knows. Several may write the same at once.
pub(super) fn write_temporary(directory: &Path, name: &str, value: &impl Serialize) -> io::Result<PathBuf> {
    let thread = rustix::thread::gettid().as_raw_nonzero();
    let temporary = directory.join(format!(".{name}-{:x}-{thread:x}", std::process::id()));
    fs::write(&temporary, serde_json::to_vec(value)?)?;
    Ok(temporary)
}

/// Reads a file; `None` if it isn't there, or no whole one.
pub(super) fn read<T: DeserializeOwned>(directory: &Path, name: &str) -> io::Result<Option<T>> {
    let path = directory.join(name);
    match fs::read(&path) {
        Ok(text) => Ok(serde_json::from_slice(&text)
            .inspect_err(
                |error| tracing::warn!(path = %path.display(), %error, "left alone: it can't be understood"),
            )
            .ok()),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn unless_gone(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if !is_missing(&error) => Err(error),
        _ => Ok(()),
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
