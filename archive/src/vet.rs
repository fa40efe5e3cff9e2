//! An archive of a stranger as one that any unpacker can be given.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

use super::error::{At, TarError};
use super::member::{self, Member, Visitor, malformed};
use super::path;

/// Writes an archive anew, and returns the writer: only files, directories and links, with names that stay below the target,
/// none below a symbolic link, everything root's, in the one form that every tar reads. For programs that are less careful
/// than [`unpack`](super::unpack()), in a directory that is empty.
///
/// It keeps the names of symbolic links in memory, and nothing else.
///
/// # Errors
/// The archive is cut short or malformed, or has an entry of another kind. What was written by then has no end mark.
pub fn vet<W: Write>(reader: impl Read, writer: W) -> Result<W, TarError> {
    let mut vetting = Vetting { builder: Builder::new(writer), links: BTreeSet::new() };
    member::visit(reader, &mut vetting)?;
    vetting.builder.into_inner().at("")
}

struct Vetting<W: Write> {
    builder: Builder<W>,
    links: BTreeSet<PathBuf>,
}

impl<W: Write> Visitor for Vetting<W> {
    fn header(&mut self) -> Result<(), TarError> {
        Ok(())
    }

    fn member(&mut self, member: Member<'_, impl Read>) -> Result<(), TarError> {
        let is_directory = member.is_directory();
        let path = self.name(&member.name)?;
        if path.as_os_str().is_empty() {
            return if is_directory { Ok(()) } else { Err(TarError::InTheWay { path }) };
        }
        let old = member.entry.header();
        let kind = old.entry_type();
        let mut header = Header::new_gnu();
        header.set_mode(old.mode().map_err(malformed)? & 0o7777);
        header.set_mtime(old.mtime().map_err(malformed)?);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        let link = member.link.unwrap_or_default();
        match kind {
            _ if is_directory => {
                header.set_entry_type(EntryType::Directory);
                self.builder.append_data(&mut header, &path, io::empty()).at("")
            }
            EntryType::Regular | EntryType::Continuous => {
                // What was a link is replaced.
                self.links.remove(&path);
                header.set_entry_type(EntryType::Regular);
                header.set_size(member.entry.size());
                let mut data = Counted { from: member.entry, count: 0 };
                self.builder.append_data(&mut header, &path, &mut data).at("")?;
                if data.count == data.from.size() { Ok(()) } else { Err(TarError::Truncated) }
            }
            EntryType::Symlink => {
                if link.is_empty() {
                    return Err(malformed("a symbolic link to nothing"));
                }
                header.set_entry_type(EntryType::Symlink);
                self.builder.append_link(&mut header, &path, Path::new(OsStr::from_bytes(&link))).at("")?;
                self.links.insert(path);
                Ok(())
            }
            EntryType::Link => {
                let target = self.name(&link)?;
                header.set_entry_type(EntryType::Link);
                self.builder.append_link(&mut header, &path, &target).at("")
            }
            _ => Err(TarError::UnsupportedKind { path }),
        }
    }
}

impl<W: Write> Vetting<W> {
    fn name(&self, name: &[u8]) -> Result<PathBuf, TarError> {
        let parts = path::clean(name)
            .ok_or_else(|| TarError::Escapes { path: OsString::from_vec(name.to_vec()).into() })?;
        let path: PathBuf = parts.iter().collect();
        match path.ancestors().skip(1).find(|above| self.links.contains(*above)) {
            Some(link) => Err(TarError::ThroughLink { link: link.to_owned(), path }),
            None => Ok(path),
        }
    }
}

/// A reader that counts.
struct Counted<R> {
    from: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}
