//! Where an entry goes, and how it gets there: made under another name, then renamed, so that what stands under the final
//! name is whole.

use std::{
    ffi::OsString,
    fs,
    hash::{BuildHasher, RandomState},
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};

use super::error::{At, TarError};

/// Where an entry goes.
pub(super) struct Place {
    /// Its name in the archive, cleaned.
    pub(super) entry: PathBuf,
    /// Its path on disk.
    pub(super) path: PathBuf,
    /// The parts of its path below the target, without the last.
    pub(super) parent: Vec<OsString>,
}

impl Place {
    /// Makes a file or link, which takes the place of another, the link and not what it points to.
    pub(super) fn fill(&self, make: impl FnOnce(&Path) -> Result<(), TarError>) -> Result<(), TarError> {
        match fs::symlink_metadata(&self.path) {
            Ok(metadata) if metadata.is_dir() => {
                return Err(TarError::InTheWay { path: self.entry.clone() });
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).at(&self.path),
        }
        // Nobody can guess the name, so an archive can't have put something there.
        let name = format!(".wharf-{:016x}", RandomState::new().hash_one(&self.path));
        let temporary = Temporary(self.path.with_file_name(name));
        make(&temporary.0)?;
        fs::rename(&temporary.0, &self.path).at(&self.path)
    }
}

/// A file that is not yet where it belongs; what is left of it at the end is removed.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // It has been renamed, but for a hard link to what it was to replace: that rename does nothing.
        let _ = fs::remove_file(&self.0);
    }
}

/// Sets when something was changed, of a link its own time.
pub(super) fn set_time(path: &Path, seconds: u64) -> Result<(), TarError> {
    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let changed = Timespec { tv_sec: i64::try_from(seconds).unwrap_or(i64::MAX), tv_nsec: 0 };
    let times = Timestamps { last_access: omit, last_modification: changed };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(io::Error::from).at(path)
}
