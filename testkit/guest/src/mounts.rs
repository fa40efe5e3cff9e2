//! The command that shows what is mounted at a path.

use std::io::{self, Write};
use std::path::Path;

use crate::command::{Command, Failure, Outcome, about, exactly};

pub(crate) const COMMANDS: &[Command] = &[Command { name: "mount-of", arguments: "PATH", run: mount_of }];

/// `point=… type=… options=… super=… source=… root=… propagation=…` of the mount that PATH lies on.
fn mount_of(words: &[String]) -> Outcome {
    let [path] = exactly(words)?;
    let table = "/proc/self/mountinfo";
    let path = std::fs::canonicalize(path).map_err(about(path))?;
    let text = std::fs::read_to_string(table).map_err(about(table))?;
    let line = describe(&text, &path).ok_or_else(|| Failure::Refused(format!("no mount in {table} fits")))?;
    Ok(writeln!(io::stdout(), "{line}")?)
}

/// The deepest mount wins; of several at one point, the last one, which covers the others.
fn describe(table: &str, path: &Path) -> Option<String> {
    let mounts = table.lines().filter_map(Mount::parse).filter(|mount| path.starts_with(&mount.point));
    let mount = mounts.max_by_key(|mount| Path::new(&mount.point).components().count())?;
    let Mount { point, kind, options, super_options, source, root, propagation } = mount;
    Some(format!(
        "point={point} type={kind} options={options} super={super_options} source={source} root={root} propagation={propagation}"
    ))
}

struct Mount<'a> {
    root: &'a str,
    point: String,
    options: &'a str,
    propagation: String,
    kind: &'a str,
    source: &'a str,
    super_options: &'a str,
}

impl<'a> Mount<'a> {
    /// Reads one line: `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG]… - TYPE SOURCE SUPER`.
    fn parse(line: &'a str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let left: Vec<&str> = left.split(' ').collect();
        let [_, _, _, root, point, options, tags @ ..] = left.as_slice() else { return None };
        let mut right = right.split(' ');
        Some(Self {
            root,
            // The table writes a blank so; no test needs the tab and the line end.
            point: point.replace("\\040", " "),
            options,
            propagation: if tags.is_empty() { "private".to_owned() } else { tags.join(",") },
            kind: right.next()?,
            source: right.next()?,
            super_options: right.next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:5 / /data rw - tmpfs tmpfs rw,size=64k
23 21 0:6 /x /data ro,nosuid master:3 - tmpfs other rw
24 21 0:7 / /data/with\\040blank rw - tmpfs deep rw
";

    #[test]
    fn the_deepest_and_latest_mount_is_described() {
        let describe = |path| describe(TABLE, Path::new(path)).unwrap();
        assert_eq!(
            describe("/data/file"),
            "point=/data type=tmpfs options=ro,nosuid super=rw source=other root=/x propagation=master:3"
        );
        assert!(describe("/database").starts_with("point=/ type=ext4"));
        assert!(describe("/data/with blank/a").contains("source=deep root=/ propagation=private"));
    }
}
