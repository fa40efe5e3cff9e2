//! How far containers are kept apart from the host, and finding out how far they can be.

use std::fs;
use std::path::Path;

use super::EngineError;
use super::confine::{Base, Confinement};
use super::rootfs::remove_tree;
use super::spawn::on_thread;

/// How a container's processes are kept apart from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Own root, mounts, host name and process tree: the first process is number 1 and the others end with it, as in a
    /// real container. Needs root.
    Chroot,
    /// Processes run in a copy of the image's files, with the host's root, under the engine's own user. Mounts,
    /// users and host names are refused.
    None,
}

/// What the probe found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Abilities {
    pub(crate) isolation: Isolation,
    /// Whether the state directory can hold overlay mounts. Otherwise each container gets a copy of its image.
    pub(crate) overlay: bool,
}

/// Tries out, in `scratch`, what works here.
pub(crate) async fn probe(scratch: &Path, forced: Option<Isolation>) -> Result<Abilities, EngineError> {
    let none = Abilities { isolation: Isolation::None, overlay: false };
    if forced == Some(Isolation::None) {
        return Ok(none);
    }
    if forced.is_none() && !nix::unistd::geteuid().is_root() {
        return Ok(none);
    }
    if try_out(scratch, true).await.is_ok() {
        return Ok(Abilities { isolation: Isolation::Chroot, overlay: true });
    }
    match try_out(scratch, false).await {
        Ok(()) => Ok(Abilities { isolation: Isolation::Chroot, overlay: false }),
        Err(error) if forced.is_some() => Err(error),
        Err(_) => Ok(none),
    }
}

async fn try_out(scratch: &Path, overlay: bool) -> Result<(), EngineError> {
    let scratch = scratch.join("probe");
    let tried = on_thread("probe", {
        let scratch = scratch.clone();
        move || {
            let directory = |name: &str| {
                let path = scratch.join(name);
                fs::create_dir_all(&path).map_err(|error| EngineError::io("probe", error))?;
                Ok::<_, EngineError>(path)
            };
            let base = if overlay {
                Base::Overlay {
                    lower: directory("lower")?,
                    upper: directory("upper")?,
                    work: directory("work")?,
                }
            } else {
                Base::Directory
            };
            Confinement { root: directory("root")?, hostname: Some("probe".into()), ..Confinement::new(base) }
                .enter()
                .map(drop)
        }
    })
    .await;
    remove_tree(&scratch).map_err(|error| EngineError::io("probe", error))?;
    tried
}
