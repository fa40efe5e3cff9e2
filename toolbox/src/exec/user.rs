//! Users and groups, looked up in the container's own files.

use std::{ffi::OsStr, fs, path::Path};

use super::failure::Failure;

/// A user with everything looked up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// All groups, that of `gid` first.
    pub(crate) groups: Vec<u32>,
    pub(crate) home: Option<String>,
}

impl User {
    /// Looks up `user` or `user:group`, each a name or a number. A user without an entry in `/etc/passwd` has the group 0; one
    /// whose group is not said has also those of `/etc/group`.
    pub(crate) fn find(text: &OsStr) -> Result<Self, Failure> {
        Self::find_in(text, Path::new("/etc"))
    }

    /// The home directory that a container's first process is given if it runs as this user.
    pub(crate) fn home_of(uid: u32) -> Option<String> {
        Table::read(&Path::new("/etc").join("passwd")).field(&uid.to_string(), 5)
    }

    fn find_in(text: &OsStr, directory: &Path) -> Result<Self, Failure> {
        const UNKNOWN: Failure = Failure::new("user-unknown");
        let text = text.to_str().ok_or(UNKNOWN)?;
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let passwd = Table::read(&directory.join("passwd"));
        let by_entry = passwd.field(user, 2).and_then(|uid| uid.parse().ok());
        let uid = by_entry.or_else(|| user.parse().ok()).ok_or(UNKNOWN)?;
        let all_groups = Table::read(&directory.join("group"));
        let gid = match group {
            None => passwd.field(user, 3).and_then(|gid| gid.parse().ok()).unwrap_or(0),
            Some(group) => {
                let by_entry = all_groups.field(group, 2).and_then(|gid| gid.parse().ok());
                by_entry.or_else(|| group.parse().ok()).ok_or(Failure::new("group-unknown"))?
            }
        };
        let mut groups = vec![gid];
        if let (None, Some(name)) = (group, passwd.field(user, 0)) {
            groups.extend(all_groups.with_member(&name).filter(|other| *other != gid));
        }
        Ok(Self { uid, gid, groups, home: passwd.field(user, 5) })
    }
}

/// The lines of a colon separated file. A file that is missing has none.
struct Table(Vec<Vec<String>>);

impl Table {
    fn read(path: &Path) -> Self {
        let text = fs::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        Self(text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect())
    }

    /// A field of the entry with this name, else with this number.
    fn field(&self, key: &str, at: usize) -> Option<String> {
        let by =
            |column: usize| self.0.iter().find(|fields| fields.get(column).is_some_and(|field| field == key));
        by(0).or_else(|| by(2))?.get(at).cloned()
    }

    /// The numbers of the groups that list this user.
    fn with_member<'t>(&'t self, name: &'t str) -> impl Iterator<Item = u32> + 't {
        let lists = move |fields: &&Vec<String>| {
            fields.get(3).is_some_and(|members| members.split(',').any(|member| member == name))
        };
        self.0.iter().filter(lists).filter_map(|fields| fields.get(2)?.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str) -> Result<(u32, Vec<u32>), Failure> {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("passwd"), "root:x:0:0::/root:/sh\napp:x:1000:1001::/work:/sh\n")
            .unwrap();
        fs::write(directory.path().join("group"), "root:x:0:\napp:x:1001:app\nextra:x:2000:no,app\n")
            .unwrap();
        let user = User::find_in(OsStr::new(text), directory.path())?;
        assert_eq!(user.groups[0], user.gid);
        Ok((user.uid, user.groups))
    }

    #[test]
    fn names_and_numbers() {
        assert_eq!(find("app").unwrap(), (1000, vec![1001, 2000]));
        assert_eq!(find("1000").unwrap(), (1000, vec![1001, 2000]));
        assert_eq!(find("1000:5").unwrap(), (1000, vec![5]));
        assert_eq!(find("app:extra").unwrap(), (1000, vec![2000]));
        assert_eq!(find("77").unwrap(), (77, vec![0]));
        assert_eq!(find("root").unwrap(), (0, vec![0]));
    }

    #[test]
    fn nobody() {
        for text in ["bob", "", ":5", "-1", "99999999999"] {
            assert_eq!(find(text), Err(Failure::new("user-unknown")), "{text}");
        }
        assert_eq!(find("app:staff"), Err(Failure::new("group-unknown")));
    }
}
