//! Paths in containers.

use crate::{Error, Result};

/// A path in a container that names something below the root: the directory that it is in, and its name there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemotePath {
    /// The directory above.
    pub parent: String,
    /// The last part.
    pub name: String,
}

impl RemotePath {
    /// Takes an absolute path apart. Slashes at its end don't count.
    ///
    /// # Errors
    /// `InvalidArgument` for `path` when it is not absolute, or is the root, or ends in `.` or `..`, which is no name.
    pub fn parse(path: &str) -> Result<Self> {
        let (parent, name) = path
            .trim_end_matches('/')
            .rsplit_once('/')
            .filter(|(parent, name)| {
                !matches!(*name, "" | "." | "..") && (parent.is_empty() || parent.starts_with('/'))
            })
            .filter(|_| !path.contains('\0'))
            .ok_or_else(|| Error::invalid("path", "it must be absolute and end in a name"))?;
        let parent = if parent.is_empty() { "/" } else { parent };
        Ok(Self { parent: parent.to_owned(), name: name.to_owned() })
    }

    /// The whole path.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.parent.trim_end_matches('/'), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_name_something() {
        for (path, parent, name) in [
            ("/a", "/", "a"),
            ("/a/b/", "/a", "b"),
            ("/a/../b//", "/a/..", "b"),
            ("//a", "/", "a"),
            ("/-r", "/", "-r"),
            ("/a/ \n", "/a", " \n"),
        ] {
            let parsed = RemotePath::parse(path).unwrap();
            assert_eq!((parsed.parent.as_str(), parsed.name.as_str()), (parent, name), "{path:?}");
        }
        assert_eq!(RemotePath::parse("/a/").unwrap().path(), "/a");
        for path in ["", "/", "//", "a", "a/b", "/.", "/a/..", "/a/.", "/a\0b"] {
            assert_eq!(RemotePath::parse(path).unwrap_err().field(), Some("path"), "{path:?}");
        }
    }
}
