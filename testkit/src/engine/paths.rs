//! Mounts in a container's root, and paths of it that are hidden or can't be written to.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

use super::rootfs::resolve_in_root;
use super::{EngineError, Propagation};

/// Paths of a container that are not what they would be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Paths {
    pub(crate) masked: Vec<String>,
    pub(crate) read_only: Vec<String>,
}

impl Paths {
    /// Those below a directory.
    pub(crate) fn below(&self, directory: &str) -> Self {
        let below = |paths: &[String]| {
            paths.iter().filter(|path| Path::new(path).starts_with(directory)).cloned().collect()
        };
        Self { masked: below(&self.masked), read_only: below(&self.read_only) }
    }

    /// Makes them so under a root. What does not exist there needs nothing.
    pub(crate) fn apply(&self, root: &Path) -> Result<(), EngineError> {
        for path in &self.read_only {
            let path = resolve(root, path)?;
            if path.exists() {
                bind(&path, &path, true, Propagation::Private)?;
            }
        }
        for path in &self.masked {
            let path = resolve(root, path)?;
            if path.is_dir() {
                do_mount("tmpfs", &path, "tmpfs", MsFlags::MS_RDONLY, "size=0")?;
            } else if path.exists() {
                bind(Path::new("/dev/null"), &path, false, Propagation::Private)?;
            }
        }
        Ok(())
    }
}

/// Shows a host path, with what is mounted below it, at another.
pub(crate) fn bind(
    source: &Path,
    target: &Path,
    read_only: bool,
    propagation: Propagation,
) -> Result<(), EngineError> {
    let source = source.to_string_lossy();
    do_mount(&source, target, "", MsFlags::MS_BIND | MsFlags::MS_REC, "")?;
    let kind = match propagation {
        Propagation::Private => MsFlags::MS_PRIVATE,
        Propagation::HostToContainer => MsFlags::MS_SLAVE,
    };
    do_mount("", target, "", kind | MsFlags::MS_REC, "")?;
    if read_only {
        make_read_only(target)?;
    }
    Ok(())
}

/// Lets nothing be written through a mount. A process that is just being started elsewhere may hold a copy of a file
/// that was written here until it runs its program: that passes, and nothing tells when.
pub(crate) fn make_read_only(at: &Path) -> Result<(), EngineError> {
    const LONGEST_WAIT: Duration = Duration::from_secs(2);
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    let mut wait = Duration::from_millis(1);
    loop {
        match mount(None::<&str>, at, None::<&str>, flags, None::<&str>) {
            Ok(()) => return Ok(()),
            Err(Errno::EBUSY) if wait < LONGEST_WAIT => std::thread::sleep(wait),
            Err(error) => {
                return Err(EngineError::io(format!("make {} read-only", at.display()), error));
            }
        }
        wait *= 2;
    }
}

/// Makes sure that there is something to mount on.
pub(crate) fn mount_point(root: &Path, path: &str, directory: bool) -> Result<PathBuf, EngineError> {
    let target = resolve(root, path)?;
    let made = if directory {
        fs::create_dir_all(&target)
    } else {
        fs::create_dir_all(target.parent().unwrap_or(root))
            .and_then(|()| File::options().create(true).append(true).open(&target).map(drop))
    };
    // A file where a directory should be, or the other way round: mounting says so better.
    if target.exists() {
        Ok(target)
    } else {
        made.map(|()| target).map_err(|error| EngineError::io(path, error))
    }
}

pub(crate) fn resolve(root: &Path, path: &str) -> Result<PathBuf, EngineError> {
    resolve_in_root(root, Path::new(path)).map_err(|error| EngineError::io(path, error))
}

/// An empty text stands for none.
pub(crate) fn do_mount(
    source: &str,
    target: &Path,
    kind: &str,
    flags: MsFlags,
    data: &str,
) -> Result<(), EngineError> {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let failed = |error: Errno| {
        let what = if kind.is_empty() { source } else { kind };
        EngineError::io(format!("mount {what} on {}", target.display()), error)
    };
    mount(some(source).as_deref(), target, some(kind).as_deref(), flags, some(data).as_deref())
        .map_err(failed)
}
