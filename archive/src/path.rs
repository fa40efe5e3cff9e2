//! Paths that stay below a root.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// The longest chain of links that is followed, as in Linux.
const MAX_LINKS: usize = 40;

/// The parts of an entry's name, without `.`; `None` if it is absolute, holds `..` or a NUL. No parts: the root itself.
pub(super) fn clean(name: &[u8]) -> Option<Vec<OsString>> {
    if name.contains(&0) {
        return None;
    }
    let components = Path::new(OsStr::from_bytes(name)).components();
    let parts = components.filter(|part| *part != Component::CurDir).map(|part| match part {
        Component::Normal(part) => Some(part.to_owned()),
        _ => None,
    });
    parts.collect()
}

/// Whether a symbolic link in the directory `parent` (below `root`, through no link) to `target` stays below `root`, now
/// and whatever links that also stay there are made later.
///
/// For the latter a target may go up only at its start, from a directory that is known to be real: of `a/..`, `a` might
/// become a link to a place less deep.
pub(super) fn link_stays(root: &Path, parent: &[OsString], target: &Path) -> io::Result<bool> {
    let mut descended = false;
    for part in target.components() {
        match part {
            Component::Normal(_) => descended = true,
            Component::ParentDir if descended => return Ok(false),
            Component::ParentDir | Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return Ok(false),
        }
    }
    resolves_inside(root, parent, target)
}

/// Follows `target` from `parent` as the kernel would, but for what does not exist yet, and says whether it stays.
fn resolves_inside(root: &Path, parent: &[OsString], target: &Path) -> io::Result<bool> {
    let mut place: Vec<OsString> = parent.to_vec();
    let mut todo = reversed(target);
    let mut links = 0;
    while let Some(part) = todo.pop() {
        if part == ".." {
            if place.pop().is_none() {
                return Ok(false);
            }
            continue;
        }
        place.push(part);
        let path = below(root, &place);
        if !is_link(&path)? {
            continue;
        }
        links += 1;
        let next = fs::read_link(&path)?;
        if links > MAX_LINKS || next.is_absolute() {
            return Ok(false);
        }
        place.pop();
        todo.extend(reversed(&next));
    }
    Ok(true)
}

/// The path of these parts below `root`.
pub(super) fn below(root: &Path, parts: &[OsString]) -> PathBuf {
    let mut path = root.to_owned();
    path.extend(parts);
    path
}

fn reversed(path: &Path) -> Vec<OsString> {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    parts.rev().map(|part| part.as_os_str().to_owned()).collect()
}

fn is_link(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(metadata.is_symlink()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
