//! Archive to directory.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tar::EntryType;

use super::error::{At, TarError};
use super::member::{self, Member, Visitor, malformed};
use super::options::{Limits, Links, Report, Root, UnpackOptions};
use super::path;
use super::place::{Place, set_time};

/// Unpacks an archive of a stranger into the existing directory `target`: [`unpack_with`] with the default options.
///
/// # Errors
/// As there.
pub fn unpack(reader: impl Read, target: &Path, limits: Limits) -> Result<Report, TarError> {
    unpack_with(reader, target, &UnpackOptions { limits, ..UnpackOptions::default() })
}

/// Unpacks an archive into the existing directory `target` and creates nothing outside of it.
///
/// Files, directories, symbolic and hard links are made, with what the options say of modes and times, and the process' own
/// user. The target's own mode stays. Missing directories above an entry are made. A file or link takes the place of another
/// at once and whole: it is written under another name that begins with `.wharf-`. A directory that is there stays, and gets
/// more in it.
///
/// Nobody else may change `target` meanwhile: things are looked at before they are used.
///
/// # Errors
/// The archive is cut short, malformed, beyond the limits, or has an entry that is not any of the above, that lies outside
/// of the target or below a symbolic link, a link or a root that the options don't allow, or a directory where a file is, or
/// the other way round. What was unpacked until then stays.
pub fn unpack_with(reader: impl Read, target: &Path, options: &UnpackOptions) -> Result<Report, TarError> {
    if !fs::metadata(target).at(target)?.is_dir() {
        return Err(TarError::Io { path: target.to_owned(), source: io::ErrorKind::NotADirectory.into() });
    }
    let mut unpacker =
        Unpacker { target, options, root: None, report: Report::default(), directories: BTreeMap::new() };
    let outcome = member::visit(reader, &mut unpacker);
    // At the end and inmost first, since a mode may forbid to reach what is below.
    let finished = unpacker.directories.iter().rev().try_for_each(|(path, own)| own.set(path));
    outcome.and(finished).map(|()| unpacker.report)
}

struct Unpacker<'a> {
    target: &'a Path,
    options: &'a UnpackOptions,
    /// The name of the archive's root, once it is known.
    root: Option<OsString>,
    report: Report,
    /// What directories get in the end.
    directories: BTreeMap<PathBuf, Attributes>,
}

/// What a header says of an entry beside its content.
#[derive(Clone, Copy)]
struct Attributes {
    mode: u32,
    time: Option<u64>,
}

impl Attributes {
    fn set(&self, path: &Path) -> Result<(), TarError> {
        if let Some(time) = self.time {
            set_time(path, time)?;
        }
        fs::set_permissions(path, Permissions::from_mode(self.mode)).at(path)
    }
}

impl Visitor for Unpacker<'_> {
    fn header(&mut self) -> Result<(), TarError> {
        let limit = self.options.limits.max_entries;
        if self.report.entries >= limit {
            return Err(TarError::TooManyEntries { limit });
        }
        self.report.entries += 1;
        Ok(())
    }

    fn member(&mut self, member: Member<'_, impl Read>) -> Result<(), TarError> {
        let header = member.entry.header();
        let kind = header.entry_type();
        let attributes = Attributes {
            mode: header.mode().map_err(malformed)? & self.options.mode_mask,
            time: self.options.times.then(|| header.mtime()).transpose().map_err(malformed)?,
        };
        let is_directory = member.is_directory();
        let Some(parts) = path::clean(&member.name) else {
            return Err(TarError::Escapes { path: OsString::from_vec(member.name).into() });
        };
        let entry = parts.iter().collect();
        let parts = self.place(parts, true)?;
        let Some((_, parent)) = parts.split_last() else {
            return if is_directory { Ok(()) } else { Err(TarError::InTheWay { path: entry }) };
        };
        let parent = parent.to_vec();
        let place = Place { entry, path: path::below(self.target, &parts), parent };
        self.make_parents(&place)?;
        match kind {
            _ if is_directory => self.directory(place, attributes),
            EntryType::Regular | EntryType::Continuous => self.file(&place, member.entry, attributes),
            EntryType::Symlink => self.symbolic_link(&place, member.link, attributes),
            EntryType::Link => self.hard_link(&place, member.link),
            _ => Err(TarError::UnsupportedKind { path: place.entry }),
        }
    }
}

impl Unpacker<'_> {
    /// The parts below the target of what has these parts in the archive.
    fn place(&mut self, mut parts: Vec<OsString>, learn: bool) -> Result<Vec<OsString>, TarError> {
        let new: Option<&OsStr> = match &self.options.root {
            Root::Any => return Ok(parts),
            Root::Named(name) => Some(name),
            Root::Target => None,
        };
        let Some(first) = parts.first_mut() else {
            return Err(malformed("its root has no name"));
        };
        match &self.root {
            Some(root) if root == first => {}
            None if learn => self.root = Some(first.clone()),
            _ => return Err(TarError::AnotherRoot { path: parts.iter().collect() }),
        }
        match new {
            Some(name) => *first = name.to_owned(),
            None => drop(parts.remove(0)),
        }
        Ok(parts)
    }

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

    fn directory(&mut self, place: Place, attributes: Attributes) -> Result<(), TarError> {
        self.make_directory(&place, &place.path)?;
        self.directories.insert(place.path, attributes);
        Ok(())
    }

    fn file(
        &mut self,
        place: &Place,
        mut data: tar::Entry<'_, impl Read>,
        attributes: Attributes,
    ) -> Result<(), TarError> {
        let size = data.size();
        let limit = self.options.limits.max_bytes;
        let sum = self.report.bytes.checked_add(size).filter(|&sum| sum <= limit);
        self.report.bytes = sum.ok_or(TarError::TooManyBytes { limit })?;
        place.fill(|path| {
            // A new file, so nothing that exists is written through.
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).at(&place.path)?;
            copy(&mut data, &mut file, size, &place.path)?;
            attributes.set(path)
        })
    }

    fn symbolic_link(
        &self,
        place: &Place,
        link: Option<Vec<u8>>,
        attributes: Attributes,
    ) -> Result<(), TarError> {
        let link = PathBuf::from(OsString::from_vec(link.unwrap_or_default()));
        if link.as_os_str().is_empty() {
            return Err(malformed("a symbolic link to nothing"));
        }
        if self.options.links == Links::Inside
            && !path::link_stays(self.target, &place.parent, &link).at(&place.path)?
        {
            return Err(TarError::LinkEscapes { path: place.entry.clone(), target: link });
        }
        place.fill(|path| {
            symlink(&link, path).at(&place.path)?;
            attributes.time.map_or(Ok(()), |time| set_time(path, time))
        })
    }

    fn hard_link(&mut self, place: &Place, link: Option<Vec<u8>>) -> Result<(), TarError> {
        let link = link.unwrap_or_default();
        let target = PathBuf::from(OsString::from_vec(link.clone()));
        let path = place.entry.clone();
        let Some(parts) = path::clean(&link) else {
            return Err(TarError::LinkEscapes { path, target });
        };
        let parts = self.place(parts, false)?;
        // Each directory on the way has to be a real one, and the end of it a real file.
        for length in 1..parts.len() {
            let above = path::below(self.target, &parts[..length]);
            if !fs::symlink_metadata(&above).is_ok_and(|metadata| metadata.is_dir()) {
                return Err(TarError::BadHardLink { path, target });
            }
        }
        let original = path::below(self.target, &parts);
        if !fs::symlink_metadata(&original).is_ok_and(|metadata| metadata.is_file()) {
            return Err(TarError::BadHardLink { path, target });
        }
        place.fill(|path| fs::hard_link(&original, path).at(&place.path))
    }

    fn relative(&self, path: &Path) -> PathBuf {
        path.strip_prefix(self.target).unwrap_or(path).to_owned()
    }
}

/// Copies a member's data. Reading and writing fail apart: of the archive, or of the file.
fn copy(data: &mut impl Read, file: &mut fs::File, size: u64, path: &Path) -> Result<(), TarError> {
    let mut buffer = vec![0; 64 * 1024];
    let mut copied = 0;
    loop {
        let count = match data.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error).at(""),
        };
        file.write_all(buffer.get(..count).unwrap_or_default()).at(path)?;
        copied += count as u64;
    }
    if copied == size { Ok(()) } else { Err(TarError::Truncated) }
}
