//! Directory to archive.

use std::ffi::OsStr;
use std::fs::{self, DirEntry, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use tar::{Builder, EntryType, Header};

use super::error::{At, TarError};
use super::options::{Limits, Report};

/// Packs what is in a directory, by names relative to it and in their order, and returns the writer.
///
/// Permission bits and times are kept, owners are not: everything is root's, so that the same directory makes the same
/// archive for everyone. Symbolic links are packed as they are, not followed; hard links as files of their own.
///
/// # Errors
/// Reading or writing fails, a file changes its size meanwhile, there is more than the limits allow, or a device, pipe or
/// socket.
pub fn pack<W: Write>(dir: &Path, limits: Limits, writer: W) -> Result<W, TarError> {
    let mut packer = Packer::new(limits, writer);
    packer.directory(dir, Path::new(""))?;
    packer.builder.into_inner().at("")
}

/// Packs a file, a directory with all in it, or a symbolic link, as the one entry `name`, and returns the writer. What is
/// kept is as for [`pack`].
///
/// # Errors
/// As there.
pub fn pack_root<W: Write>(path: &Path, name: &OsStr, limits: Limits, writer: W) -> Result<W, TarError> {
    let mut packer = Packer::new(limits, writer);
    packer.entry(path, Path::new(name))?;
    packer.builder.into_inner().at("")
}

struct Packer<W: Write> {
    builder: Builder<W>,
    limits: Limits,
    packed: Report,
}

impl<W: Write> Packer<W> {
    fn new(limits: Limits, writer: W) -> Self {
        Self { builder: Builder::new(writer), limits, packed: Report::default() }
    }

    fn directory(&mut self, dir: &Path, name: &Path) -> Result<(), TarError> {
        let entries = fs::read_dir(dir).and_then(Iterator::collect::<io::Result<Vec<DirEntry>>>);
        let mut names: Vec<_> = entries.at(dir)?.into_iter().map(|entry| entry.file_name()).collect();
        names.sort_unstable();
        for entry in names {
            self.entry(&dir.join(&entry), &name.join(&entry))?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, name: &Path) -> Result<(), TarError> {
        let metadata = fs::symlink_metadata(path).at(path)?;
        self.packed.entries += 1;
        if self.packed.entries > self.limits.max_entries {
            return Err(TarError::TooManyEntries { limit: self.limits.max_entries });
        }
        if metadata.is_dir() {
            let mut header = header(EntryType::Directory, &metadata);
            self.builder.append_data(&mut header, name, io::empty()).at(path)?;
            return self.directory(path, name);
        }
        if metadata.is_symlink() {
            let target = fs::read_link(path).at(path)?;
            let mut header = header(EntryType::Symlink, &metadata);
            return self.builder.append_link(&mut header, name, target).at(path);
        }
        if !metadata.is_file() {
            return Err(TarError::UnsupportedKind { path: path.to_owned() });
        }
        let file = File::open(path).at(path)?;
        let metadata = file.metadata().at(path)?;
        self.packed.bytes = self.packed.bytes.saturating_add(metadata.len());
        if self.packed.bytes > self.limits.max_bytes {
            return Err(TarError::TooManyBytes { limit: self.limits.max_bytes });
        }
        let mut header = header(EntryType::Regular, &metadata);
        header.set_size(metadata.len());
        // One byte more or less than the header says would shift all that follows.
        let mut data = file.take(metadata.len());
        self.builder.append_data(&mut header, name, &mut data).at(path)?;
        if data.limit() > 0 { Err(TarError::Changed { path: path.to_owned() }) } else { Ok(()) }
    }
}

fn header(kind: EntryType, metadata: &Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(metadata.permissions().mode() & 0o7777);
    header.set_mtime(u64::try_from(metadata.mtime()).unwrap_or(0));
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header
}
