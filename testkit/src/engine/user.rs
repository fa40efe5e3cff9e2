//! Users and groups, looked up in the container's own files.

use std::fs;
use std::path::Path;

use super::EngineError;
use super::rootfs::resolve_in_root;

/// Whom a process runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum User {
    /// By number. Without a group it is the user's own from `/etc/passwd`, else 0.
    Id {
        /// User id.
        uid: u32,
        /// Group id.
        gid: Option<u32>,
    },
    /// By the text of an image's configuration: `user`, `user:group`, each a name or a number.
    Name(String),
}

/// A user with everything looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResolvedUser {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) home: Option<String>,
}

impl User {
    /// Looks the user up in `/etc/passwd` and `/etc/group` under `root`.
    pub(crate) fn resolve(&self, root: &Path, extra_groups: &[u32]) -> Result<ResolvedUser, EngineError> {
        let (user, group) = match self {
            Self::Id { uid, gid } => (uid.to_string(), gid.map(|gid| gid.to_string())),
            Self::Name(text) => match text.split_once(':') {
                Some((user, group)) => (user.to_owned(), Some(group.to_owned())),
                None => (text.clone(), None),
            },
        };
        let user = if user.is_empty() { "0".to_owned() } else { user };
        let passwd = Table::read(root, "/etc/passwd");
        let entry = passwd.find(&user);
        let field = |at: usize| entry.and_then(|fields| fields.get(at)).cloned();
        let uid = match (user.parse::<u32>(), field(2).and_then(|uid| uid.parse().ok())) {
            (Ok(uid), _) => uid,
            (Err(_), Some(uid)) => uid,
            _ => return Err(EngineError::invalid("user", format!("no user {user:?} in /etc/passwd"))),
        };
        let all_groups = Table::read(root, "/etc/group");
        let gid = match group {
            None => field(3).and_then(|gid| gid.parse().ok()).unwrap_or(0),
            Some(group) => match group.parse::<u32>() {
                Ok(gid) => gid,
                Err(_) => all_groups.find(&group).and_then(|fields| fields.get(2)?.parse().ok()).ok_or_else(
                    || EngineError::invalid("user", format!("no group {group:?} in /etc/group")),
                )?,
            },
        };
        let mut groups = extra_groups.to_vec();
        if let Some(name) = field(0) {
            let member =
                |fields: &&Vec<String>| fields.get(3).is_some_and(|m| m.split(',').any(|m| m == name));
            groups.extend(
                all_groups.0.iter().filter(member).filter_map(|fields| fields.get(2)?.parse::<u32>().ok()),
            );
        }
        groups.push(gid);
        groups.sort_unstable();
        groups.dedup();
        Ok(ResolvedUser { uid, gid, groups, home: field(5) })
    }
}

/// The lines of a colon separated file. A file that is missing has none.
struct Table(Vec<Vec<String>>);

impl Table {
    fn read(root: &Path, path: &str) -> Self {
        let text = resolve_in_root(root, Path::new(path)).and_then(fs::read_to_string).unwrap_or_default();
        Self(text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect())
    }

    /// The entry with this name or number.
    fn find(&self, key: &str) -> Option<&Vec<String>> {
        let by = |at: usize| self.0.iter().find(|fields| fields.get(at).is_some_and(|field| field == key));
        by(0).or_else(|| by(2))
    }
}
