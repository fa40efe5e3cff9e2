//! What is mounted in a container: what its pod brings, its devices, its mounts.

use std::{fs, os::unix::fs::FileTypeExt, path::Path};

use runtime_core::{
    Error, Result,
    spec::{ContainerSpec, Device, Mount, MountPropagation, MountSource},
};

use super::kept::Kept;
use crate::engine::{Mount as EngineMount, MountKind, Propagation, resolv_conf};

/// All of it, in the order in which it is mounted.
pub(super) fn mounts(spec: &ContainerSpec, pod: &Kept, of_host: bool) -> Result<Vec<EngineMount>> {
    let mut mounts = Vec::new();
    if let Some(dns) = &pod.dns {
        mounts.push(EngineMount {
            kind: MountKind::Text(resolv_conf(&dns.servers, &dns.searches, &dns.options)),
            ..EngineMount::bind("", "/etc/resolv.conf")
        });
    }
    if spec.security.privileged && !of_host {
        mounts.extend(EngineMount::host_devices());
    }
    for (index, device) in spec.devices.iter().enumerate() {
        check_device(device).map_err(|error| error.in_field(&format!("devices[{index}]")))?;
        mounts.push(EngineMount::bind(&device.host_path, &device.container_path));
    }
    for mount in &spec.mounts {
        mounts.push(self::mount(mount)?);
    }
    Ok(mounts)
}

/// What can't be mounted, wherever it is.
pub(super) fn check(spec: &ContainerSpec, path: &str) -> Result<()> {
    for (index, mount) in spec.mounts.iter().enumerate() {
        if mount.propagation == MountPropagation::Bidirectional {
            return Err(Error::unsupported(format_args!(
                "{path}.mounts[{index}].propagation: Bidirectional"
            )));
        }
    }
    for (index, device) in spec.devices.iter().enumerate() {
        // Nothing would enforce less.
        if ["r", "w", "m"].iter().any(|needed| !device.permissions.contains(needed)) {
            let permissions = format_args!("{path}.devices[{index}].permissions other than rwm");
            return Err(Error::unsupported(permissions));
        }
    }
    Ok(())
}

fn check_device(device: &Device) -> Result<()> {
    let path = &device.host_path;
    let found = fs::metadata(Path::new(path))
        .map_err(|error| Error::invalid("hostPath", format!("{path}: {error}")))?;
    let kind = found.file_type();
    if kind.is_char_device() || kind.is_block_device() {
        return Ok(());
    }
    Err(Error::invalid("hostPath", format!("{path} is not a device")))
}

fn mount(mount: &Mount) -> Result<EngineMount> {
    let bound = match &mount.source {
        MountSource::Host(path) => EngineMount::bind(path, &mount.target),
        // Refused by their capabilities before anything is translated.
        _ => return Err(Error::unsupported("mounts[].source")),
    };
    let propagation = match mount.propagation {
        MountPropagation::HostToContainer => Propagation::HostToContainer,
        _ => Propagation::Private,
    };
    Ok(EngineMount { read_only: mount.read_only, propagation, ..bound })
}

#[cfg(test)]
mod tests {
    use runtime_core::{ErrorKind, spec::DnsConfig};

    use super::*;

    fn device(host_path: &str, permissions: &str) -> ContainerSpec {
        let mut spec = ContainerSpec::new("c", "image");
        spec.devices = vec![Device {
            container_path: "/dev/x".into(),
            host_path: host_path.into(),
            permissions: permissions.into(),
        }];
        spec
    }

    #[test]
    fn the_callers_mounts_come_last() {
        let dns = DnsConfig { servers: vec!["192.0.2.1".into()], ..DnsConfig::default() };
        let pod = Kept { dns: Some(dns), ..Kept::default() };
        let mut follows = Mount::host("/a", "/b");
        follows.propagation = MountPropagation::HostToContainer;
        let spec = device("/dev/null", "rwm").with_mount(follows);
        let made = mounts(&spec, &pod, false).unwrap();
        assert_eq!(made[0].kind, MountKind::Text("nameserver 192.0.2.1\n".into()));
        assert_eq!(made[1], EngineMount::bind("/dev/null", "/dev/x"));
        assert_eq!(made[2].propagation, Propagation::HostToContainer);
    }

    #[test]
    fn only_devices_and_all_of_them() {
        check(&device("/dev/null", "mrw"), "spec").unwrap();
        assert_eq!(check(&device("/dev/null", "r"), "spec").unwrap_err().kind(), ErrorKind::Unsupported);
        for path in ["/dev/missing", "/etc", "/proc/version"] {
            let error = mounts(&device(path, "rwm"), &Kept::default(), false).unwrap_err();
            assert_eq!(error.field(), Some("devices[0].hostPath"), "{path}");
        }
    }
}
