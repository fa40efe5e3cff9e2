//! What a container mounts: its mounts and devices in the engine's terms, and what containerd refuses.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use k8s_cri::v1::*;
use tonic::Status;

use super::launch::spec_failed;
use super::refusal;
use crate::engine::{self, HostMount, Propagation};

/// The container's mounts, shallow targets first. A host path that is missing is made, as a directory.
pub(super) fn mounts(config: &ContainerConfig) -> Result<Vec<engine::Mount>, Status> {
    let mut mounts = Vec::new();
    for mount in &config.mounts {
        if mount.host_path.is_empty() {
            return Err(spec_failed(
                config,
                "failed to generate spec: failed to mkdir \"\": mkdir : no such file or directory",
            ));
        }
        let host_path = PathBuf::from(&mount.host_path);
        if host_path.is_absolute() && !host_path.exists() {
            fs::create_dir_all(&host_path).map_err(|error| {
                let path = &mount.host_path;
                spec_failed(config, &format!("failed to generate spec: failed to mkdir {path:?}: {error}"))
            })?;
        }
        let propagation = propagation(mount).map_err(|refused| {
            refused.unwrap_or_else(|why| spec_failed(config, &format!("failed to generate spec: {why}")))
        })?;
        // Relative targets are taken from the root.
        let container_path = format!("/{}", mount.container_path.trim_start_matches('/'));
        let bound = engine::Mount::bind(host_path, container_path);
        mounts.push(engine::Mount { propagation, read_only: mount.readonly, ..bound });
    }
    mounts.sort_by_key(|mount| Path::new(&mount.container_path).components().count());
    Ok(mounts)
}

/// The container's devices, and for a privileged one all of the host's. Their permissions are not enforced: that takes
/// cgroups.
pub(super) fn devices(config: &ContainerConfig, privileged: bool) -> Result<Vec<engine::Mount>, Status> {
    let mut devices = Vec::new();
    if privileged {
        devices.extend(engine::Mount::host_devices());
    }
    for device in &config.devices {
        let path = &device.host_path;
        let kind = fs::metadata(path).map(|found| found.file_type());
        let Ok(kind) = kind else {
            return Err(spec_failed(
                config,
                &format!("failed to generate spec: lstat {path}: no such file or directory"),
            ));
        };
        if kind.is_dir() {
            return Err(refusal::unsupported("devices that are a directory of them"));
        }
        if !kind.is_char_device() && !kind.is_block_device() {
            return Err(spec_failed(config, "failed to generate spec: not a device node"));
        }
        devices.push(engine::Mount::bind(path, &device.container_path));
    }
    Ok(devices)
}

/// The error is either containerd's refusal or what a caller is to wrap in one.
fn propagation(mount: &Mount) -> Result<Propagation, Result<Status, String>> {
    let wanted = mount.propagation();
    if wanted == MountPropagation::PropagationPrivate {
        return Ok(Propagation::Private);
    }
    let path = &mount.host_path;
    let HostMount { point, shared, follows } = HostMount::of(Path::new(path));
    let refused =
        |what: &str| Err(Err(format!("path {path:?} is mounted on {point:?} but it is not a {what} mount")));
    if wanted == MountPropagation::PropagationHostToContainer {
        return if shared || follows { Ok(Propagation::HostToContainer) } else { refused("shared or slave") };
    }
    if shared { Err(Ok(refusal::unsupported("mounts.propagation BIDIRECTIONAL"))) } else { refused("shared") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_mount_propagates_nothing() {
        let host = HostMount::of(Path::new("/proc"));
        let mount = |propagation: MountPropagation| Mount {
            host_path: "/proc".into(),
            propagation: propagation.into(),
            ..Default::default()
        };
        assert_eq!(propagation(&mount(MountPropagation::PropagationPrivate)).unwrap(), Propagation::Private);
        if !host.shared && !host.follows {
            let refused =
                propagation(&mount(MountPropagation::PropagationBidirectional)).unwrap_err().unwrap_err();
            assert_eq!(refused, "path \"/proc\" is mounted on \"/proc\" but it is not a shared mount");
            let refused = propagation(&mount(MountPropagation::PropagationHostToContainer)).unwrap_err();
            assert!(refused.unwrap_err().ends_with("not a shared or slave mount"));
        }
    }
}
