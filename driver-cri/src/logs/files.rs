//! The files of one log: the one written now, and those that rotation put aside.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use runtime_core::{Error, ErrorKind, Result};

use super::{Files, file::LogFile, tail};

/// What was opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) files: Files,
    /// How many lines to pass over, since they come before those that are wanted.
    pub(super) skip: usize,
    /// The rotated files that were there.
    pub(super) rotated: Vec<PathBuf>,
}

/// Opens the log at `path` with its rotated files, from the oldest; at its last lines if so many are wanted. What isn't
/// there yet is nothing.
pub(super) fn open(path: &Path, tail: Option<usize>) -> io::Result<Opened> {
    // The one written now is opened first: if it is rotated meanwhile, it is found twice and not missed.
    let current = open_existing(path)?;
    let rotated = rotated(path)?;
    let mut files = Vec::new();
    for path in &rotated {
        files.extend(open_existing(path)?);
    }
    files.extend(current);
    let mut seen = std::collections::HashSet::new();
    let mut distinct = Vec::new();
    for file in files {
        if seen.insert(std::os::unix::fs::MetadataExt::ino(&file.metadata()?)) {
            distinct.push(file);
        }
    }
    let start = match tail {
        Some(lines) => tail::find(&distinct, lines)?,
        None => tail::Start::default(),
    };
    let mut files = Files::new();
    for (index, file) in distinct.into_iter().enumerate().skip(start.file) {
        files.push_back(LogFile::new(file, if index == start.file { start.position } else { 0 })?);
    }
    Ok(Opened { files, skip: start.skip, rotated })
}

/// The rotated files of a log, from the oldest: `LOG.TIME`, where the time sorts. Compressed ones are passed over.
pub(super) fn rotated(path: &Path) -> io::Result<Vec<PathBuf>> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Ok(Vec::new()) };
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut rotated = Vec::new();
    for entry in entries {
        let entry = entry?;
        let is_rotated = entry.file_name().as_encoded_bytes().strip_prefix(name.as_encoded_bytes()).is_some_and(
            |rest| rest.len() > 1 && rest[0] == b'.' && rest[1].is_ascii_digit() && !rest.ends_with(b".gz") && !rest.ends_with(b".tmp"),
        );
        if is_rotated {
            rotated.push(entry.path());
        }
    }
    rotated.sort();
    Ok(rotated)
}

pub(super) fn open_existing(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a log with its rotated files, compressed or not; missing is `Ok`.
pub(crate) async fn remove(path: &Path) -> Result<()> {
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    let of_task = path.to_owned();
    let removed = tokio::task::spawn_blocking(move || remove_now(&of_task)).await.map_err(io::Error::from).flatten();
    removed.map_err(|error| Error::new(ErrorKind::Failed, format!("can't remove the log {}: {error}", path.display())))
}

fn remove_now(path: &Path) -> io::Result<()> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let of_log = entry.file_name();
        let rest = of_log.as_encoded_bytes().strip_prefix(name.as_encoded_bytes());
        if rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'.') {
            match std::fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    // Other attempts have their logs in it too.
    drop(std::fs::remove_dir(directory));
    Ok(())
}
