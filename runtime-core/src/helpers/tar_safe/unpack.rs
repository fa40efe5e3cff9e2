//! Archive to directory.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tar::EntryType;

use super::error::{At, TarError};
use super::member::{self, Member, Visitor, malformed};
use super::path;

/// How much an archive may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of all files together.
    pub max_bytes: u64,
    /// Headers, and directories that are made because an entry lies in them.
    pub max_entries: u64,
}

impl Default for Limits {
    /// 1 GiB in 100,000 entries.
    fn default() -> Self {
        Self { max_bytes: 1 << 30, max_entries: 100_000 }
    }
}

/// What an archive held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Headers, and directories that were made because an entry lies in them.
    pub entries: u64,
    /// Bytes of all files together.
    pub bytes: u64,
}

/// Unpacks an archive into the existing directory `target` and creates nothing outside of it.
///
/// Files, directories, symbolic and hard links are made, with the permission bits of the archive (never set-user-id,
/// set-group-id or sticky; the target's own stay) and the process' own user and time. Missing directories above an entry
/// are made. A file or link takes the place of another.
///
/// Nobody else may change `target` meanwhile: things are looked at before they are used.
///
/// # Errors
/// The archive is cut short, malformed, beyond `limits`, or has an entry that is not any of the above, that lies outside
/// of the target or below a symbolic link, or a link that leads out. What was unpacked until then stays.
pub fn unpack(reader: impl Read, target: &Path, limits: Limits) -> Result<Report, TarError> {
    if !fs::metadata(target).at(target)?.is_dir() {
        return Err(TarError::Io { path: target.to_owned(), source: io::ErrorKind::NotADirectory.into() });
    }
    let mut unpacker = Unpacker { target, limits, report: Report::default(), modes: BTreeMap::new() };
    let outcome = member::visit(reader, &mut unpacker);
    // At the end and inmost first, since a mode may forbid to reach what is below.
    let modes = unpacker.modes.iter().rev().try_for_each(|(place, mode)| set_mode(place, *mode));
    outcome.and(modes).map(|()| unpacker.report)
}

struct Unpacker<'a> {
    target: &'a Path,
    limits: Limits,
    report: Report,
    /// The modes that directories get in the end.
    modes: BTreeMap<PathBuf, u32>,
}

impl Visitor for Unpacker<'_> {
    fn header(&mut self) -> Result<(), TarError> {
        let limit = self.limits.max_entries;
        if self.report.entries >= limit {
            return Err(TarError::TooManyEntries { limit });
        }
        self.report.entries += 1;
        Ok(())
    }

    fn member(&mut self, member: Member<'_, impl Read>) -> Result<(), TarError> {
        let header = member.entry.header();
        let kind = header.entry_type();
        let mode = header.mode().map_err(malformed)? & 0o777;
        // Archives older than POSIX mark a directory by its slash only.
        let is_directory = kind.is_dir() || (kind.is_file() && member.name.ends_with(b"/"));
        let Some(parts) = path::clean(&member.name) else {
            return Err(TarError::Escapes { path: OsString::from_vec(member.name).into() });
        };
        let entry = parts.iter().collect();
        let Some((_, parent)) = parts.split_last() else {
            return if is_directory { Ok(()) } else { Err(TarError::InTheWay { path: entry }) };
        };
        let parent = parent.to_vec();
        let place = Place { entry, path: path::below(self.target, &parts), parent };
        self.make_parents(&place)?;
        match kind {
            _ if is_directory => self.directory(place, mode),
            EntryType::Regular | EntryType::Continuous => self.file(&place, member.entry, mode),
            EntryType::Symlink => self.symbolic_link(place, member.link),
            EntryType::Link => self.hard_link(place, member.link),
            _ => Err(TarError::UnsupportedKind { path: place.entry }),
        }
    }
}

/// Where an entry goes.
struct Place {
    /// Its name in the archive, cleaned.
    entry: PathBuf,
    /// Its path on disk.
    path: PathBuf,
    /// The parts of its name above the last.
    parent: Vec<OsString>,
}

impl Unpacker<'_> {
    fn make_parents(&mut self, place: &Place) -> Result<(), TarError> {
        let mut path = self.target.to_owned();
        for part in &place.parent {
            path.push(part);
            if self.make_directory(place, &path)? {
                self.header()?;
            }
        }
        Ok(())
    }

    /// Whether there was none.
    fn make_directory(&self, place: &Place, path: &Path) -> Result<bool, TarError> {
        let kind = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return fs::create_dir(path).at(path).map(|()| true);
            }
            Err(error) => return Err(error).at(path),
        };
        if kind.is_symlink() {
            return Err(TarError::ThroughLink { path: place.entry.clone(), link: self.relative(path) });
        }
        if kind.is_dir() { Ok(false) } else { Err(TarError::InTheWay { path: place.entry.clone() }) }
    }

    fn directory(&mut self, place: Place, mode: u32) -> Result<(), TarError> {
        self.make_directory(&place, &place.path)?;
        self.modes.insert(place.path, mode);
        Ok(())
    }

    fn file(
        &mut self,
        place: &Place,
        mut data: tar::Entry<'_, impl Read>,
        mode: u32,
    ) -> Result<(), TarError> {
        let size = data.size();
        let limit = self.limits.max_bytes;
        let sum = self.report.bytes.checked_add(size).filter(|&sum| sum <= limit);
        self.report.bytes = sum.ok_or(TarError::TooManyBytes { limit })?;
        make_room(place)?;
        // A new file, so nothing that exists is written through.
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&place.path).at(&place.path)?;
        let copied = io::copy(&mut data, &mut file).at(&place.path)?;
        if copied != size {
            return Err(TarError::Truncated);
        }
        file.set_permissions(Permissions::from_mode(mode)).at(&place.path)
    }

    fn symbolic_link(&mut self, place: Place, link: Option<Vec<u8>>) -> Result<(), TarError> {
        let link = PathBuf::from(OsString::from_vec(link.unwrap_or_default()));
        if link.as_os_str().is_empty() {
            return Err(malformed("a symbolic link to nothing"));
        }
        if !path::link_stays(self.target, &place.parent, &link).at(&place.path)? {
            return Err(TarError::LinkEscapes { path: place.entry, target: link });
        }
        make_room(&place)?;
        symlink(&link, &place.path).at(&place.path)
    }

    fn hard_link(&mut self, place: Place, link: Option<Vec<u8>>) -> Result<(), TarError> {
        let link = link.unwrap_or_default();
        let shown = || PathBuf::from(OsString::from_vec(link.clone()));
        let Some(parts) = path::clean(&link) else {
            return Err(TarError::LinkEscapes { path: place.entry, target: shown() });
        };
        // Each directory on the way has to be a real one, and the end of it a real file.
        for length in 1..parts.len() {
            let above = path::below(self.target, &parts[..length]);
            if !fs::symlink_metadata(&above).is_ok_and(|metadata| metadata.is_dir()) {
                return Err(TarError::BadHardLink { path: place.entry, target: shown() });
            }
        }
        let original = path::below(self.target, &parts);
        if !fs::symlink_metadata(&original).is_ok_and(|metadata| metadata.is_file()) {
            return Err(TarError::BadHardLink { path: place.entry, target: shown() });
        }
        if original == place.path {
            return Ok(());
        }
        make_room(&place)?;
        fs::hard_link(&original, &place.path).at(&place.path)
    }

    fn relative(&self, path: &Path) -> PathBuf {
        path.strip_prefix(self.target).unwrap_or(path).to_owned()
    }
}

/// Removes the file or link that is there, the link and not what it points to.
fn make_room(place: &Place) -> Result<(), TarError> {
    match fs::symlink_metadata(&place.path) {
        Ok(metadata) if metadata.is_dir() => Err(TarError::InTheWay { path: place.entry.clone() }),
        Ok(_) => fs::remove_file(&place.path).at(&place.path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).at(&place.path),
    }
}

fn set_mode(path: &Path, mode: u32) -> Result<(), TarError> {
    fs::set_permissions(path, Permissions::from_mode(mode)).at(path)
}
