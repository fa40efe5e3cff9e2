//! From specs to what the engine takes.

use std::path::{Path, PathBuf};

use runtime_core::{
    Error, Result,
    compose::Mark,
    helpers::{
        command::CommandParts,
        env::{self, DEFAULT_TERM, EnvDefaults},
    },
    spec::{ContainerSecurity, ContainerSpec, ExecSpec, PodSpec, RegistryCredentials},
};
use serde_json::json;

use super::{
    kept::Kept,
    labels::{annotated, marked},
    mounts, security,
};
use crate::engine::{
    CgroupFile, Credentials, ExecLaunch, HOST_IMAGE, ImageRecord, Isolation, Launch, Pod, PodLaunch,
    TerminalSize, User,
};

/// A pod. Its uid is the caller's, or the one that `compose` gave it.
pub(in super::super) fn pod_launch(
    isolation: Isolation,
    spec: &PodSpec,
    mark: &Mark,
    default_logs: &Path,
) -> PodLaunch {
    PodLaunch {
        name: spec.name.clone(),
        namespace: spec.namespace_or_default().to_owned(),
        uid: spec.uid.clone().unwrap_or_default(),
        attempt: spec.attempt,
        hostname: spec.hostname.clone(),
        log_directory: Some(spec.log_directory.clone().unwrap_or_else(|| default_logs.to_path_buf())),
        labels: marked(&spec.labels, mark),
        annotations: annotated(&spec.annotations, mark),
        space: security::space(isolation, spec),
        config: Kept::of(spec),
    }
}

/// A container of an image that is there.
pub(in super::super) fn launch(
    isolation: Isolation,
    pod: &Pod,
    spec: &ContainerSpec,
    image: &ImageRecord,
    mark: &Mark,
) -> Result<Launch> {
    let command = CommandParts {
        image_entrypoint: &image.config.entrypoint,
        image_cmd: &image.config.cmd,
        command: &spec.command,
        args: &spec.args,
    };
    let variables = spec.env.iter().map(|variable| (&variable.name, variable.value.expose()));
    let env = env::merge(&image.config.env, variables, EnvDefaults { tty: spec.tty });
    let resources = spec.resources.to_linux();
    let memory_limit_bytes = resources.memory_limit.map(|limit| limit.0);
    let of_host = image.tags.iter().any(|tag| tag == HOST_IMAGE);
    let in_pod = Kept::in_pod(pod);
    let walled = match isolation {
        Isolation::None => Launch::default(),
        Isolation::Chroot => Launch {
            privileges: security::privileges(&spec.security, &in_pod.security),
            pids: security::pids(&spec.security, &in_pod.security),
            oom_score_adj: resources.oom_score_adj.map(i32::from),
            masked_paths: spec.security.paths_to_mask(),
            read_only_paths: spec.security.paths_to_protect(),
            writable_sys: spec.security.privileged,
            ..Launch::default()
        },
    };
    Ok(Launch {
        name: spec.name.clone(),
        attempt: spec.attempt,
        // By id: a tag may move between here and there.
        image: image.id.clone(),
        argv: command.resolve().map_err(|error| Error::invalid("command", error))?,
        env: env.map_err(|error| Error::invalid("env", error))?.into_iter().collect(),
        cwd: spec.working_dir.clone(),
        user: user(&spec.security),
        supplementary_groups: spec.security.supplemental_groups.clone(),
        tty: spec.tty,
        stdin: spec.stdin,
        mounts: mounts::mounts(spec, &in_pod, of_host)?,
        read_only_rootfs: spec.security.read_only_rootfs,
        log_path: log_path(pod, spec),
        memory_limit_bytes,
        cgroup: cgroup(isolation, memory_limit_bytes),
        labels: marked(&spec.labels, mark),
        annotations: annotated(&spec.annotations, mark),
        config: json!({ "image": spec.image.reference }),
        stop_signal: spec.stop_signal.clone(),
        ..walled
    })
}

/// What a container with a memory limit sees of its cgroup.
pub(in super::super) fn cgroup(isolation: Isolation, memory_limit_bytes: Option<u64>) -> Vec<CgroupFile> {
    let limit = memory_limit_bytes.filter(|_| isolation == Isolation::Chroot);
    let file = limit.map(|limit| CgroupFile {
        path: "memory/memory.limit_in_bytes".to_owned(),
        content: format!("{limit}\n"),
    });
    file.into_iter().collect()
}

/// A command in a container that was made of `container`.
pub(in super::super) fn exec_launch(
    spec: &ExecSpec,
    container: &Launch,
    output_limit_bytes: usize,
) -> ExecLaunch {
    let mut env: Vec<_> =
        spec.env.iter().map(|variable| (variable.name.clone(), variable.value.expose().to_owned())).collect();
    let has_term = env.iter().chain(&container.env).any(|(name, _)| name == "TERM");
    if spec.tty && !has_term {
        env.push(("TERM".to_owned(), DEFAULT_TERM.to_owned()));
    }
    ExecLaunch {
        argv: spec.command.clone(),
        env,
        cwd: spec.cwd.clone(),
        user: spec.user.clone().map(User::Name),
        stdin: spec.stdin,
        tty: spec.tty,
        terminal_size: spec.terminal_size.map(|size| TerminalSize { rows: size.rows, columns: size.columns }),
        timeout: spec.timeout,
        output_limit_bytes,
        ..ExecLaunch::default()
    }
}

/// Credentials by name and password, the only ones that the engine can use.
pub(in super::super) fn credentials(credentials: &RegistryCredentials) -> Result<Credentials> {
    let tokens = [
        ("credentials.identityToken", &credentials.identity_token),
        ("credentials.registryToken", &credentials.registry_token),
    ];
    if let Some((field, _)) = tokens.into_iter().find(|(_, token)| !token.is_empty()) {
        return Err(Error::unsupported(field));
    }
    Ok(Credentials {
        username: credentials.username.clone(),
        password: credentials.password.expose().to_owned(),
    })
}

fn user(security: &ContainerSecurity) -> Option<User> {
    let group = security.run_as_group;
    match (security.run_as_user, &security.run_as_username) {
        (Some(uid), _) => Some(User::Id { uid, gid: group }),
        (None, Some(name)) => {
            Some(User::Name(group.map_or_else(|| name.clone(), |group| format!("{name}:{group}"))))
        }
        (None, None) => None,
    }
}

fn log_path(pod: &Pod, spec: &ContainerSpec) -> Option<PathBuf> {
    let default = || format!("{}_{}.log", spec.name, spec.attempt);
    let directory = pod.launch.log_directory.as_ref()?;
    Some(directory.join(spec.log_path.clone().unwrap_or_else(default)))
}
