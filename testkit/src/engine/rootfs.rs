//! Paths and file trees of a container's root, seen from outside: nothing here follows a link out of it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows.
const MAX_LINKS: usize = 40;

/// Where `path` is under `root`, as a process whose root it is would see it: `..` stops at the root, absolute links
/// start there. What does not exist is taken literally.
pub(crate) fn resolve_in_root(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let mut todo: VecDeque<OsString> = parts(path).collect();
    let mut done: Vec<OsString> = Vec::new();
    let mut links = 0;
    while let Some(part) = todo.pop_front() {
        if part == ".." {
            done.pop();
            continue;
        }
        done.push(part);
        let here = join(root, &done);
        let Ok(target) = fs::read_link(&here) else { continue };
        links += 1;
        if links > MAX_LINKS {
            return Err(io::Error::from(nix::errno::Errno::ELOOP));
        }
        done.pop();
        if target.is_absolute() {
            done.clear();
        }
        for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
            todo.push_front(part);
        }
    }
    Ok(join(root, &done))
}

/// Copies a file tree: directories, files, links, with modes and, as root, owners. Other kinds of file are left out.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path())?, &target)?;
            copy_owner(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &target)?;
            copy_owner(&entry.path(), &target)?;
        }
    }
    copy_owner(from, to)?;
    // After the content: the directory may be read-only. `fs::copy` has kept the modes of files.
    fs::set_permissions(to, fs::metadata(from)?.permissions())
}

/// Removes a file tree, making directories writable where that is needed. Missing is fine.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path);
            fs::remove_dir_all(path)
        }
        Err(error) => Err(error),
    }
}

/// A host path below an absolute container path, without its leading slash.
pub(crate) fn below(root: &Path, absolute: &str) -> PathBuf {
    root.join(absolute.trim_start_matches('/'))
}

fn open_up(directory: &Path) {
    let _ = fs::set_permissions(directory, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}

fn copy_owner(from: &Path, to: &Path) -> io::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let of = fs::symlink_metadata(from)?;
    std::os::unix::fs::lchown(to, Some(of.uid()), Some(of.gid()))?;
    if of.file_type().is_file() && of.mode() & 0o6000 != 0 {
        // Changing the owner has cleared the set-id bits.
        fs::set_permissions(to, of.permissions())?;
    }
    Ok(())
}

fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(part) => Some(part.to_owned()),
        Component::ParentDir => Some(OsString::from_vec(b"..".to_vec())),
        _ => None,
    })
}

fn join(root: &Path, parts: &[OsString]) -> PathBuf {
    let mut path = root.to_path_buf();
    path.extend(parts);
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_dots_stay_inside() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        symlink("/a", root.join("absolute")).unwrap();
        symlink("../../../../etc", root.join("a/up")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let resolve = |path: &str| resolve_in_root(root, Path::new(path));
        assert_eq!(resolve("/absolute/b").unwrap(), root.join("a/b"));
        assert_eq!(resolve("/a/up/passwd").unwrap(), root.join("etc/passwd"));
        assert_eq!(resolve("../../x").unwrap(), root.join("x"));
        assert!(resolve("/loop").is_err());
    }

    #[test]
    fn a_copy_has_modes_and_links() {
        let root = tempfile::tempdir().unwrap();
        let from = root.path().join("from");
        fs::create_dir_all(from.join("locked")).unwrap();
        fs::write(from.join("locked/file"), "x").unwrap();
        symlink("file", from.join("locked/link")).unwrap();
        fs::set_permissions(from.join("locked"), fs::Permissions::from_mode(0o555)).unwrap();
        let to = root.path().join("to");
        copy_tree(&from, &to).unwrap();
        assert_eq!(fs::metadata(to.join("locked")).unwrap().mode() & 0o777, 0o555);
        assert_eq!(fs::read_link(to.join("locked/link")).unwrap(), Path::new("file"));
        remove_tree(&to).unwrap();
        assert!(!to.exists());
    }
}
