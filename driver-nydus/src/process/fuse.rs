//! Mounts of this host: those that daemons leave behind, and those that must not be touched.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

use rustix::{
    io::Errno,
    mount::{MountFlags, UnmountFlags, mount_remount, unmount},
};

/// One line of `/proc/self/mountinfo`.
#[derive(Debug, PartialEq, Eq)]
struct Mounted {
    at: PathBuf,
    kind: String,
    flags: MountFlags,
}

impl Mounted {
    fn is_fuse_at(&self, mountpoint: &Path) -> bool {
        self.at == mountpoint && self.kind.starts_with("fuse")
    }
}

/// Whether a FUSE file system is mounted right there. A path without links is meant.
pub(crate) fn is_mounted(mountpoint: &Path) -> io::Result<bool> {
    Ok(mounts()?.iter().any(|mount| mount.is_fuse_at(mountpoint)))
}

/// Takes away the FUSE file system that is mounted right there, also one that is in use or whose daemon is gone. None is fine.
pub(crate) fn take_away(mountpoint: &Path) -> io::Result<()> {
    if !is_mounted(mountpoint)? {
        return Ok(());
    }
    match unmount(mountpoint, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        // Somebody else was faster: the daemon itself, or another driver.
        Err(Errno::INVAL | Errno::NOENT) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Has the kernel forget what it keeps of the FUSE file system mounted right there, except what is in use. A daemon lets it keep
/// everything for ever, so after another image took the place of one, files would be the old one's.
///
/// Mounting it anew with the flags that it has does that, and nothing else: FUSE passes over the options. The flags are not
/// asked for with statvfs, which would ask the daemon. Not mounted is fine.
pub(crate) fn forget(mountpoint: &Path) -> io::Result<()> {
    let Some(mounted) = mounts()?.into_iter().rfind(|mount| mount.is_fuse_at(mountpoint)) else {
        return Ok(());
    };
    Ok(mount_remount(mountpoint, mounted.flags, "")?)
}

/// Where something is mounted below a directory, or on it.
pub(crate) fn below(directory: &Path) -> io::Result<Option<PathBuf>> {
    Ok(mounts()?.into_iter().map(|mount| mount.at).find(|at| at.starts_with(directory)))
}

fn mounts() -> io::Result<Vec<Mounted>> {
    let text = fs::read("/proc/self/mountinfo")?;
    Ok(text.split(|byte| *byte == b'\n').filter_map(parse).collect())
}

/// The mount point is the fifth field, its flags are the sixth; the type comes after a dash, behind any number of optional fields.
fn parse(line: &[u8]) -> Option<Mounted> {
    let mut fields = line.split(|byte| *byte == b' ');
    let at = unescaped(fields.nth(4)?);
    let flags = fields.next()?.split(|byte| *byte == b',').map(flag).collect();
    fields.find(|field| *field == b"-")?;
    let kind = String::from_utf8_lossy(fields.next()?).into_owned();
    Some(Mounted { at: PathBuf::from(OsString::from_vec(at)), kind, flags })
}

fn flag(name: &[u8]) -> MountFlags {
    match name {
        b"ro" => MountFlags::RDONLY,
        b"nosuid" => MountFlags::NOSUID,
        b"nodev" => MountFlags::NODEV,
        b"noexec" => MountFlags::NOEXEC,
        b"noatime" => MountFlags::NOATIME,
        b"nodiratime" => MountFlags::NODIRATIME,
        b"relatime" => MountFlags::RELATIME,
        _ => MountFlags::empty(),
    }
}

/// The kernel writes spaces, tabs, line breaks and backslashes as three octal digits.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let digits =
            after.get(..3).filter(|_| first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = &after[3..];
            }
            None => {
                plain.push(first);
                rest = after;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel() {
        let parsed = |line: &str| parse(line.as_bytes()).map(|mount| (mount.at, mount.kind));
        assert_eq!(
            parsed("36 35 98:0 / /mnt/a\\040b\\134 rw,noatime master:1 shared:2 - fuse rafs rw,user_id=0"),
            Some(("/mnt/a b\\".into(), "fuse".to_owned()))
        );
        assert_eq!(parsed("22 1 0:20 / / rw - overlay overlay rw"), Some(("/".into(), "overlay".to_owned())));
        let fuse = parse(b"1 2 0:3 / /m ro,nosuid,nodev,noatime,other - fuse rafs ro,user_id=0").unwrap();
        let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOATIME;
        assert_eq!(fuse.flags, flags);
        for garbage in ["", "36 35 98:0 / /mnt rw", "1 2 3 4 5 6 -"] {
            assert_eq!(parsed(garbage), None, "{garbage}");
        }
        assert_eq!(unescaped(b"\\9 \\04"), b"\\9 \\04");
    }

    #[test]
    fn a_directory_without_a_mount_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        take_away(directory.path()).unwrap();
        take_away(&directory.path().join("missing")).unwrap();
        forget(directory.path()).unwrap();
        assert!(directory.path().is_dir());
        assert_eq!(below(directory.path()).unwrap(), None);
        assert!(below(Path::new("/")).unwrap().is_some());
    }
}
