//! Copying from and to this machine's files, by the rules of `docker cp`.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{self, Write},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use archive::{Limits, Links, Root, TarError, UnpackOptions, pack, pack_root, unpack_with};
use tokio::task::spawn_blocking;

use super::{convert, read_with, write_with};
use crate::{ByteStream, Error, ErrorKind, Result};

/// A local file, directory or symbolic link that is to be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalSource {
    path: PathBuf,
    name: OsString,
    content_only: bool,
}

impl LocalSource {
    /// What `path` names. A link at its end is copied as a link, unless a slash follows; `/.` at the end means what is in
    /// the directory, without the directory itself.
    ///
    /// # Errors
    /// `NotFound` when there is nothing; `InvalidArgument` for `local` when it has a slash at its end and is no directory,
    /// or is the root directory as a whole, which has no name.
    pub async fn open(path: &Path) -> Result<Self> {
        let path = path.to_owned();
        blocking(move || Self::look(&path)).await
    }

    fn look(path: &Path) -> Result<Self> {
        let bytes = path.as_os_str().as_bytes();
        let content_only = bytes.ends_with(b"/.") || bytes == b".";
        let is_directory = fs::symlink_metadata(path).map_err(|error| local_error(path, &error))?.is_dir();
        // Such a path says that a directory is meant, and leads there.
        let followed = content_only || bytes.ends_with(b"/") || path.file_name().is_none();
        let path = if followed {
            fs::canonicalize(path).map_err(|error| local_error(path, &error))?
        } else {
            path.to_owned()
        };
        if followed && !is_directory {
            return Err(Error::invalid("local", format!("{} is not a directory", path.display())));
        }
        let name = match path.file_name() {
            Some(name) => name.to_owned(),
            None if content_only => OsString::new(),
            None => return Err(Error::invalid("local", "the root directory has no name to copy it under")),
        };
        Ok(Self { path, name, content_only })
    }

    /// An archive of it for a directory into which it goes: under its own name, or without any if only its content is meant.
    #[must_use]
    pub fn into_directory(&self, limits: Limits) -> ByteStream {
        let (path, name) = (self.path.clone(), self.name.clone());
        if self.content_only {
            return packing(move |writer| pack(&path, limits, writer));
        }
        packing(move |writer| pack_root(&path, &name, limits, writer))
    }

    /// An archive of it under another name.
    #[must_use]
    pub fn named(&self, name: impl Into<OsString>, limits: Limits) -> ByteStream {
        let (path, name) = (self.path.clone(), name.into());
        packing(move |writer| pack_root(&path, &name, limits, writer))
    }
}

fn packing(
    pack: impl FnOnce(super::PieceWriter) -> Result<super::PieceWriter, TarError> + Send + 'static,
) -> ByteStream {
    read_with(|writer| {
        blocking(move || {
            let packed = pack(writer).and_then(|mut writer| {
                writer.flush().map_err(|source| TarError::Io { path: PathBuf::new(), source })
            });
            packed.map_err(|error| match convert(error) {
                // It was there when this began; to the caller missing is something else.
                error if error.kind() == ErrorKind::NotFound => {
                    Error::new(ErrorKind::Failed, error.message().to_owned())
                }
                error => error,
            })
        })
    })
}

/// Unpacks an archive with one root, `name` at its origin, to `local`: into it if it is a directory, else under that name in
/// the directory above, which must exist. With `content_only` what is in the root goes into `local` if that is a directory.
///
/// Modes, but for the set-id and sticky bits, and times are kept; the owner is the process' own user. Symbolic links are
/// made as they are, and none is followed while unpacking.
///
/// # Errors
/// The stream's own; `NotFound` when neither `local` nor the directory above exist; `InvalidState` when a directory would take
/// the place of a file or the other way round; `Failed` for an archive that is cut or tries to leave `local`;
/// `ResourceExhausted` beyond `limits`. What was unpacked by then stays, each file whole.
pub async fn unpack_local(
    archive: ByteStream,
    local: &Path,
    name: &str,
    content_only: bool,
    limits: Limits,
) -> Result<()> {
    let (local, name) = (local.to_owned(), name.to_owned());
    let (target, root) = blocking(move || destination(&local, OsStr::new(&name), content_only)).await?;
    write_with(archive, |reader| {
        blocking(move || {
            let options =
                UnpackOptions { limits, links: Links::AsTheyAre, mode_mask: 0o777, times: true, root };
            unpack_with(reader, &target, &options).map(drop).map_err(convert)
        })
    })
    .await
}

/// The directory that is unpacked into, and what becomes of the archive's root there.
fn destination(local: &Path, name: &OsStr, content_only: bool) -> Result<(PathBuf, Root)> {
    let says_directory = local.as_os_str().as_bytes().ends_with(b"/");
    match fs::metadata(local) {
        Ok(found) if found.is_dir() => {
            let root = if content_only { Root::Target } else { Root::Named(name.to_owned()) };
            return Ok((local.to_owned(), root));
        }
        Err(error) if says_directory || error.kind() != io::ErrorKind::NotFound => {
            return Err(local_error(local, &error));
        }
        _ => {}
    }
    let name = local
        .file_name()
        .ok_or_else(|| Error::invalid("local", format!("{} is no name for a file", local.display())))?;
    let parent = local.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match fs::metadata(parent) {
        Ok(found) if found.is_dir() => Ok((parent.to_owned(), Root::Named(name.to_owned()))),
        Ok(_) => Err(local_error(parent, &io::ErrorKind::NotADirectory.into())),
        Err(error) => Err(local_error(parent, &error)),
    }
}

fn local_error(path: &Path, error: &io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::NotADirectory => ErrorKind::InvalidState,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::Failed,
    };
    Error::new(kind, format!("local path {}: {error}", path.display()))
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|lost| {
        Err(Error::new(ErrorKind::Unexpected, format!("the work on local files was lost: {lost}")))
    })
}
