//! Layers into files: nothing in a layer can reach outside the image's directory.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use sha2::{Digest, Sha256};
use tar::{Archive, Entry, EntryType};

use super::PullError;
use super::pull::check_digest;
use crate::engine::rootfs::{remove_tree, resolve_in_root};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Applies the layer in `file`, plain or gzipped, to `root`, and checks that its content has the digest `diff_id`.
pub(super) fn unpack(file: &Path, diff_id: &str, root: &Path) -> Result<(), PullError> {
    let mut hashing = Hashing { from: open(file).map_err(bad)?, hash: Sha256::new() };
    let mut layer = Layer { root, own: HashSet::new(), directories: Vec::new() };
    let mut archive = Archive::new(&mut hashing);
    for entry in archive.entries().map_err(bad)? {
        layer.apply(&mut entry.map_err(bad)?).map_err(bad)?;
    }
    layer.finish().map_err(bad)?;
    // The padding at the end counts too.
    io::copy(&mut hashing, &mut io::sink()).map_err(bad)?;
    check_digest("diff", diff_id, &hashing.hash.finalize())
}

fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let mut magic = [0; 2];
    let read = File::open(path)?.read(&mut magic)?;
    let file = BufReader::new(File::open(path)?);
    Ok(if read == 2 && magic == GZIP_MAGIC { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

struct Layer<'a> {
    root: &'a Path,
    /// What this layer has made: its whiteouts do not apply to that.
    own: HashSet<PathBuf>,
    /// Modes of directories, set last: they may forbid writing.
    directories: Vec<(PathBuf, u32)>,
}

impl Layer<'_> {
    fn apply<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> io::Result<()> {
        let path = inside(&entry.path()?)?;
        let Some(name) = path.file_name().map(OsStr::to_os_string) else {
            // The root itself.
            self.directories.push((self.root.to_path_buf(), entry.header().mode()?));
            return Ok(());
        };
        let parent = resolve_in_root(self.root, path.parent().unwrap_or(Path::new("")))?;
        fs::create_dir_all(&parent)?;
        if name.as_bytes() == OPAQUE {
            return self.hide_all(&parent);
        }
        if let Some(hidden) = name.as_bytes().strip_prefix(WHITEOUT) {
            let target = parent.join(OsStr::from_bytes(hidden));
            return if hidden.is_empty() || hidden == b"." || hidden == b".." || hidden.contains(&b'/') {
                Err(io::Error::other("a whiteout of nothing"))
            } else if self.own.contains(&target) {
                Ok(())
            } else {
                remove(&target)
            };
        }
        let target = parent.join(&name);
        self.place(entry, &target)?;
        self.own.insert(target);
        Ok(())
    }

    fn place<R: Read>(&mut self, entry: &mut Entry<'_, R>, target: &Path) -> io::Result<()> {
        let header = entry.header();
        let (kind, mode) = (header.entry_type(), header.mode()? & 0o7777);
        let (uid, gid) = (id(header.uid()?)?, id(header.gid()?)?);
        let is_directory = fs::symlink_metadata(target).is_ok_and(|found| found.is_dir());
        if !(kind.is_dir() && is_directory) {
            remove(target)?;
        }
        match kind {
            EntryType::Directory => {
                if !is_directory {
                    fs::create_dir(target)?;
                }
                self.directories.push((target.to_path_buf(), mode));
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let mut file = File::create_new(target)?;
                io::copy(entry, &mut file)?;
            }
            EntryType::Symlink => {
                let link = entry.link_name()?.ok_or_else(|| io::Error::other("a link to nowhere"))?;
                symlink(link, target)?;
                return own(target, uid, gid);
            }
            EntryType::Link => {
                let link = entry.link_name()?.ok_or_else(|| io::Error::other("a link to nowhere"))?;
                let link = inside(&link)?;
                let parent = resolve_in_root(self.root, link.parent().unwrap_or(Path::new("")))?;
                let name = link.file_name().ok_or_else(|| io::Error::other("a hard link to a directory"))?;
                return fs::hard_link(parent.join(name), target);
            }
            EntryType::Fifo | EntryType::Char | EntryType::Block => device(kind, header, target)?,
            EntryType::XGlobalHeader | EntryType::XHeader => return Ok(()),
            other => return Err(io::Error::other(format!("an entry of kind {other:?}"))),
        }
        own(target, uid, gid)?;
        if !kind.is_dir() {
            fs::set_permissions(target, Permissions::from_mode(mode))?;
        }
        Ok(())
    }

    /// Removes what lower layers have put into a directory.
    fn hide_all(&self, directory: &Path) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if !self.own.contains(&path) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    fn finish(&self) -> io::Result<()> {
        for (directory, mode) in &self.directories {
            if fs::symlink_metadata(directory).is_ok_and(|found| found.is_dir()) {
                fs::set_permissions(directory, Permissions::from_mode(mode & 0o7777))?;
            }
        }
        Ok(())
    }
}

/// The path without what leads to its root; refused when it leads out.
fn inside(path: &Path) -> io::Result<PathBuf> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => clean.push(part),
            Component::CurDir | Component::RootDir => {}
            _ => return Err(io::Error::other(format!("{} leads outside", path.display()))),
        }
    }
    Ok(clean)
}

fn device(kind: EntryType, header: &tar::Header, target: &Path) -> io::Result<()> {
    let kind = match kind {
        EntryType::Fifo => SFlag::S_IFIFO,
        EntryType::Char => SFlag::S_IFCHR,
        _ => SFlag::S_IFBLK,
    };
    let number = |number: Option<u32>| u64::from(number.unwrap_or(0));
    let device = makedev(number(header.device_major()?), number(header.device_minor()?));
    mknod(target, kind, Mode::empty(), device).map_err(io::Error::from)
}

fn own(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::lchown(path, Some(uid), Some(gid))
    } else {
        Ok(())
    }
}

fn id(id: u64) -> io::Result<u32> {
    u32::try_from(id).map_err(io::Error::other)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => remove_tree(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn bad(error: io::Error) -> PullError {
    PullError::BadLayer { why: error.to_string() }
}

struct Hashing<R> {
    from: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.hash.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}
