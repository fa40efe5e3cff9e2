//! From a container's configuration and its image to what the engine launches: merged as containerd merges them.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use k8s_cri::v1::*;
use tonic::Status;

use super::{cgroup, mounts, refusal, security};
use crate::engine::{self, HOST_IMAGE, ImageConfig, ImageRecord, Isolation, PidSpace, User};

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const DEFAULT_TERM: &str = "xterm";

/// The command: the container's, else the image's, by Kubernetes' rules.
pub(super) fn argv(config: &ContainerConfig, image: &ImageConfig) -> Result<Vec<String>, Status> {
    let entrypoint = match image.entrypoint.as_slice() {
        [reset] if reset.is_empty() => &[],
        entrypoint => entrypoint,
    };
    let (program, args) = match (config.command.as_slice(), config.args.as_slice()) {
        ([], []) => (entrypoint, image.cmd.as_slice()),
        ([], args) => (entrypoint, args),
        (command, args) => (command, args),
    };
    let argv = [program, args].concat();
    if argv.is_empty() {
        return Err(spec_failed(config, "failed to generate spec: no command specified"));
    }
    Ok(argv)
}

/// The environment: defaults, the image's, the container's. The last value counts, at the place of the first.
pub(super) fn env(config: &ContainerConfig, image: &ImageConfig, hostname: &str) -> Vec<(String, String)> {
    let term = config.tty.then(|| ("TERM".to_owned(), DEFAULT_TERM.to_owned()));
    let defaults = [("PATH".to_owned(), DEFAULT_PATH.to_owned())]
        .into_iter()
        .chain(term)
        .chain([("HOSTNAME".to_owned(), hostname.to_owned())]);
    let images =
        image.env.iter().filter_map(|entry| entry.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned()));
    let own = config.envs.iter().map(|pair| match pair.key.split_once('=') {
        // `C=D` with value `q` becomes `C=D=q`, which every process reads as C.
        Some((key, rest)) => (key.to_owned(), format!("{rest}={}", pair.value)),
        None => (pair.key.clone(), pair.value.clone()),
    });
    let mut merged: Vec<(String, String)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (key, value) in defaults.chain(images).chain(own) {
        match places.get(&key).and_then(|at| merged.get_mut(*at)) {
            Some(slot) => slot.1 = value,
            None => {
                places.insert(key.clone(), merged.len());
                merged.push((key, value));
            }
        }
    }
    merged
}

/// Whom it runs as; `None` for the image's user.
pub(super) fn user(security: &LinuxContainerSecurityContext) -> Option<User> {
    let user = match (security.run_as_username.as_str(), &security.run_as_user) {
        ("", None) => return None,
        ("", Some(uid)) => uid.value.to_string(),
        (name, _) => name.to_owned(),
    };
    Some(User::Name(match &security.run_as_group {
        Some(gid) => format!("{user}:{}", gid.value),
        None => user,
    }))
}

/// What only shows when the container is started, in runc's words.
pub(super) fn start_error(config: &ContainerConfig) -> Option<String> {
    const INIT: &str = "unable to start container process: error during container init: ";
    if !config.working_dir.is_empty() && !config.working_dir.starts_with('/') {
        return Some("Cwd must be an absolute path".to_owned());
    }
    for KeyValue { key, value } in &config.envs {
        if key.is_empty() {
            return Some(format!("{INIT}environment variable name can't be empty: \"={value}\""));
        }
        if key.contains('\0') || value.contains('\0') {
            return Some(format!("{INIT}environment variable value can't contain null(\\x00): {key:?}"));
        }
    }
    for mount in &config.mounts {
        if mount.container_path.is_empty() {
            return Some(
                "unable to start container process: error closing exec fds: open /proc/self/fd: no such file or \
                 directory"
                    .to_owned(),
            );
        }
        if !mount.host_path.starts_with('/') {
            let Mount { host_path, container_path, .. } = mount;
            return Some(format!(
                "{INIT}error mounting {host_path:?} to rootfs at {container_path:?}: stat {host_path}: no such file or \
                 directory"
            ));
        }
    }
    let linux = config.linux.as_ref()?;
    let security = linux.security_context.as_ref();
    if security
        .is_some_and(|security| security.supplemental_groups.iter().any(|group| u32_id(*group).is_none()))
    {
        return Some(
            "unable to start container process: unable to setup user: uids and gids must be in range 0-2147483647"
                .to_owned(),
        );
    }
    linux.resources.as_ref().and_then(cgroup::refused)
}

/// Where the log goes; `None`: nowhere. `..` leaves the log directory, as with containerd.
pub(super) fn log_path(config: &ContainerConfig, sandbox: &PodSandboxConfig) -> Option<PathBuf> {
    if config.log_path.is_empty() || !sandbox.log_directory.starts_with('/') {
        return None;
    }
    let mut path = PathBuf::from(&sandbox.log_directory);
    // Joined by text, so an absolute log path lands in the directory too.
    for part in Path::new(&config.log_path).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => {
                path.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Some(path)
}

/// All of it. `files` are what every container of the sandbox gets, unless it mounts something else there.
pub(super) fn launch(
    config: &ContainerConfig,
    sandbox: &PodSandboxConfig,
    image: &ImageRecord,
    isolation: Isolation,
    files: Vec<engine::Mount>,
    pids: PidSpace,
) -> Result<engine::Launch, Status> {
    let none = LinuxContainerConfig::default();
    let linux = config.linux.as_ref().unwrap_or(&none);
    let security = linux.security_context.clone().unwrap_or_default();
    let resources = linux.resources.clone().unwrap_or_default();
    let walls = isolation == Isolation::Chroot && !image.tags.iter().any(|tag| tag == HOST_IMAGE);
    let start_error = start_error(config);
    let mut mounts = mounts::mounts(config)?;
    let devices = mounts::devices(config, walls && security.privileged)?;
    if !walls && !devices.is_empty() {
        return Err(refusal::unsupported("devices"));
    }
    mounts.splice(0..0, devices);
    if walls {
        let taken =
            |file: &engine::Mount| mounts.iter().any(|mount| mount.container_path == file.container_path);
        let free: Vec<_> = files.into_iter().filter(|file| !taken(file)).collect();
        mounts.splice(0..0, free);
    }
    if start_error.is_some() {
        // It never runs, and the engine would refuse to make it.
        mounts.clear();
    }
    let env = env(config, &image.config, &hostname(sandbox));
    let metadata = config.metadata.clone().unwrap_or_default();
    let covers = walls && !security.privileged;
    Ok(engine::Launch {
        name: metadata.name,
        attempt: metadata.attempt,
        image: image.id.clone(),
        argv: argv(config, &image.config)?,
        env: if start_error.is_some() { Vec::new() } else { env },
        cwd: Some(config.working_dir.clone()).filter(|cwd| cwd.starts_with('/')),
        user: user(&security),
        supplementary_groups: security.supplemental_groups.iter().copied().filter_map(u32_id).collect(),
        privileges: security::privileges(&security, isolation),
        pids,
        oom_score_adj: cgroup::oom_score(&resources),
        masked_paths: if covers { security.masked_paths.clone() } else { Vec::new() },
        read_only_paths: if covers { security.readonly_paths.clone() } else { Vec::new() },
        writable_sys: security.privileged && walls,
        tty: config.tty,
        stdin: config.stdin,
        mounts,
        read_only_rootfs: security.readonly_rootfs,
        log_path: log_path(config, sandbox),
        memory_limit_bytes: u64::try_from(resources.memory_limit_in_bytes).ok().filter(|limit| *limit > 0),
        cgroup: if walls { cgroup::files(&resources) } else { Vec::new() },
        labels: config.labels.clone().into_iter().collect(),
        annotations: config.annotations.clone().into_iter().collect(),
        start_error,
        ..Default::default()
    })
}

/// The sandbox's host name, else the host's.
pub(super) fn hostname(sandbox: &PodSandboxConfig) -> String {
    if sandbox.hostname.is_empty() {
        nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    } else {
        sandbox.hostname.clone()
    }
}

pub(super) fn spec_failed(config: &ContainerConfig, why: &str) -> Status {
    let name = config.metadata.as_ref().map_or("", |metadata| &metadata.name);
    Status::unknown(format!("failed to generate container {name:?} spec: {why}"))
}

fn u32_id(id: i64) -> Option<u32> {
    i32::try_from(id).ok().and_then(|id| u32::try_from(id).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn commands_resolve_by_the_table() {
        let image = ImageConfig { entrypoint: words("/e"), cmd: words("c d"), ..Default::default() };
        for (command, args, want) in
            [("", "", "/e c d"), ("", "x", "/e x"), ("/p q", "", "/p q"), ("/p", "x y", "/p x y")]
        {
            let config = ContainerConfig { command: words(command), args: words(args), ..Default::default() };
            assert_eq!(argv(&config, &image).unwrap(), words(want));
        }
        let error = argv(&ContainerConfig::default(), &ImageConfig::default()).unwrap_err();
        assert!(error.message().ends_with("no command specified"), "{error}");
    }

    #[test]
    fn the_last_value_stands_at_the_first_place() {
        let pair = |key: &str, value: &str| KeyValue { key: key.into(), value: value.into() };
        let config = ContainerConfig {
            tty: true,
            envs: vec![pair("A", "spec"), pair("B", "x=y"), pair("B", "twice"), pair("C=D", "q")],
            ..Default::default()
        };
        let image = ImageConfig {
            env: vec!["A=img".into(), "PATH=/bin".into(), "E=a=b".into()],
            ..Default::default()
        };
        let merged: Vec<_> = env(&config, &image, "h").into_iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(merged, ["PATH=/bin", "TERM=xterm", "HOSTNAME=h", "A=spec", "E=a=b", "B=twice", "C=D=q"]);
    }

    #[test]
    fn log_paths_are_joined_as_text() {
        let sandbox = PodSandboxConfig { log_directory: "/var/log/pod".into(), ..Default::default() };
        for (path, want) in [
            ("c.log", Some("/var/log/pod/c.log")),
            ("sub/c.log", Some("/var/log/pod/sub/c.log")),
            ("../c.log", Some("/var/log/c.log")),
            ("/c.log", Some("/var/log/pod/c.log")),
            ("", None),
        ] {
            let config = ContainerConfig { log_path: path.into(), ..Default::default() };
            assert_eq!(log_path(&config, &sandbox).as_deref(), want.map(Path::new), "{path:?}");
        }
    }
}
