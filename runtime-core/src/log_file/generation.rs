//! The files of one log: the one at its path, and those that rotation has moved aside.

use std::{
    ffi::OsString,
    fs::{self, File, Metadata},
    io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
    time::SystemTime,
};

use crate::file_watch::parent;

/// One file of a log, open, so that no later renaming or removal can take it away.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) file: File,
    pub(super) identity: Identity,
    /// How long it was when it was opened.
    pub(super) len: u64,
    name: OsString,
    modified: SystemTime,
    /// It is the one at the log's path.
    is_current: bool,
}

/// What tells a file from another that has its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// The files of the log at `path`, oldest first. None if nothing is there. Blocks.
pub(super) fn all(path: &Path) -> io::Result<Vec<Generation>> {
    // The current one is opened before the others are listed: moved aside in between, it is found in both places.
    let current = Generation::open(path, true)?;
    let mut found = rotated(path)?;
    if let Some(current) = current {
        found.retain(|generation| generation.identity != current.identity);
        found.push(current);
    }
    found.sort_by(|a, b| (a.is_current, a.modified, &a.name).cmp(&(b.is_current, b.modified, &b.name)));
    Ok(found)
}

/// The files that were begun after the one given, oldest first. Blocks.
pub(super) fn after(path: &Path, last: Identity, last_modified: SystemTime) -> io::Result<Vec<Generation>> {
    let mut all = all(path)?;
    match all.iter().position(|generation| generation.identity == last) {
        Some(index) => drop(all.drain(..=index)),
        // It has been removed or compressed: what was written to later came after it.
        None => all.retain(|generation| generation.is_current || generation.modified > last_modified),
    }
    Ok(all)
}

impl Generation {
    /// Opens a file; `None` if there is none.
    fn open(path: &Path, is_current: bool) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Err(error) if is_missing(&error) => return Ok(None),
            file => file?,
        };
        let metadata = file.metadata()?;
        Ok(Some(Self {
            file,
            identity: Identity::of(&metadata),
            len: metadata.len(),
            name: path.file_name().unwrap_or_default().to_owned(),
            modified: metadata.modified()?,
            is_current,
        }))
    }
}

/// Files named `PATH.SOMETHING` that are neither compressed nor about to be.
fn rotated(path: &Path) -> io::Result<Vec<Generation>> {
    let Some(name) = path.file_name() else { return Ok(Vec::new()) };
    let prefix = [name.as_bytes(), b"."].concat();
    let entries = match fs::read_dir(parent(path)) {
        Err(error) if is_missing(&error) => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let suffix = name.as_bytes().strip_prefix(&*prefix).unwrap_or_default();
        let plain = !suffix.is_empty() && !suffix.ends_with(b"gz") && !suffix.ends_with(b"tmp");
        if plain && entry.file_type()?.is_file() {
            found.extend(Generation::open(&entry.path(), false)?);
        }
    }
    Ok(found)
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
