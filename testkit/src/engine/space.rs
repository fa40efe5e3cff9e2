//! What the containers of a pod have together: a network, objects of inter-process communication, a process tree.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use nix::sched::{CloneFlags, setns, unshare};

use super::confine::Pids;
use super::core::Shared;
use super::network::{Publication, Veth};
use super::process::Process;
use super::spawn::{Command, Place, on_thread, spawn};
use super::{EngineError, Isolation, PodSpace, Privileges, Traffic, User};

/// Ignored by the first process, its children are reaped by the kernel; what it becomes keeps it so.
const PAUSE: [&str; 3] = ["sh", "-c", "trap '' CHLD; exec sleep infinity"];

/// The namespaces of a pod. They are gone when the last open file and the last process in them are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shares {
    pub(crate) net: Option<Arc<File>>,
    pub(crate) ipc: Option<Arc<File>>,
}

impl Shares {
    /// Moves the calling thread in.
    pub(crate) fn enter(&self) -> Result<(), EngineError> {
        let failed = |error: nix::Error| EngineError::io("enter the pod", error);
        for (file, kind) in [(&self.net, CloneFlags::CLONE_NEWNET), (&self.ipc, CloneFlags::CLONE_NEWIPC)] {
            if let Some(file) = file {
                setns(file.as_ref(), kind).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Makes what is wanted of them.
    fn make(wanted: &PodSpace) -> Result<(Self, Option<Veth>), EngineError> {
        let flags =
            [(wanted.network.is_some(), CloneFlags::CLONE_NEWNET), (wanted.ipc, CloneFlags::CLONE_NEWIPC)];
        let flags = flags.into_iter().filter(|(wanted, _)| *wanted).map(|(_, flag)| flag).collect();
        unshare(flags).map_err(|error| EngineError::io("unshare", error))?;
        let open = |wanted: bool, name: &str| {
            let open = || File::open(format!("/proc/thread-self/ns/{name}")).map(Arc::new);
            wanted.then(open).transpose().map_err(|error| EngineError::io("open a namespace", error))
        };
        let shares = Self { net: open(wanted.network.is_some(), "net")?, ipc: open(wanted.ipc, "ipc")? };
        let veth = wanted.network.as_ref().map(|_| Veth::make()).transpose()?;
        for (name, value) in &wanted.sysctls {
            let path = PathBuf::from("/proc/sys").join(name.replace('.', "/"));
            fs::write(&path, value)
                .map_err(|error| EngineError::invalid("sysctls", format!("{name}={value}: {error}")))?;
        }
        Ok((shares, veth))
    }
}

/// The space of a pod as long as it is ready. Dropping it ends what it runs.
#[derive(Debug, Default)]
pub(crate) struct Space {
    pub(crate) shares: Shares,
    /// The process tree of the pod's own process.
    pub(crate) pids: Pids,
    pause: Option<Process>,
    veth: Option<Veth>,
    _ports: Vec<Publication>,
}

impl Space {
    pub(crate) async fn make(shared: &Shared, pod: &str, wanted: &PodSpace) -> Result<Self, EngineError> {
        if *wanted == PodSpace::default() || shared.abilities.isolation != Isolation::Chroot {
            return Ok(Self::default());
        }
        let space = wanted.clone();
        let (shares, veth) = on_thread("pod", move || Shares::make(&space)).await?;
        let mut ports = Vec::new();
        if let (Some(veth), Some(network)) = (&veth, &wanted.network) {
            veth.connect().await?;
            for port in &network.ports {
                ports.push(Publication::start(port, veth.address, &shared.runtime)?);
            }
        }
        let mut space = Self { shares, veth, _ports: ports, ..Self::default() };
        if let Some(process) = &wanted.process {
            let command = Command {
                owner: pod.to_owned(),
                argv: PAUSE.map(str::to_owned).to_vec(),
                env: Vec::new(),
                cwd: "/".to_owned(),
                user: Some(process.user.clone().unwrap_or(User::Id { uid: 0, gid: None })),
                groups: process.supplementary_groups.clone(),
                privileges: Privileges {
                    capabilities: Some(super::LinuxCapabilities::usual()),
                    ..Privileges::default()
                },
                stdin: false,
                tty: false,
                terminal_size: None,
                is_exec: false,
            };
            let place = Place::Pause(space.shares.clone());
            let (pause, namespaces) =
                spawn(place, command, Arc::clone(&shared.processes), shared.runtime.clone()).await?;
            space.pids = namespaces.map_or(Pids::Own, |namespaces| namespaces.pids());
            space.pause = Some(pause);
        }
        Ok(space)
    }

    pub(crate) fn address(&self) -> Option<Ipv4Addr> {
        self.veth.as_ref().map(|veth| veth.address)
    }

    /// What went through its network.
    pub(crate) fn traffic(&self) -> Option<Traffic> {
        self.veth.as_ref().and_then(Veth::traffic)
    }

    /// The pod's own process, as the host sees it.
    pub(crate) fn pid(&self) -> Option<i32> {
        self.pause.as_ref().map(Process::pid)
    }

    /// Ends it and waits until nothing is left.
    pub(crate) async fn close(mut self: Arc<Self>) {
        if let Some(pause) = &self.pause {
            pause.kill();
            pause.wait().await;
        }
        // A container that was being started may still hold it: then it ends with that.
        if let Some(veth) = Arc::get_mut(&mut self).and_then(|space| space.veth.take()) {
            drop(self);
            veth.remove().await;
        }
    }
}
