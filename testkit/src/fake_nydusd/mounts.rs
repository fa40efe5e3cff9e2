//! What is mounted on the daemon, and how mounting is refused.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    path::Path,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    configuration::Shown,
    lacks::{MAGIC, MAGIC_OFFSET, SUPERBLOCK_BYTES},
};

const EXISTS: &str = "object or filesystem already exists";
pub(super) const MISSING: &str = "object or filesystem doesn't exist";
pub(super) const NO_RAFS: &str = "filesystem type mismatch, expect RAFS";

/// The body of a mount and a remount.
#[derive(Debug, Deserialize)]
pub(super) struct Order {
    source: String,
    #[serde(default = "rafs")]
    fs_type: String,
    config: String,
    #[serde(default)]
    prefetch_files: Option<Vec<String>>,
}

/// One mount, as the daemon shows it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Mounted {
    backend_type: &'static str,
    mountpoint: String,
    mounted_time: String,
    pub(super) config: Option<Shown>,
}

/// Those there are. The daemon itself shows them in no order.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Mounts {
    /// As they are shown: by the mountpoint of the request that mounted them.
    shown: BTreeMap<String, Mounted>,
    /// As they are found: by where the mountpoint leads, so that `/a/../b` is the same as `/b`.
    #[serde(skip)]
    found: BTreeMap<String, Mounted>,
}

fn rafs() -> String {
    "rafs".to_owned()
}

impl Mounts {
    /// Mounts something; paths that are not absolute are below `directory`. The error is the daemon's own text.
    pub(super) fn mount(&mut self, mountpoint: &str, order: &Order, directory: &Path) -> Result<(), String> {
        let is_rafs = order.is_rafs()?;
        if !mountpoint.starts_with('/') {
            return Err(format!(
                "VFS failed to handle request, PathWalk({})",
                os(22, "InvalidInput", "Invalid argument")
            ));
        }
        if self.found.contains_key(&resolved(mountpoint)) {
            return Err(EXISTS.to_owned());
        }
        if order.prefetch_files.iter().flatten().any(|path| !path.starts_with('/')) {
            return Err("invalid prefetch file list".to_owned());
        }
        let source = directory.join(&order.source);
        let config = if is_rafs { Some(order.image(&source, directory)?) } else { shared(&source)? };
        self.put(mountpoint, config);
        Ok(())
    }

    /// Gives a mounted image another bootstrap or configuration.
    pub(super) fn remount(
        &mut self,
        mountpoint: &str,
        order: &Order,
        directory: &Path,
    ) -> Result<(), String> {
        order.is_rafs()?;
        let is_image = self.get(mountpoint).ok_or(MISSING)?.config.is_some();
        let source = directory.join(&order.source);
        if let Err(error) = std::fs::File::open(&source) {
            return Err(format!(
                "RAFS failed to handle request, ReadMetadata({}, {:?})",
                shown(&error),
                order.source
            ));
        }
        if !is_image {
            return Err(NO_RAFS.to_owned());
        }
        self.put(mountpoint, Some(order.configuration()?));
        Ok(())
    }

    pub(super) fn unmount(&mut self, mountpoint: &str) -> Result<(), String> {
        self.found.remove(&resolved(mountpoint)).ok_or(MISSING)?;
        self.shown.remove(mountpoint);
        Ok(())
    }

    pub(super) fn get(&self, mountpoint: &str) -> Option<&Mounted> {
        self.found.get(&resolved(mountpoint))
    }

    /// The mounted images, with their mountpoints.
    pub(super) fn images(&self) -> impl Iterator<Item = (&str, &Shown)> {
        self.found
            .values()
            .filter_map(|mounted| Some((mounted.mountpoint.as_str(), mounted.config.as_ref()?)))
    }

    fn put(&mut self, mountpoint: &str, config: Option<Shown>) {
        let mounted = Mounted::new(mountpoint, config);
        self.found.insert(resolved(mountpoint), mounted.clone());
        self.shown.insert(mountpoint.to_owned(), mounted);
    }
}

/// Where a mountpoint leads.
fn resolved(mountpoint: &str) -> String {
    let mut parts = Vec::new();
    for part in mountpoint.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

impl Mounted {
    fn new(mountpoint: &str, config: Option<Shown>) -> Self {
        Self {
            backend_type: if config.is_some() { "Rafs" } else { "PassthroughFs" },
            mountpoint: mountpoint.to_owned(),
            mounted_time: Timestamp::now().strftime("%Y-%m-%d %H:%M:%S%.f +00:00:00").to_string(),
            config,
        }
    }
}

impl Order {
    fn is_rafs(&self) -> Result<bool, String> {
        match self.fs_type.as_str() {
            "rafs" => Ok(true),
            "passthrough" | "passthroughfs" | "passthrough_fs" => Ok(false),
            other => Err(format!(
                "invalid argument `only 'rafs' and 'passthrough_fs' are supported, but {other} was specified`"
            )),
        }
    }

    fn configuration(&self) -> Result<Shown, String> {
        Shown::read(&self.config).ok_or_else(|| {
            let invalid = os(22, "InvalidInput", "Invalid argument");
            format!("RAFS failed to handle request, LoadConfig({invalid})")
        })
    }

    /// Looks at an image as far as the daemon's refusals go.
    fn image(&self, source: &Path, directory: &Path) -> Result<Shown, String> {
        let config = self.configuration()?;
        superblock(source)
            .map_err(|error| format!("RAFS failed to handle request, FillSuperblock({error})"))?;
        if config.cache.is_none() {
            return Err(
                "RAFS failed to handle request, Configure(\"Rafs v6 must have local blobcache configured\")"
                    .to_owned(),
            );
        }
        let blobs = config.backend.localfs.as_ref().map(|localfs| directory.join(&localfs.dir));
        if blobs.is_some_and(|blobs| !blobs.is_dir()) {
            let broken = os(5, "Uncategorized", "Input/output error");
            return Err(format!("RAFS failed to handle request, CreateDevice({broken})"));
        }
        Ok(config)
    }
}

fn superblock(source: &Path) -> Result<(), String> {
    let bytes = std::fs::read(source).map_err(|error| shown(&error))?;
    if bytes.len() < SUPERBLOCK_BYTES {
        return Err("Error { kind: UnexpectedEof, message: \"failed to fill whole buffer\" }".to_owned());
    }
    if !bytes[MAGIC_OFFSET..].starts_with(&MAGIC) {
        return Err("Custom { kind: Other, error: \"invalid RAFS superblock\" }".to_owned());
    }
    Ok(())
}

fn shared(source: &Path) -> Result<Option<Shown>, String> {
    match std::fs::metadata(source) {
        Ok(found) if found.is_dir() => Ok(None),
        Ok(_) => {
            let file = os(20, "NotADirectory", "Not a directory");
            Err(format!("VFS failed to handle request, Mount({file})"))
        }
        Err(error) => Err(format!("passthroughfs failed to handle request, {error}")),
    }
}

/// An error of the operating system, as the daemon's language prints it for developers.
fn shown(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => os(2, "NotFound", "No such file or directory"),
        ErrorKind::IsADirectory => os(21, "IsADirectory", "Is a directory"),
        _ => format!("{error:?}"),
    }
}

fn os(code: i32, kind: &str, message: &str) -> String {
    format!("Os {{ code: {code}, kind: {kind}, message: \"{message}\" }}")
}
