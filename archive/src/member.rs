//! The members of an archive, with the extensions that give some of them a long name.

use std::cell::Cell;
use std::io::{self, Read};

use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::error::TarError;

/// No name is longer, so no extension needs to be: one that is would only fill the memory.
const MAX_EXTENSION: u64 = 64 * 1024;

/// One member: its header and data, and its full names.
pub(super) struct Member<'a, R: Read> {
    pub(super) entry: Entry<'a, R>,
    pub(super) name: Vec<u8>,
    pub(super) link: Option<Vec<u8>>,
}

impl<R: Read> Member<'_, R> {
    /// Archives older than POSIX mark a directory by its slash only.
    pub(super) fn is_directory(&self) -> bool {
        let kind = self.entry.header().entry_type();
        kind.is_dir() || (kind.is_file() && self.name.ends_with(b"/"))
    }
}

/// Who looks at an archive.
pub(super) trait Visitor {
    /// There is another header: of a member, or of an extension to the next one.
    fn header(&mut self) -> Result<(), TarError>;

    /// There is another member.
    fn member(&mut self, member: Member<'_, impl Read>) -> Result<(), TarError>;
}

/// Shows an archive to a visitor, in order. An archive that lacks its end mark is an error.
pub(super) fn visit(reader: impl Read, visitor: &mut impl Visitor) -> Result<(), TarError> {
    let at_end = Cell::new(false);
    let mut archive = Archive::new(EndWatch { reader, at_end: &at_end });
    let refused = |error: io::Error| if at_end.get() { TarError::Truncated } else { malformed(error) };
    let mut pending = Extensions::default();
    for entry in archive.entries().map_err(refused)?.raw(true) {
        let entry = entry.map_err(refused)?;
        visitor.header()?;
        let kind = entry.header().entry_type();
        if is_extension(kind) {
            pending.add(kind, entry)?;
            continue;
        }
        let Extensions { name, link, size } = std::mem::take(&mut pending);
        if size.is_some_and(|size| size != entry.size()) {
            return Err(malformed("header and extension disagree about the size of an entry"));
        }
        let name = name.unwrap_or_else(|| entry.path_bytes().into_owned());
        let link = link.or_else(|| entry.link_name_bytes().map(|link| link.into_owned()));
        visitor.member(Member { entry, name, link })?;
    }
    // The end mark stops the iteration before the reader is at its end.
    if at_end.get() || pending != Extensions::default() { Err(TarError::Truncated) } else { Ok(()) }
}

/// A reader that notes that there is nothing more to read.
struct EndWatch<'a, R> {
    reader: R,
    at_end: &'a Cell<bool>,
}

impl<R: Read> Read for EndWatch<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            self.at_end.set(true);
        }
        Ok(count)
    }
}

/// What extensions say about the entry after them.
#[derive(Default, PartialEq)]
struct Extensions {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Extensions {
    fn add(&mut self, kind: EntryType, mut entry: Entry<'_, impl Read>) -> Result<(), TarError> {
        let size = entry.size();
        if size > MAX_EXTENSION {
            return Err(malformed("an extension is longer than any name"));
        }
        let mut data = Vec::new();
        entry.read_to_end(&mut data).map_err(malformed)?;
        if data.len() as u64 != size {
            return Err(TarError::Truncated);
        }
        match kind {
            EntryType::GNULongName => set(&mut self.name, without_nul(data)),
            EntryType::GNULongLink => set(&mut self.link, without_nul(data)),
            kind => self.add_pax(&data, kind == EntryType::XGlobalHeader),
        }
    }

    fn add_pax(&mut self, data: &[u8], global: bool) -> Result<(), TarError> {
        for record in PaxExtensions::new(data) {
            let record = record.map_err(malformed)?;
            let key = record.key_bytes();
            let value = record.value_bytes();
            if key.starts_with(b"GNU.sparse.") {
                return Err(malformed("sparse files are not supported"));
            }
            match key {
                b"path" | b"linkpath" | b"size" if global => {
                    return Err(malformed("a global extension gives all entries one name or size"));
                }
                b"path" => set(&mut self.name, value.to_vec())?,
                b"linkpath" => set(&mut self.link, value.to_vec())?,
                b"size" => {
                    let size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                    set(
                        &mut self.size,
                        size.ok_or_else(|| malformed("the size in an extension is no number"))?,
                    )?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// An error about the archive's form.
pub(super) fn malformed(reason: impl ToString) -> TarError {
    TarError::Malformed { reason: reason.to_string() }
}

fn is_extension(kind: EntryType) -> bool {
    kind.is_gnu_longname()
        || kind.is_gnu_longlink()
        || kind.is_pax_local_extensions()
        || kind.is_pax_global_extensions()
}

fn set<T>(slot: &mut Option<T>, value: T) -> Result<(), TarError> {
    match slot.replace(value) {
        // Readers of archives disagree about which one counts.
        Some(_) => Err(malformed("two extensions give one entry a name or size")),
        None => Ok(()),
    }
}

fn without_nul(mut data: Vec<u8>) -> Vec<u8> {
    data.pop_if(|last| *last == 0);
    data
}
