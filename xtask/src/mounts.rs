//! Mounts below a directory, from `/proc/self/mountinfo`.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};

/// Unmounts everything below `dir`, the last mounted first, and says what stayed.
pub(crate) fn unmount_below(dir: &Path) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    // The table has no symbolic links in it.
    let points = below(&table, &dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf()));
    points
        .iter()
        .filter_map(|point| {
            // Detached, since a process in another mount namespace may still be looking at it.
            let error = umount2(point, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW).err()?;
            Some(format!("cannot unmount {}: {error}", point.display()))
        })
        .collect()
}

/// The mount points at or below `dir`, in the order in which they can be unmounted.
fn below(table: &str, dir: &Path) -> Vec<PathBuf> {
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape);
    let mut points: Vec<_> = points.filter(|point| point.starts_with(dir)).collect();
    points.reverse();
    points
}

/// The kernel writes space, tab, newline and backslash as three octal digits.
fn unescape(field: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = field.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail.get(..3).and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok());
        match octal {
            Some(byte) if first == b'\\' => {
                bytes.push(byte);
                rest = &rest[4..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_below_come_deepest_first_and_others_not_at_all() {
        let table = "22 1 254:0 / / rw - ext4 /dev/vda rw\n\
                     40 22 0:30 / /run/a rw shared:5 - tmpfs tmpfs rw\n\
                     41 40 0:31 / /run/a/with\\040space rw - tmpfs tmpfs rw\n\
                     42 22 0:32 / /run/ab rw - tmpfs tmpfs rw\n\
                     broken\n";
        let points = below(table, Path::new("/run/a"));
        assert_eq!(points, [PathBuf::from("/run/a/with space"), PathBuf::from("/run/a")]);
    }

    #[test]
    fn escapes_that_are_none_stay() {
        assert_eq!(unescape(r"/a\040b\134c\9"), PathBuf::from(r"/a b\c\9"));
    }

    #[test]
    fn nothing_mounted_is_nothing_to_do() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(unmount_below(dir.path()), Vec::<String>::new());
    }
}
