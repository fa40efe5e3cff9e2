//! What is wrong with a launch, found before anything is made.

use runtime_core::helpers::signal::{Signal, UnknownSignal};

use super::network;
use super::{
    Engine, EngineError, HostMount, Isolation, Launch, Mount, MountKind, PidSpace, PodSpace, Privileges,
    Propagation, User,
};

/// Linux takes no longer host name.
const MAX_HOSTNAME_BYTES: usize = 64;

/// The last signal with a name of its own. Without `unsafe` no other can be sent.
const LAST_NAMED: i32 = 31;

/// Whether the engine can send this signal.
pub(super) fn can_be_sent(signal: &Signal) -> bool {
    signal.number() <= LAST_NAMED
}

impl Engine {
    /// Checks a container's launch against what this engine can do.
    pub(crate) fn check_launch(&self, launch: &Launch, host_image: bool) -> Result<(), EngineError> {
        check_argv(&launch.argv)?;
        check_env(&launch.env)?;
        if let Some(cwd) = &launch.cwd {
            check_path("cwd", cwd)?;
        }
        for mount in &launch.mounts {
            check_path("mounts", &mount.container_path)?;
            if let MountKind::Bind { host_path } = &mount.kind
                && !host_path.is_absolute()
            {
                return Err(EngineError::invalid(
                    "mounts",
                    format!("{} is not absolute", host_path.display()),
                ));
            }
            check_propagation(mount)?;
        }
        for path in launch.masked_paths.iter().chain(&launch.read_only_paths) {
            check_path("paths", path)?;
        }
        for file in &launch.cgroup {
            if file.path.is_empty()
                || file.path.starts_with('/')
                || file.path.split('/').any(|part| part == "..")
            {
                return Err(EngineError::invalid("cgroup", format!("{:?} is not below the root", file.path)));
            }
        }
        if let Some(signal) = &launch.stop_signal {
            let signal = signal
                .parse()
                .map_err(|error: UnknownSignal| EngineError::invalid("signal", error.to_string()))?;
            if !can_be_sent(&signal) {
                return Err(EngineError::Unsupported {
                    what: "a real-time stop signal",
                    why: "the engine can't send one",
                });
            }
        }
        if let Some(hostname) = &launch.hostname {
            self.check_hostname(hostname)?;
        }
        if let Some(user) = &launch.user {
            self.check_user(user)?;
        }
        // With the host's own files there is nothing to mount on, and nothing to protect.
        let own_root =
            [("mounting", !launch.mounts.is_empty()), ("a read-only root", launch.read_only_rootfs)];
        let walls = [
            ("a view of cgroups", !launch.cgroup.is_empty()),
            ("changing privileges", launch.privileges != Privileges::default()),
            ("hiding paths", !launch.masked_paths.is_empty()),
            ("protecting paths", !launch.read_only_paths.is_empty()),
            ("the process tree of another", matches!(launch.pids, PidSpace::Target(_))),
        ];
        let (wanted, why) = match self.isolation() {
            Isolation::Chroot if host_image => (own_root.to_vec(), "the host image has the host's own files"),
            Isolation::Chroot => return Ok(()),
            Isolation::None => ([own_root.as_slice(), &walls].concat(), "it needs root"),
        };
        match wanted.into_iter().find(|(_, wanted)| *wanted) {
            Some((what, _)) => Err(EngineError::Unsupported { what, why }),
            None => Ok(()),
        }
    }

    pub(crate) fn check_space(&self, space: &PodSpace) -> Result<(), EngineError> {
        for (name, value) in &space.sysctls {
            if name.is_empty() || name.split(['.', '/']).any(str::is_empty) || value.contains('\0') {
                return Err(EngineError::invalid("sysctls", format!("{name:?} is not a kernel parameter")));
            }
        }
        let unsupported = |what, why| Err(EngineError::Unsupported { what, why });
        match self.isolation() {
            Isolation::None if *space != PodSpace::default() => {
                unsupported("a space of a pod", "it needs root")
            }
            Isolation::Chroot if space.network.is_some() && !network::available() => {
                unsupported("a network", "the program ip is missing")
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn check_hostname(&self, hostname: &str) -> Result<(), EngineError> {
        if hostname.is_empty() || hostname.len() > MAX_HOSTNAME_BYTES || hostname.contains(['\0', '/']) {
            return Err(EngineError::invalid("hostname", format!("{hostname:?} is not a host name")));
        }
        match self.isolation() {
            Isolation::Chroot => Ok(()),
            Isolation::None => Err(EngineError::Unsupported { what: "a host name", why: "it needs root" }),
        }
    }

    pub(crate) fn check_user(&self, user: &User) -> Result<(), EngineError> {
        if self.isolation() == Isolation::Chroot {
            return Ok(());
        }
        let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        match user {
            User::Id { uid: wanted, gid: group }
                if *wanted == uid && group.is_none_or(|group| group == gid) =>
            {
                Ok(())
            }
            _ => Err(EngineError::Unsupported { what: "another user", why: "it needs root" }),
        }
    }
}

fn check_propagation(wanted: &Mount) -> Result<(), EngineError> {
    let MountKind::Bind { host_path } = &wanted.kind else { return Ok(()) };
    if wanted.propagation == Propagation::Private {
        return Ok(());
    }
    let HostMount { point, shared, follows } = HostMount::of(host_path);
    if shared || follows {
        return Ok(());
    }
    let path = host_path.display();
    Err(EngineError::invalid("mounts", format!("{path} is on {point}, which is not a shared or slave mount")))
}

pub(crate) fn check_argv(argv: &[String]) -> Result<(), EngineError> {
    match argv.first() {
        None => Err(EngineError::invalid("argv", "it is empty")),
        Some(_) if argv.iter().any(|arg| arg.contains('\0')) => {
            Err(EngineError::invalid("argv", "it holds a NUL"))
        }
        Some(_) => Ok(()),
    }
}

pub(crate) fn check_env(env: &[(String, String)]) -> Result<(), EngineError> {
    for (name, value) in env {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(EngineError::invalid("env", format!("{name:?} is not a name")));
        }
        if value.contains('\0') {
            return Err(EngineError::invalid("env", format!("the value of {name:?} holds a NUL")));
        }
    }
    Ok(())
}

pub(crate) fn check_path(field: &'static str, path: &str) -> Result<(), EngineError> {
    if path.starts_with('/') && !path.contains('\0') {
        Ok(())
    } else {
        Err(EngineError::invalid(field, format!("{path:?} is not an absolute path")))
    }
}
