//! Directory to archive.

use std::fs::{self, DirEntry, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use tar::{Builder, EntryType, Header};

use super::error::{At, TarError};

/// Packs what is in a directory, by names relative to it and in their order, and returns the writer.
///
/// Permission bits and times are kept, owners are not: everything is root's, so that the same directory makes the same
/// archive for everyone. Symbolic links are packed as they are, not followed; hard links as files of their own.
///
/// # Errors
/// Reading or writing fails, a file changes its size meanwhile, or there is a device, pipe or socket.
pub fn pack<W: Write>(dir: &Path, writer: W) -> Result<W, TarError> {
    let mut builder = Builder::new(writer);
    pack_directory(&mut builder, dir, Path::new(""))?;
    builder.into_inner().at("")
}

fn pack_directory(builder: &mut Builder<impl Write>, dir: &Path, name: &Path) -> Result<(), TarError> {
    let entries = fs::read_dir(dir).and_then(Iterator::collect::<io::Result<Vec<DirEntry>>>);
    let mut names: Vec<_> = entries.at(dir)?.into_iter().map(|entry| entry.file_name()).collect();
    names.sort_unstable();
    for entry in names {
        pack_entry(builder, &dir.join(&entry), &name.join(&entry))?;
    }
    Ok(())
}

fn pack_entry(builder: &mut Builder<impl Write>, path: &Path, name: &Path) -> Result<(), TarError> {
    let metadata = fs::symlink_metadata(path).at(path)?;
    if metadata.is_dir() {
        let mut header = header(EntryType::Directory, &metadata);
        builder.append_data(&mut header, name, io::empty()).at(path)?;
        return pack_directory(builder, path, name);
    }
    if metadata.is_symlink() {
        let target = fs::read_link(path).at(path)?;
        let mut header = header(EntryType::Symlink, &metadata);
        return builder.append_link(&mut header, name, target).at(path);
    }
    if !metadata.is_file() {
        return Err(TarError::UnsupportedKind { path: path.to_owned() });
    }
    let file = File::open(path).at(path)?;
    let metadata = file.metadata().at(path)?;
    let mut header = header(EntryType::Regular, &metadata);
    header.set_size(metadata.len());
    // One byte more or less than the header says would shift all that follows.
    let mut data = file.take(metadata.len());
    builder.append_data(&mut header, name, &mut data).at(path)?;
    if data.limit() > 0 { Err(TarError::Changed { path: path.to_owned() }) } else { Ok(()) }
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
