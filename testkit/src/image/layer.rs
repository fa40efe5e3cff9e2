//! Layers: files, directories, links and whiteouts, packed the same way every time.

use std::collections::BTreeMap;
use std::io::{self, Write};

use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use runtime_core::helpers::digest::Digest;

use super::blob::{Blob, digest_of};
use super::error::{Error, Result};

/// Collects what a layer holds. What is packed depends on the entries alone, not on their order or the time.
#[derive(Clone, Debug, Default)]
pub struct LayerBuilder {
    entries: BTreeMap<String, Entry>,
}

/// One thing in a layer, owned by root unless it says otherwise.
#[derive(Clone, Debug)]
pub struct Entry {
    kind: Kind,
    mode: u32,
    uid: u64,
    gid: u64,
}

/// A packed layer. Cheap to clone, so several images can share it.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The compressed archive; its media type is set by the image that it gets into.
    pub(crate) data: Bytes,
    pub(crate) digest: Digest,
    /// The digest of the archive before compression, by which a config names the layer.
    pub(crate) diff_id: Digest,
}

#[derive(Clone, Debug)]
enum Kind {
    File(Bytes),
    Directory,
    Symlink(String),
}

impl LayerBuilder {
    /// An empty layer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an entry at a path, which is relative to the root. A later entry at the same path takes its place.
    #[must_use]
    pub fn with(mut self, path: &str, entry: Entry) -> Self {
        self.entries.insert(path.trim_matches('/').to_owned(), entry);
        self
    }

    /// Deletes a path that a layer below has put there.
    #[must_use]
    pub fn without(self, path: &str) -> Self {
        let path = path.trim_matches('/');
        let marker = match path.rsplit_once('/') {
            Some((parent, name)) => format!("{parent}/.wh.{name}"),
            None => format!(".wh.{path}"),
        };
        self.with(&marker, Entry::file(Bytes::new()))
    }

    /// Hides all that layers below have put into a directory.
    #[must_use]
    pub fn opaque(self, path: &str) -> Self {
        self.with(&format!("{}/.wh..wh..opq", path.trim_matches('/')), Entry::file(Bytes::new()))
    }

    /// Packs the layer.
    pub fn build(self) -> Result<Layer> {
        let failed = || Error::io("packing a layer");
        let archive = self.pack().map_err(failed())?;
        let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::fast());
        gzip.write_all(&archive).map_err(failed())?;
        let data = gzip.finish().map_err(failed())?;
        Ok(Layer { digest: digest_of(&data), diff_id: digest_of(&archive), data: data.into() })
    }

    fn pack(self) -> io::Result<Vec<u8>> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, entry) in self.entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(entry.mode);
            header.set_uid(entry.uid);
            header.set_gid(entry.gid);
            header.set_mtime(0);
            header.set_size(0);
            match entry.kind {
                Kind::File(data) => {
                    header.set_entry_type(tar::EntryType::Regular);
                    header.set_size(data.len() as u64);
                    archive.append_data(&mut header, path, &*data)?;
                }
                Kind::Directory => {
                    header.set_entry_type(tar::EntryType::Directory);
                    archive.append_data(&mut header, format!("{path}/"), io::empty())?;
                }
                Kind::Symlink(target) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    archive.append_link(&mut header, path, target)?;
                }
            }
        }
        archive.into_inner()
    }
}

impl Entry {
    /// A file that everybody may read (mode 0644).
    #[must_use]
    pub fn file(data: impl Into<Bytes>) -> Self {
        Self::new(Kind::File(data.into()), 0o644)
    }

    /// A directory that everybody may enter (mode 0755).
    #[must_use]
    pub fn directory() -> Self {
        Self::new(Kind::Directory, 0o755)
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(target: impl Into<String>) -> Self {
        Self::new(Kind::Symlink(target.into()), 0o777)
    }

    /// Sets the permission bits.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Sets the numeric owner and group.
    #[must_use]
    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        (self.uid, self.gid) = (uid.into(), gid.into());
        self
    }

    fn new(kind: Kind, mode: u32) -> Self {
        Self { kind, mode, uid: 0, gid: 0 }
    }
}

impl Layer {
    /// The layer under a media type.
    pub(crate) fn blob(&self, media_type: &str) -> Blob {
        Blob { media_type: media_type.to_owned(), digest: self.digest.clone(), data: self.data.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn example() -> LayerBuilder {
        LayerBuilder::new()
            .with("/etc", Entry::directory())
            .with("etc/motd", Entry::file("hello").mode(0o600).owner(1000, 1001))
            .with("link", Entry::symlink("etc/motd"))
            .without("/etc/old")
            .opaque("var")
    }

    #[test]
    fn the_order_of_entries_changes_nothing() {
        let reversed = LayerBuilder::new()
            .opaque("var")
            .without("etc/old")
            .with("/link", Entry::symlink("etc/motd"))
            .with("etc/motd", Entry::file("hello").mode(0o600).owner(1000, 1001))
            .with("etc/", Entry::directory());
        assert_eq!(example().build().unwrap().digest, reversed.build().unwrap().digest);
    }

    #[test]
    fn entries_come_out_as_they_went_in() {
        let layer = example().build().unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&*layer.data));
        let seen: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                let header = entry.header();
                let (mode, uid, gid) = (header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap());
                format!("{} {mode:o} {uid}:{gid} {text}", entry.path().unwrap().display())
            })
            .collect();
        assert_eq!(
            seen,
            [
                "etc/ 755 0:0 ",
                "etc/.wh.old 644 0:0 ",
                "etc/motd 600 1000:1001 hello",
                "link 777 0:0 ",
                "var/.wh..wh..opq 644 0:0 ",
            ]
        );
    }

    #[test]
    fn the_config_names_the_uncompressed_archive() {
        let layer = example().build().unwrap();
        let mut archive = Vec::new();
        flate2::read::GzDecoder::new(&*layer.data).read_to_end(&mut archive).unwrap();
        assert_eq!(layer.diff_id, digest_of(&archive));
        assert_eq!(layer.digest, digest_of(&layer.data));
    }
}
