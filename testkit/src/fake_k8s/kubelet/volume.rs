//! A pod's volumes, as directories and files of the host.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::core::v1::{
    Container, DownwardAPIVolumeFile, EmptyDirVolumeSource, HostPathVolumeSource, KeyToPath, Volume,
    VolumeProjection,
};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use runtime_core::helpers::quantity::Quantity;

use super::env::{Sources, resource};
use super::fields;
use crate::engine::{Engine, EngineError};

/// Why a volume can't be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum VolumeError {
    /// It may come, as a config map that is missing.
    NotYet(String),
    /// It never will: the fake can't do it.
    Unsupported(String),
}

impl VolumeError {
    /// As the kubelet tells it of the volume it is about.
    fn of(self, volume: &str) -> Self {
        match self {
            Self::NotYet(why) => Self::NotYet(format!("volume {volume:?} : {why}")),
            Self::Unsupported(why) => Self::Unsupported(why),
        }
    }
}

/// The volumes of a pod. Dropping them unmounts what is mounted and removes what is not the host's.
#[derive(Debug)]
pub(super) struct Volumes {
    directory: PathBuf,
    paths: HashMap<String, PathBuf>,
    mounted: Vec<PathBuf>,
    images: HashSet<String>,
    filled: Mutex<HashSet<String>>,
}

impl Volumes {
    /// Makes them all, under a directory of the pod's own. Those of images are empty as yet, and are refused unless
    /// `mounts_images`.
    pub(super) fn make(
        directory: PathBuf,
        (volumes, mounts_images): (&[Volume], bool),
        containers: &[&Container],
        sources: &Sources<'_>,
    ) -> Result<Self, VolumeError> {
        let mut made = Self {
            directory,
            paths: HashMap::new(),
            mounted: Vec::new(),
            images: HashSet::new(),
            filled: Mutex::default(),
        };
        for volume in volumes {
            if volume.image.is_some() && mounts_images {
                made.paths.insert(volume.name.clone(), made.directory.join(&volume.name));
                made.images.insert(volume.name.clone());
                continue;
            }
            let path = made.make_one(volume, containers, sources).map_err(|error| error.of(&volume.name))?;
            made.paths.insert(volume.name.clone(), path);
        }
        Ok(made)
    }

    /// Whether a volume is made of an image, which nobody may write to.
    pub(super) fn is_image(&self, volume: &str) -> bool {
        self.images.contains(volume)
    }

    /// Puts the files of an image into a volume that is made of it, unless they are there. Blocks.
    pub(super) fn fill(&self, volume: &str, engine: &Engine, image: &str) -> Result<(), EngineError> {
        let mut filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        if !filled.contains(volume) {
            engine.copy_image(image, &self.directory.join(volume))?;
            filled.insert(volume.to_owned());
        }
        Ok(())
    }

    /// Where a mount of a volume is on the host.
    pub(super) fn path(&self, volume: &str, sub_path: &str) -> Result<PathBuf, String> {
        let root = self.paths.get(volume).ok_or_else(|| format!("volume {volume:?} not found"))?;
        if sub_path.is_empty() {
            return Ok(root.clone());
        }
        let inside = Path::new(sub_path).components().all(|part| matches!(part, Component::Normal(_)));
        if !inside {
            return Err(format!("subPath {sub_path:?} must be a relative path without '..'"));
        }
        let path = root.join(sub_path);
        if !path.exists() {
            fs::create_dir_all(&path).map_err(|error| {
                format!("failed to create subPath directory for volumeMount {volume:?}: {error}")
            })?;
        }
        Ok(path)
    }

    fn make_one(
        &mut self,
        volume: &Volume,
        containers: &[&Container],
        sources: &Sources<'_>,
    ) -> Result<PathBuf, VolumeError> {
        let path = self.directory.join(&volume.name);
        let failed = |error: io::Error| VolumeError::NotYet(error.to_string());
        if let Some(host) = &volume.host_path {
            return host_path(host);
        }
        let files = if let Some(empty) = &volume.empty_dir {
            self.empty_dir(&path, empty, &volume.name)?;
            return Ok(path);
        } else if let Some(map) = &volume.config_map {
            let content = sources.config_map(&map.name, map.optional).map_err(VolumeError::NotYet)?;
            select(content.unwrap_or_default(), map.items.as_deref(), map.default_mode)
        } else if let Some(secret) = &volume.secret {
            let name = secret.secret_name.as_deref().unwrap_or_default();
            let content = sources.secret(name, secret.optional).map_err(VolumeError::NotYet)?;
            select(content.unwrap_or_default(), secret.items.as_deref(), secret.default_mode)
        } else if let Some(downward) = &volume.downward_api {
            downward_files(downward.items.as_deref(), downward.default_mode, containers, sources)
        } else if let Some(projected) = &volume.projected {
            let mut files = Vec::new();
            for source in projected.sources.iter().flatten() {
                files.extend(projection(source, projected.default_mode, containers, sources)?);
            }
            Ok(files)
        } else {
            Err(VolumeError::Unsupported(format!(
                "the fake can't honour the kind of volume {:?}",
                volume.name
            )))
        }?;
        write(&path, &files).map_err(failed)?;
        Ok(path)
    }

    fn empty_dir(
        &mut self,
        path: &Path,
        empty: &EmptyDirVolumeSource,
        name: &str,
    ) -> Result<(), VolumeError> {
        let failed = |error: io::Error| VolumeError::NotYet(error.to_string());
        fs::create_dir_all(path).map_err(failed)?;
        match empty.medium.as_deref() {
            None | Some("") => {}
            Some("Memory") => {
                let limit = empty.size_limit.as_ref().and_then(|limit| limit.0.parse::<Quantity>().ok());
                let size = limit.and_then(|limit| limit.to_bytes().ok());
                let options = size.map_or_else(String::new, |bytes| format!("size={bytes}"));
                mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))
                    .map_err(|error| failed(error.into()))?;
                self.mounted.push(path.to_owned());
            }
            Some(medium) => {
                let why = format!("the fake can't honour volume {name:?}: emptyDir.medium {medium}");
                return Err(VolumeError::Unsupported(why));
            }
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).map_err(failed)
    }
}

impl Drop for Volumes {
    fn drop(&mut self) {
        for path in self.mounted.drain(..).rev() {
            if let Err(error) = umount2(&path, MntFlags::MNT_DETACH) {
                tracing::warn!(%error, path = %path.display(), "a volume stays mounted");
            }
        }
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, directory = %self.directory.display(), "left behind");
            }
            _ => {}
        }
    }
}

fn host_path(host: &HostPathVolumeSource) -> Result<PathBuf, VolumeError> {
    let path = PathBuf::from(&host.path);
    let failed = |error: io::Error| VolumeError::NotYet(format!("hostPath {:?}: {error}", host.path));
    let kind = fs::metadata(&path).ok().map(|found| found.file_type());
    let wanted = host.type_.as_deref().unwrap_or_default();
    let fits = match wanted {
        "" => true,
        "DirectoryOrCreate" => {
            fs::create_dir_all(&path).map_err(failed)?;
            true
        }
        "FileOrCreate" => {
            fs::OpenOptions::new().append(true).create(true).open(&path).map_err(failed)?;
            true
        }
        "Directory" => kind.is_some_and(|kind| kind.is_dir()),
        "File" => kind.is_some_and(|kind| kind.is_file()),
        "Socket" => kind.is_some_and(|kind| kind.is_socket()),
        "CharDevice" => kind.is_some_and(|kind| kind.is_char_device()),
        "BlockDevice" => kind.is_some_and(|kind| kind.is_block_device()),
        other => {
            return Err(VolumeError::Unsupported(format!("the fake can't honour hostPath.type {other}")));
        }
    };
    if fits {
        return Ok(path);
    }
    let what = match wanted {
        "Directory" => "a directory",
        "File" => "a file",
        "Socket" => "a socket file",
        "CharDevice" => "a character device",
        _ => "a block device",
    };
    Err(VolumeError::NotYet(format!("hostPath type check failed: {} is not {what}", host.path)))
}

/// A file of a volume: where, what, and its mode.
type VolumeFile = (String, Vec<u8>, Option<i32>);

fn select(
    mut content: BTreeMap<String, Vec<u8>>,
    items: Option<&[KeyToPath]>,
    mode: Option<i32>,
) -> Result<Vec<VolumeFile>, VolumeError> {
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        return Ok(content.into_iter().map(|(key, value)| (key, value, mode)).collect());
    };
    let pick = |item: &KeyToPath| {
        let value = content.remove(&item.key);
        let value = value.ok_or_else(|| {
            VolumeError::NotYet(format!("references non-existent config key: {}", item.key))
        })?;
        Ok((item.path.clone(), value, item.mode.or(mode)))
    };
    items.iter().map(pick).collect()
}

fn downward_files(
    items: Option<&[DownwardAPIVolumeFile]>,
    mode: Option<i32>,
    containers: &[&Container],
    sources: &Sources<'_>,
) -> Result<Vec<VolumeFile>, VolumeError> {
    let tell = |item: &DownwardAPIVolumeFile| {
        let text = match (&item.field_ref, &item.resource_field_ref) {
            (Some(field), _) => fields::value(sources.pod, &field.field_path, sources.ip),
            (None, Some(wanted)) => {
                let name = wanted.container_name.as_deref().unwrap_or_default();
                let container = containers.iter().find(|container| container.name == name);
                let container = container.ok_or_else(|| format!("container {name} not found"));
                container.and_then(|container| resource(container, wanted))
            }
            (None, None) => Err("no field".to_owned()),
        };
        Ok((item.path.clone(), text.map_err(VolumeError::NotYet)?.into_bytes(), item.mode.or(mode)))
    };
    items.unwrap_or_default().iter().map(tell).collect()
}

fn projection(
    source: &VolumeProjection,
    mode: Option<i32>,
    containers: &[&Container],
    sources: &Sources<'_>,
) -> Result<Vec<VolumeFile>, VolumeError> {
    if let Some(map) = &source.config_map {
        let content = sources.config_map(&map.name, map.optional).map_err(VolumeError::NotYet)?;
        return select(content.unwrap_or_default(), map.items.as_deref(), mode);
    }
    if let Some(secret) = &source.secret {
        let content = sources.secret(&secret.name, secret.optional).map_err(VolumeError::NotYet)?;
        return select(content.unwrap_or_default(), secret.items.as_deref(), mode);
    }
    if let Some(downward) = &source.downward_api {
        return downward_files(downward.items.as_deref(), mode, containers, sources);
    }
    if let Some(token) = &source.service_account_token {
        // It opens nothing: nobody's tokens are accepted but the fake's own.
        return Ok(vec![(token.path.clone(), b"a-token-of-the-fake".to_vec(), mode)]);
    }
    Err(VolumeError::Unsupported("the fake can't honour this source of a projected volume".to_owned()))
}

fn write(directory: &Path, files: &[VolumeFile]) -> io::Result<()> {
    const DEFAULT_MODE: i32 = 0o644;
    fs::create_dir_all(directory)?;
    for (name, content, mode) in files {
        if Path::new(name).components().any(|part| !matches!(part, Component::Normal(_))) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{name:?} is no path in a volume"),
            ));
        }
        let path = directory.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, content)?;
        let mode = u32::try_from(mode.unwrap_or(DEFAULT_MODE)).unwrap_or_default() & 0o777;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}
