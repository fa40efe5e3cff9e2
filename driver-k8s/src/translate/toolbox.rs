//! The toolbox in every container: a volume with one program in it.
//!
//! An init container copies it there and ends, or the volume is the image itself. Nothing waits for anybody: the kubelet starts
//! the other containers when the init container has ended.

use k8s_openapi::api::core::v1 as k8s;
use runtime_core::helpers::pull_policy::PullPolicy;

use super::enums;
use crate::options::{Toolbox, ToolboxSource};

/// The name of the volume and of the init container.
pub(crate) const NAME: &str = "wharf-toolbox";

/// Where the volume is in containers.
pub(crate) const DIRECTORY: &str = "/.wharf";

/// Where the program is, if an init container copied it. In an image's volume it is where it was in the image.
pub(crate) const PROGRAM: &str = "/.wharf/toolbox";

impl Toolbox {
    /// Where the program is in containers.
    pub(crate) fn path(&self) -> String {
        match self.via {
            ToolboxSource::InitContainer => PROGRAM.to_owned(),
            ToolboxSource::ImageVolume => format!("{DIRECTORY}{}", self.program),
        }
    }
}

/// Adds it to a pod.
pub(super) fn add(toolbox: &Toolbox, pod: &mut k8s::PodSpec) {
    let mut volume = k8s::Volume { name: NAME.to_owned(), ..Default::default() };
    match toolbox.via {
        ToolboxSource::InitContainer => {
            let memory = k8s::EmptyDirVolumeSource::default();
            volume.empty_dir = Some(memory);
            pod.init_containers.get_or_insert_default().insert(0, copier(toolbox));
        }
        ToolboxSource::ImageVolume => {
            volume.image = Some(k8s::ImageVolumeSource {
                pull_policy: Some(enums::to_pull_policy(PullPolicy::IfNotPresent)),
                reference: Some(toolbox.image.clone()),
            });
        }
    }
    pod.volumes.get_or_insert_default().push(volume);
    let containers = pod.init_containers.iter_mut().flatten().chain(&mut pod.containers);
    for container in containers.filter(|container| container.name != NAME) {
        container.volume_mounts.get_or_insert_default().push(mount(true));
    }
}

/// Takes it out of a pod.
pub(super) fn remove(pod: &mut k8s::PodSpec) {
    if let Some(volumes) = &mut pod.volumes {
        volumes.retain(|volume| volume.name != NAME);
    }
    if let Some(containers) = &mut pod.init_containers {
        containers.retain(|container| container.name != NAME);
    }
    for container in pod.init_containers.iter_mut().flatten().chain(&mut pod.containers) {
        if let Some(mounts) = &mut container.volume_mounts {
            mounts.retain(|mount| mount.name != NAME);
        }
    }
}

fn copier(toolbox: &Toolbox) -> k8s::Container {
    let command = vec![toolbox.program.clone(), "install".to_owned(), PROGRAM.to_owned()];
    k8s::Container {
        name: NAME.to_owned(),
        image: Some(toolbox.image.clone()),
        image_pull_policy: Some(enums::to_pull_policy(PullPolicy::IfNotPresent)),
        command: Some(command),
        volume_mounts: Some(vec![mount(false)]),
        ..Default::default()
    }
}

fn mount(read_only: bool) -> k8s::VolumeMount {
    k8s::VolumeMount {
        mount_path: DIRECTORY.to_owned(),
        name: NAME.to_owned(),
        read_only: read_only.then_some(true),
        ..Default::default()
    }
}
