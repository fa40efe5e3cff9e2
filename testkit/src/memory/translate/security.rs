//! What a container may do and see: its privileges, the paths hidden from it, its process tree. All of that takes walls.

use runtime_core::{
    Error, Result,
    spec::{ContainerSecurity, NamespaceMode, Namespaces, PodSecurity, PodSpec, SecurityProfile},
};

use crate::engine::{Isolation, LinuxCapabilities, PidSpace, PodProcess, PodSpace, Privileges, User};

/// What the pod's containers share. The network is the host's.
pub(super) fn space(isolation: Isolation, spec: &PodSpec) -> PodSpace {
    if isolation == Isolation::None {
        return PodSpace::default();
    }
    let security = &spec.security;
    let user = security.run_as_user.map(|uid| User::Id { uid, gid: security.run_as_group });
    let process = PodProcess { user, supplementary_groups: security.supplemental_groups.clone() };
    let of_containers =
        spec.all_containers().filter_map(|(_, container)| container.security.namespaces.as_ref());
    let shared = of_containers.chain([&security.namespaces]).any(|own| own.pid == NamespaceMode::Pod);
    PodSpace {
        ipc: security.namespaces.ipc != NamespaceMode::Node,
        process: (shared || process != PodProcess::default()).then_some(process),
        ..PodSpace::default()
    }
}

/// What its processes may do.
pub(super) fn privileges(own: &ContainerSecurity, pod: &PodSecurity) -> Privileges {
    let capabilities = if own.privileged {
        LinuxCapabilities::ALL
    } else {
        LinuxCapabilities::usual_with(&own.capabilities.add, &own.capabilities.drop)
    };
    let seccomp = own.seccomp.as_ref().or(pod.seccomp.as_ref());
    Privileges {
        capabilities: Some(capabilities),
        no_new_privs: own.no_new_privs,
        filtered: !own.privileged && seccomp == Some(&SecurityProfile::RuntimeDefault),
    }
}

/// The process tree it runs in.
pub(super) fn pids(own: &ContainerSecurity, pod: &PodSecurity) -> PidSpace {
    let Namespaces { pid, target, .. } = own.namespaces.as_ref().unwrap_or(&pod.namespaces);
    match pid {
        NamespaceMode::Container => PidSpace::Container,
        NamespaceMode::Pod if pod.namespaces.pid != NamespaceMode::Node => PidSpace::Pod,
        NamespaceMode::Pod | NamespaceMode::Node => PidSpace::Host,
        NamespaceMode::Target => PidSpace::Target(target.clone().unwrap_or_default()),
    }
}

/// What a pod can't have, or have of its containers.
pub(super) fn check_pod(pod: &PodSecurity) -> Result<()> {
    if pod.read_only_rootfs {
        return Err(Error::unsupported("security.readOnlyRootfs"));
    }
    check_namespaces(&pod.namespaces, "security")?;
    check_profile(pod.seccomp.as_ref(), pod.seccomp_profile_path.as_ref(), "security")
}

/// What a container can't have.
pub(super) fn check_container(own: &ContainerSecurity, pod: &PodSecurity, path: &str) -> Result<()> {
    let path = &format!("{path}.security");
    if own.privileged && !pod.privileged {
        return Err(Error::invalid("security.privileged", "its pod is not privileged"));
    }
    for (field, names) in [("add", &own.capabilities.add), ("drop", &own.capabilities.drop)] {
        let unknown = |name: &&String| LinuxCapabilities::named(&name.to_ascii_uppercase()).is_none();
        if let Some(name) = names.iter().find(unknown) {
            let field = format!("security.capabilities.{field}");
            return Err(Error::invalid(field, format!("{name:?} is not a Linux capability")));
        }
    }
    if let Some(namespaces) = &own.namespaces {
        check_namespaces(namespaces, path)?;
        if namespaces.ipc != pod.namespaces.ipc {
            return Err(Error::unsupported(format_args!("{path}.namespaces.ipc other than the pod's")));
        }
        if namespaces.pid == NamespaceMode::Target && namespaces.target.is_none() {
            return Err(Error::invalid("security.namespaces.target", "it is missing"));
        }
    }
    check_profile(own.seccomp.as_ref(), own.seccomp_profile_path.as_ref(), path)
}

fn check_namespaces(namespaces: &Namespaces, path: &str) -> Result<()> {
    let modes = [("network", namespaces.network), ("ipc", namespaces.ipc)];
    let odd = |mode| matches!(mode, NamespaceMode::Container | NamespaceMode::Target);
    match modes.into_iter().find(|(_, mode)| odd(*mode)) {
        Some((name, mode)) => Err(Error::unsupported(format_args!("{path}.namespaces.{name}: {mode:?}"))),
        None => Ok(()),
    }
}

fn check_profile(profile: Option<&SecurityProfile>, old: Option<&String>, path: &str) -> Result<()> {
    match profile {
        _ if old.is_some() => Err(Error::unsupported(format_args!("{path}.seccompProfilePath"))),
        Some(SecurityProfile::Localhost(_)) => {
            Err(Error::unsupported(format_args!("a profile of the host in {path}.seccomp")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use runtime_core::{ErrorKind, spec::ContainerSpec};

    use super::*;

    fn with_pid(pid: NamespaceMode) -> Namespaces {
        Namespaces { pid, ..Namespaces::default() }
    }

    #[test]
    fn a_process_of_the_pods_own_only_where_it_is_needed() {
        let mut spec = PodSpec::new("p").with_container(ContainerSpec::new("c", "image"));
        let space_of = |spec: &PodSpec| space(Isolation::Chroot, spec);
        assert_eq!(space_of(&spec), PodSpace { ipc: true, ..PodSpace::default() });
        spec.containers[0].security.namespaces = Some(with_pid(NamespaceMode::Pod));
        assert_eq!(space_of(&spec).process, Some(PodProcess::default()));
        spec.security.run_as_user = Some(7);
        spec.security.namespaces.ipc = NamespaceMode::Node;
        let made = space_of(&spec);
        assert_eq!(made.process.unwrap().user, Some(User::Id { uid: 7, gid: None }));
        assert!(!made.ipc);
        assert_eq!(space(Isolation::None, &spec), PodSpace::default());
    }

    #[test]
    fn process_trees() {
        let (mut own, mut pod) = (ContainerSecurity::default(), PodSecurity::default());
        assert_eq!(pids(&own, &pod), PidSpace::Container);
        pod.namespaces.pid = NamespaceMode::Node;
        assert_eq!(pids(&own, &pod), PidSpace::Host);
        own.namespaces = Some(with_pid(NamespaceMode::Pod));
        assert_eq!(pids(&own, &pod), PidSpace::Host, "the pod's is the host's");
        pod.namespaces.pid = NamespaceMode::Container;
        assert_eq!(pids(&own, &pod), PidSpace::Pod);
        own.namespaces = Some(Namespaces { target: Some("c".into()), ..with_pid(NamespaceMode::Target) });
        assert_eq!(pids(&own, &pod), PidSpace::Target("c".into()));
    }

    #[test]
    fn the_privileged_see_everything() {
        let (mut own, mut pod) = (ContainerSecurity::default(), PodSecurity::default());
        pod.seccomp = Some(SecurityProfile::RuntimeDefault);
        assert!(privileges(&own, &pod).filtered);
        own.privileged = true;
        assert_eq!(privileges(&own, &pod).capabilities, Some(LinuxCapabilities::ALL));
        assert!(!privileges(&own, &pod).filtered);
        assert_eq!(check_container(&own, &pod, "spec").unwrap_err().field(), Some("security.privileged"));
        own = ContainerSecurity::default();
        own.seccomp = Some(SecurityProfile::Unconfined);
        assert!(!privileges(&own, &pod).filtered);
    }

    #[test]
    fn what_cannot_be_had_is_refused() {
        let pod = PodSecurity::default();
        let kind = |change: fn(&mut ContainerSecurity)| {
            let mut own = ContainerSecurity::default();
            change(&mut own);
            check_container(&own, &pod, "spec").unwrap_err().kind()
        };
        assert_eq!(kind(|own| own.capabilities.add = vec!["NOPE".into()]), ErrorKind::InvalidArgument);
        assert_eq!(
            kind(|own| own.namespaces = Some(with_pid(NamespaceMode::Target))),
            ErrorKind::InvalidArgument
        );
        assert_eq!(
            kind(|own| own.seccomp = Some(SecurityProfile::Localhost("x".into()))),
            ErrorKind::Unsupported
        );
        let ipc = |ipc| Some(Namespaces { ipc, ..Namespaces::default() });
        assert_eq!(
            kind(
                |own| own.namespaces = Some(Namespaces { ipc: NamespaceMode::Node, ..Namespaces::default() })
            ),
            ErrorKind::Unsupported
        );
        check_container(&ContainerSecurity::default(), &pod, "spec").unwrap();
        let mut odd = PodSecurity::default();
        odd.namespaces = ipc(NamespaceMode::Container).unwrap();
        assert_eq!(check_pod(&odd).unwrap_err().kind(), ErrorKind::Unsupported);
        odd = PodSecurity::default();
        odd.read_only_rootfs = true;
        assert_eq!(check_pod(&odd).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
