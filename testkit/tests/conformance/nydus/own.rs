//! What the cases about daemons share: pods with options, and what is left of one, looked for without the driver.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
};

use testkit::{
    conformance::{Env, Failure, Verdict, state_dir},
    ensure,
};
use wharf::{
    PodHandle,
    nydus::{Mode, NydusPodOptions, NydusPodStatus},
    spec::PodSpec,
};

use crate::eventually::eventually;

use super::holdings::{mounts_below, processes_below, zombies};

/// A pod with options.
pub(crate) fn with(env: &Env, change: impl FnOnce(&mut NydusPodOptions)) -> Result<PodSpec, Failure> {
    let mut options = NydusPodOptions::default();
    change(&mut options);
    let mut spec = env.pod();
    spec.extensions.set(&options)?;
    Ok(spec)
}

/// A pod whose sockets are in the case's own directory, so that what is left of it can be told from other cases'.
pub(crate) fn apart(env: &Env, change: impl FnOnce(&mut NydusPodOptions)) -> Result<PodSpec, Failure> {
    let directory = sockets(env)?;
    with(env, |options| {
        options.api_socket = Some(directory.join("a"));
        options.mode = Some(Mode::Virtiofs);
        options.socket = Some(directory.join("v"));
        change(options);
    })
}

/// A directory of the case's own for sockets. Their paths have to be short, which those of the case's directory are not.
pub(crate) fn sockets(env: &Env) -> Result<PathBuf, Failure> {
    let mut hasher = DefaultHasher::new();
    env.directory().hash(&mut hasher);
    let directory = state_dir().join(format!("s{:08x}", hasher.finish() as u32));
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// What only this driver knows of a pod.
pub(crate) async fn status(pod: &PodHandle) -> Result<NydusPodStatus, Failure> {
    Ok(pod.status().await?.extensions.get()?)
}

/// Fails unless nothing is left that names the case's directory of sockets: no process, no mount, no socket, no child that nobody
/// reaped, and no pod.
pub(crate) async fn ensure_nothing_of(env: &Env) -> Verdict {
    env.ensure_nothing_left().await?;
    let directory = sockets(env)?;
    eventually(|| {
        let processes = processes_below(&directory)?;
        ensure!(processes.is_empty(), "processes are left: {processes:?}");
        let mounts = mounts_below(&directory)?;
        ensure!(mounts.is_empty(), "mounts are left: {mounts:?}");
        let files = std::fs::read_dir(&directory)?.map(|entry| Ok(entry?.file_name()));
        let files = files.collect::<std::io::Result<Vec<_>>>()?;
        ensure!(files.is_empty(), "files are left: {files:?}");
        Ok(())
    })
    .await?;
    std::fs::remove_dir(&directory)?;
    no_zombies().await
}

/// Fails unless every child that has ended is reaped soon. Others' may be about to be.
pub(crate) async fn no_zombies() -> Verdict {
    let seen = zombies()?;
    eventually(|| {
        let now = zombies()?;
        let left: Vec<_> = seen.iter().filter(|pid| now.contains(pid)).collect();
        ensure!(left.is_empty(), "nobody reaped {left:?}");
        Ok(())
    })
    .await
}
