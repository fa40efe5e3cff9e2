//! The mounts of the host, as the kernel's table has them.

use std::fs;
use std::path::Path;

/// The mount of the host, as the calling thread sees it, that a path is on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostMount {
    /// Where it begins.
    pub point: String,
    /// Mounts made below it are passed on to others.
    pub shared: bool,
    /// Mounts made below another are passed on to it.
    pub follows: bool,
}

impl HostMount {
    /// That of a path; a path that doesn't exist is taken literally.
    pub fn of(path: &Path) -> Self {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let table = fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default();
        table
            .lines()
            .filter_map(Self::parse)
            .filter(|mount| path.starts_with(&mount.point))
            .max_by_key(|mount| Path::new(&mount.point).components().count())
            .unwrap_or_default()
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(" - ").next()?.split(' ').skip(4);
        let (point, _options) = (fields.next()?.replace("\\040", " "), fields.next()?);
        let (mut shared, mut follows) = (false, false);
        for tag in fields {
            shared |= tag.starts_with("shared:");
            follows |= tag.starts_with("master:");
        }
        Some(Self { point, shared, follows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read() {
        let of = |tags: &str| {
            HostMount::parse(&format!("36 35 98:0 /mnt /a\\040b rw{tags} - ext4 /dev/x rw")).unwrap()
        };
        let mount = |shared, follows| HostMount { point: "/a b".into(), shared, follows };
        assert_eq!(of(""), mount(false, false));
        assert_eq!(of(" shared:1"), mount(true, false));
        assert_eq!(of(" shared:1 master:2 propagate_from:3"), mount(true, true));
        assert!(HostMount::of(Path::new("/proc/self/status")).point.starts_with("/proc"));
    }
}
