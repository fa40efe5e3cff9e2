//! Mounts.

use std::path::PathBuf;

use k8s_cri::v1 as cri;
use runtime_core::{
    Error, Result,
    spec::{IdMapping, Mount, MountSource},
};

use super::{enums, said};

pub(super) fn to_cri(mount: &Mount) -> Result<cri::Mount> {
    let mut message = cri::Mount {
        container_path: mount.target.clone(),
        host_path: String::new(),
        readonly: mount.read_only,
        selinux_relabel: mount.selinux_relabel,
        propagation: enums::to_propagation(mount.propagation),
        uid_mappings: mount.uid_mappings.iter().map(id_mapping).collect(),
        gid_mappings: mount.gid_mappings.iter().map(id_mapping).collect(),
        recursive_read_only: mount.recursive_read_only,
        image: None,
    };
    match &mount.source {
        MountSource::Host(path) => {
            let path = path.to_str().ok_or_else(|| Error::invalid("source", "is not UTF-8"))?;
            path.clone_into(&mut message.host_path);
        }
        MountSource::Image { reference, annotations, user_specified, runtime_handler } => {
            message.image = Some(cri::ImageSpec {
                image: reference.clone(),
                annotations: annotations.clone().into_iter().collect(),
                user_specified_image: user_specified.clone().unwrap_or_default(),
                runtime_handler: runtime_handler.clone().unwrap_or_default(),
            });
        }
        _ => return Err(Error::unsupported("source")),
    }
    Ok(message)
}

pub(super) fn from_cri(message: cri::Mount) -> Result<Mount> {
    let source = match message.image {
        None => MountSource::Host(PathBuf::from(message.host_path)),
        Some(image) => MountSource::Image {
            reference: image.image,
            annotations: image.annotations.into_iter().collect(),
            user_specified: said(image.user_specified_image),
            runtime_handler: said(image.runtime_handler),
        },
    };
    let mut mount = Mount::default();
    mount.target = message.container_path;
    mount.source = source;
    mount.read_only = message.readonly;
    mount.recursive_read_only = message.recursive_read_only;
    mount.selinux_relabel = message.selinux_relabel;
    mount.propagation = enums::from_propagation("propagation", message.propagation)?;
    mount.uid_mappings = message.uid_mappings.into_iter().map(from_id_mapping).collect();
    mount.gid_mappings = message.gid_mappings.into_iter().map(from_id_mapping).collect();
    Ok(mount)
}

pub(super) fn id_mapping(mapping: &IdMapping) -> cri::IdMapping {
    cri::IdMapping { host_id: mapping.host_id, container_id: mapping.container_id, length: mapping.length }
}

pub(super) fn from_id_mapping(message: cri::IdMapping) -> IdMapping {
    IdMapping { host_id: message.host_id, container_id: message.container_id, length: message.length }
}
