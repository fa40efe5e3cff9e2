//! What the capabilities can't say: refusals that depend on a value, before any IO.

use runtime_core::{
    Error, Result,
    spec::{ContainerSpec, PodSpec},
};

use super::{kept::Kept, launch::credentials, mounts, security};
use crate::engine::{EngineError, HOST_IMAGE, Object, PidSpace, Pod, Reference};

/// Checks a pod with its containers.
pub(in super::super) fn check_pod(spec: &PodSpec) -> Result<()> {
    for (index, secret) in spec.pull_secrets.iter().enumerate() {
        credentials(secret).map_err(|error| error.with_context("field", format!("pullSecrets[{index}]")))?;
    }
    security::check_pod(&spec.security)?;
    let pod = Kept { security: spec.security.clone(), dns: spec.dns.clone() };
    spec.all_containers().try_for_each(|(path, container)| {
        check(container, &pod, &path).map_err(|error| error.in_field(&path))
    })
}

/// Checks a container that is to be added to a pod.
pub(in super::super) fn check_container(spec: &ContainerSpec, pod: &Pod) -> Result<()> {
    let kept = Kept::in_pod(pod);
    check(spec, &kept, "spec")?;
    if pod.pid.is_none() && security::pids(&spec.security, &kept.security) == PidSpace::Pod {
        return Err(Error::unsupported(
            "spec.security.namespaces.pid: Pod in a pod that was made without such a container",
        ));
    }
    Ok(())
}

/// A pod that has been stopped takes no containers.
pub(in super::super) fn check_ready(pod: &Pod) -> Result<(), EngineError> {
    if pod.is_ready() {
        return Ok(());
    }
    Err(EngineError::InvalidState { object: Object::Pod, id: pod.id.clone(), state: "stopped" })
}

fn check(spec: &ContainerSpec, pod: &Kept, path: &str) -> Result<()> {
    let of_host = Reference::parse(&spec.image.reference).is_ok_and(|image| image.to_string() == HOST_IMAGE);
    security::check_container(&spec.security, &pod.security, path)?;
    mounts::check(spec, path)?;
    let changed = [
        ("mounts", !spec.mounts.is_empty()),
        ("devices", !spec.devices.is_empty()),
        ("security.readOnlyRootfs", spec.security.read_only_rootfs),
        ("the pod's dns", pod.dns.is_some()),
    ];
    match changed.into_iter().find(|(_, changed)| of_host && *changed) {
        Some((field, _)) => {
            Err(Error::unsupported(format_args!("{path}.{field} with the image {HOST_IMAGE}")))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime_core::{
        ErrorKind,
        spec::{Mount, RegistryCredentials},
    };

    #[test]
    fn nothing_is_mounted_on_the_hosts_own_files() {
        let mount = Mount::host("/a", "/b");
        let mut spec = ContainerSpec::new("c", HOST_IMAGE).with_mount(mount.clone());
        let error = check_pod(&PodSpec::new("p").with_container(spec.clone())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().starts_with("containers[0].mounts with"), "{error}");
        spec.mounts.clear();
        spec.security.read_only_rootfs = true;
        assert!(
            check(&spec, &Kept::default(), "spec")
                .unwrap_err()
                .message()
                .starts_with("spec.security.readOnlyRootfs")
        );
        check(&ContainerSpec::new("c", "127.0.0.1:1/app").with_mount(mount), &Kept::default(), "spec")
            .unwrap();
    }

    #[test]
    fn tokens() {
        let mut secret = RegistryCredentials::basic("r", "u", "hunter2");
        secret.identity_token = "hunter3".into();
        let error = check_pod(&PodSpec::new("p").with_pull_secret(secret)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(!format!("{error:?}").contains("hunter"), "{error:?}");
    }
}
