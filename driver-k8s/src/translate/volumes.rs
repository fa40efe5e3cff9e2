//! Volumes, and what is mounted where.
//!
//! A Kubernetes container mounts volumes of its pod by name, and wharf's names what it mounts. So each path of the host and
//! each image that is mounted gets a volume of its own, with a name that no other volume has.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use k8s_openapi::api::core::v1 as k8s;
use runtime_core::{
    Error, Result,
    helpers::pull_policy::PullPolicy,
    spec::{Bytes, Mount, MountPropagation, MountSource, PodSpec, Volume, VolumeSource},
};

use super::{enums, flag, names, refuse, resources, said};

/// What a mount shows, as a volume's source.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Host(String),
    Image(String),
}

/// The volumes of a pod that only mounts know of, with their names.
#[derive(Debug, Default)]
pub(super) struct Mounted(Vec<(String, Source)>);

impl Mounted {
    /// Names for all that the containers of a pod mount, beside the names that are taken.
    pub(super) fn of(spec: &PodSpec, others: &[k8s::Volume]) -> Result<Self> {
        let mut mounted = Self::default();
        for (_, container) in spec.all_containers() {
            for mount in &container.mounts {
                let Some(source) = source(mount)? else { continue };
                if mounted.name(&source).is_some() {
                    continue;
                }
                let prefix = match source {
                    Source::Host(_) => "host",
                    Source::Image(_) => "image",
                };
                let is_taken = |name: &str| {
                    spec.volumes.iter().any(|volume| volume.name == name)
                        || others.iter().any(|volume| volume.name == name)
                        || mounted.0.iter().any(|(taken, _)| taken == name)
                };
                let name = names::free(prefix, is_taken);
                mounted.0.push((name, source));
            }
        }
        Ok(mounted)
    }

    fn name(&self, source: &Source) -> Option<&str> {
        self.0.iter().find(|(_, known)| known == source).map(|(name, _)| name.as_str())
    }

    pub(super) fn volumes(&self) -> impl Iterator<Item = k8s::Volume> {
        self.0.iter().map(|(name, source)| match source {
            Source::Host(path) => host(name, path),
            Source::Image(reference) => image(name, reference),
        })
    }
}

pub(super) fn to_volume(index: usize, volume: &Volume) -> Result<k8s::Volume> {
    let VolumeSource::Tmpfs { size_limit } = &volume.source else {
        return Err(Error::unsupported(format_args!("volumes[{index}].source")));
    };
    let field = format!("volumes[{index}].source.sizeLimit");
    let size_limit = size_limit.map(|limit| resources::bytes(&field, limit)).transpose()?;
    let memory = k8s::EmptyDirVolumeSource { medium: Some(MEMORY.to_owned()), size_limit };
    Ok(k8s::Volume { name: volume.name.clone(), empty_dir: Some(memory), ..Default::default() })
}

const MEMORY: &str = "Memory";

/// The volumes of a Kubernetes pod, by what wharf can say of them.
#[derive(Debug, Default)]
pub(super) struct Volumes {
    /// In memory: volumes of the spec.
    pub(super) tmpfs: Vec<Volume>,
    /// Shown by mounts themselves.
    shown: Vec<(String, Source)>,
    /// All but those in memory.
    all: Vec<k8s::Volume>,
}

impl Volumes {
    pub(super) fn of(volumes: Vec<k8s::Volume>) -> Result<Self> {
        let mut known = Self::default();
        for volume in volumes {
            if let Some(size_limit) = tmpfs_limit(&volume)? {
                let source = VolumeSource::Tmpfs { size_limit };
                known.tmpfs.push(Volume { name: volume.name, source });
                continue;
            }
            let path = volume.host_path.as_ref().map(|source| &source.path);
            let reference = volume.image.as_ref().and_then(|source| source.reference.as_ref());
            match (path, reference) {
                (Some(path), _) if is_plain_host(&volume) => {
                    known.shown.push((volume.name.clone(), Source::Host(path.clone())));
                }
                (_, Some(reference)) if volume == image(&volume.name, reference) => {
                    known.shown.push((volume.name.clone(), Source::Image(reference.clone())));
                }
                _ => {}
            }
            known.all.push(volume);
        }
        Ok(known)
    }

    /// The mount that wharf has words for; `None` if it has none.
    pub(super) fn mount(&self, message: &k8s::VolumeMount) -> Result<Option<Mount>> {
        let mut mount = Mount::default();
        mount.target.clone_from(&message.mount_path);
        mount.read_only = message.read_only.unwrap_or_default();
        mount.recursive_read_only = message.recursive_read_only.as_deref() == Some(RECURSIVE);
        if let Some(word) = &message.mount_propagation {
            mount.propagation = enums::from_propagation("mountPropagation", word)?;
        }
        mount.source = match self.shown.iter().find(|(name, _)| *name == message.name) {
            Some((_, Source::Host(path))) => MountSource::Host(PathBuf::from(path)),
            Some((_, Source::Image(reference))) => image_source(reference),
            None if self.tmpfs.iter().any(|volume| volume.name == message.name) => {
                MountSource::Volume(message.name.clone())
            }
            None => return Ok(None),
        };
        Ok((without_defaults(message) == mount_of(&mount, &message.name)).then_some(mount))
    }

    /// The volumes that are the options': those that no mount of the spec shows, and those that mounts of the options name.
    pub(super) fn others(
        self,
        of_spec: &BTreeSet<String>,
        of_options: &BTreeSet<String>,
    ) -> Vec<k8s::Volume> {
        let is_other = |name: &str| !of_spec.contains(name) || of_options.contains(name);
        self.all.into_iter().filter(|volume| is_other(&volume.name)).collect()
    }
}

const RECURSIVE: &str = "Enabled";

pub(super) fn to_mount(mount: &Mount, mounted: &Mounted) -> Result<k8s::VolumeMount> {
    if mount.target.contains(':') {
        return Err(Error::invalid("target", "Kubernetes takes no colon in it"));
    }
    refuse(&[
        ("selinuxRelabel", mount.selinux_relabel),
        ("uidMappings", !mount.uid_mappings.is_empty()),
        ("gidMappings", !mount.gid_mappings.is_empty()),
    ])?;
    let name = match (&mount.source, source(mount)?) {
        (MountSource::Volume(name), _) => name.clone(),
        (_, Some(source)) => match mounted.name(&source) {
            Some(name) => name.to_owned(),
            None => return Err(Error::unsupported("source")),
        },
        _ => return Err(Error::unsupported("source")),
    };
    Ok(mount_of(mount, &name))
}

/// The mount of a volume of this name.
fn mount_of(mount: &Mount, name: &str) -> k8s::VolumeMount {
    let propagation = Some(mount.propagation).filter(|mode| *mode != MountPropagation::Private);
    k8s::VolumeMount {
        mount_path: mount.target.clone(),
        mount_propagation: propagation.map(enums::to_propagation),
        name: name.to_owned(),
        read_only: flag(mount.read_only),
        recursive_read_only: mount.recursive_read_only.then(|| RECURSIVE.to_owned()),
        sub_path: None,
        sub_path_expr: None,
    }
}

/// Without words that say what goes without saying.
fn without_defaults(message: &k8s::VolumeMount) -> k8s::VolumeMount {
    let mut message = message.clone();
    message.read_only = message.read_only.filter(|read_only| *read_only);
    message.mount_propagation = message.mount_propagation.filter(|word| word != "None");
    message.recursive_read_only = message.recursive_read_only.filter(|word| word != "Disabled");
    message
}

/// What a mount shows if not a volume of the spec.
fn source(mount: &Mount) -> Result<Option<Source>> {
    match &mount.source {
        MountSource::Host(path) => match path.to_str() {
            Some(path) => Ok(Some(Source::Host(path.to_owned()))),
            None => Err(Error::invalid("source", "is not UTF-8")),
        },
        MountSource::Image { reference, annotations, user_specified, runtime_handler } => {
            refuse(&[
                ("source.annotations", !annotations.is_empty()),
                ("source.userSpecified", user_specified.is_some()),
                ("source.runtimeHandler", runtime_handler.is_some()),
            ])?;
            Ok(Some(Source::Image(reference.clone())))
        }
        _ => Ok(None),
    }
}

fn image_source(reference: &str) -> MountSource {
    MountSource::Image {
        reference: reference.to_owned(),
        annotations: BTreeMap::new(),
        user_specified: None,
        runtime_handler: None,
    }
}

fn host(name: &str, path: &str) -> k8s::Volume {
    let source = k8s::HostPathVolumeSource { path: path.to_owned(), type_: None };
    k8s::Volume { name: name.to_owned(), host_path: Some(source), ..Default::default() }
}

/// The API server says that a path without a type has the empty one.
fn is_plain_host(volume: &k8s::Volume) -> bool {
    let mut plain = volume.clone();
    if let Some(source) = &mut plain.host_path {
        source.type_ = source.type_.take().filter(|kind| !kind.is_empty());
    }
    plain.host_path.as_ref().is_some_and(|source| plain == host(&plain.name, &source.path))
}

/// Pulled each time, as the images of containers are.
fn image(name: &str, reference: &str) -> k8s::Volume {
    let source = k8s::ImageVolumeSource {
        pull_policy: Some(enums::to_pull_policy(PullPolicy::Always)),
        reference: Some(reference.to_owned()),
    };
    k8s::Volume { name: name.to_owned(), image: Some(source), ..Default::default() }
}

/// The limit of a volume in memory, if it is one.
fn tmpfs_limit(volume: &k8s::Volume) -> Result<Option<Option<Bytes>>> {
    let Some(source) = &volume.empty_dir else { return Ok(None) };
    let plain =
        k8s::Volume { name: volume.name.clone(), empty_dir: Some(source.clone()), ..Default::default() };
    if *volume != plain || source.medium.as_deref() != Some(MEMORY) {
        return Ok(None);
    }
    let limit = source.size_limit.as_ref().map(|limit| resources::from_bytes("emptyDir.sizeLimit", limit));
    limit.transpose().map(Some)
}

/// Mounts of a container: those of the spec, then those of the options.
pub(super) fn to_mounts(
    mounts: &[Mount],
    others: &[k8s::VolumeMount],
    mounted: &Mounted,
) -> Result<Option<Vec<k8s::VolumeMount>>> {
    let own = mounts.iter().enumerate().map(|(index, mount)| {
        to_mount(mount, mounted).map_err(|error| error.in_field(&format!("mounts[{index}]")))
    });
    let mut all = own.collect::<Result<Vec<_>>>()?;
    all.extend(others.iter().cloned());
    let mut targets = BTreeSet::new();
    if let Some(twice) = all.iter().position(|mount| !targets.insert(&mount.mount_path)) {
        let field = match twice.checked_sub(mounts.len()) {
            None => format!("mounts[{twice}].target"),
            Some(index) => format!("volumeMounts[{index}].mountPath"),
        };
        return Err(Error::invalid(field, "something else is mounted there"));
    }
    Ok(said(all))
}
