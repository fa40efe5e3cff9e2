//! What daemons hold, looked for without the driver: processes, mounts, and what is in the work directory.

use std::{
    fs, io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use testkit::conformance::Held;

/// Everything that belongs to a work directory.
pub(crate) fn below(work_dir: &Path) -> io::Result<Vec<Held>> {
    let held = |what: &str, name: String, path: &Path| Held {
        what: what.to_owned(),
        name,
        owner: owner(work_dir, path),
    };
    let mut found = Vec::new();
    for (pid, command) in processes_below(work_dir)? {
        let named = command.iter().map(Path::new).find(|word| word.starts_with(work_dir));
        found.push(held("process", format!("{pid} {command:?}"), named.unwrap_or(work_dir)));
    }
    for mount in mounts_below(work_dir)? {
        found.push(held("mount", mount.display().to_string(), &mount));
    }
    for kind in ["pods", "names"] {
        for entry in entries(&work_dir.join(kind))? {
            found.push(held(kind, entry.display().to_string(), &entry));
        }
    }
    Ok(found)
}

/// The processes whose command line names something below a directory, but for this one.
pub(crate) fn processes_below(directory: &Path) -> io::Result<Vec<(u32, Vec<String>)>> {
    let mut found = Vec::new();
    for entry in entries(Path::new("/proc"))? {
        let pid = entry.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
        let Some(pid) = pid.filter(|pid| *pid != std::process::id()) else { continue };
        // It may have ended meanwhile; of one that is only to be reaped nothing is told but its name.
        let Ok(line) = fs::read(entry.join("cmdline")) else { continue };
        let words: Vec<_> =
            line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let inside = |word: &String| Path::new(word).starts_with(directory);
        if words.iter().any(inside) && words.first().is_some_and(|program| program.contains("nydusd")) {
            found.push((pid, words));
        }
    }
    Ok(found)
}

/// Children of this process that have ended and that nobody has reaped.
pub(crate) fn zombies() -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in entries(Path::new("/proc"))? {
        let Some(pid) = entry.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.join("stat")) else { continue };
        // What stands before the last parenthesis is the name, which may hold anything.
        let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
        let mut fields = rest.split(' ');
        let (state, parent) = (fields.next(), fields.next());
        if state == Some("Z") && parent == Some(&std::process::id().to_string()) {
            found.push(pid);
        }
    }
    Ok(found)
}

/// The mount points at and below a directory.
pub(crate) fn mounts_below(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let table = fs::read("/proc/self/mountinfo")?;
    let places =
        table.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    Ok(places.map(unescaped).filter(|place| place.starts_with(directory)).collect())
}

/// The kernel writes spaces and the like as three octal digits.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let octal = (*first == b'\\').then(|| tail.get(..3)).flatten();
        let octal = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(octal.unwrap_or(*first));
        rest = if octal.is_some() { &tail[3..] } else { tail };
    }
    std::ffi::OsString::from_vec(bytes).into()
}

/// What is in a directory; nothing if it isn't there.
fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The pod to whose directory a path belongs.
fn owner(work_dir: &Path, path: &Path) -> Option<String> {
    let below = path.strip_prefix(work_dir.join("pods")).ok()?;
    let id = below.components().next()?.as_os_str();
    Some(String::from_utf8_lossy(id.as_bytes()).into_owned())
}
