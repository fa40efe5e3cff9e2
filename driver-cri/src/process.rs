//! Processes of containers as this host sees them, each held so that its number can't come to mean another.

use std::{
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::UnixStream,
    task::spawn_blocking,
};

/// A process that is proven to belong to a container.
#[derive(Debug)]
pub(crate) struct Process(AsyncFd<OwnedFd>);

impl Process {
    /// The process of this number, if it is one of the container or sandbox `id`.
    ///
    /// The number may mean another process here than it does to the runtime, and be given to another one at any time. So
    /// it is first held, and then has to prove by its cgroup whose it is. To be called within a runtime.
    pub(crate) fn of(id: &str, pid: i32) -> Option<Self> {
        Self::watching(hold(id, pid)?).ok()
    }

    /// All processes of the container or sandbox `id`, also those that its runtime doesn't know.
    pub(crate) async fn all_of(id: &str) -> io::Result<Vec<Self>> {
        let id = id.to_owned();
        let held = spawn_blocking(move || hold_all(&id)).await??;
        held.into_iter().map(Self::watching).collect()
    }

    /// Whether it has ended, if perhaps nobody has asked how yet.
    pub(crate) fn has_ended(&self) -> bool {
        has_ended(self.0.get_ref())
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&self) -> io::Result<()> {
        self.0.readable().await.map(drop)
    }

    /// Kills it; one that has ended is fine.
    pub(crate) fn kill(&self) -> io::Result<()> {
        match pidfd_send_signal(self.0.get_ref(), Signal::KILL) {
            Err(error) if error != rustix::io::Errno::SRCH => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn watching(pidfd: OwnedFd) -> io::Result<Self> {
        #[allow(
            deprecated,
            reason = "its successor is unsafe for descriptors that change, which an owned one doesn't"
        )]
        AsyncFd::with_interest(pidfd, Interest::READABLE).map(Self)
    }
}

/// Whether the processes of the runtime behind a socket are processes of this host as seen from here, under the same
/// numbers, and within this process's power.
pub(crate) async fn are_shared_with(socket: &Path) -> bool {
    let Ok(stream) = UnixStream::connect(socket).await else { return false };
    // The kernel says 0 for a process of another namespace, if it is not one of a namespace below.
    let Some(peer) = stream.peer_cred().ok().and_then(|peer| peer.pid()).filter(|pid| *pid > 0) else {
        return false;
    };
    // Only who may trace the runtime can read this, which is who may kill what it runs.
    let namespace = |pid: &str| fs::read_link(Path::new("/proc").join(pid).join("ns/pid"));
    match (namespace(&peer.to_string()), namespace("self")) {
        (Ok(theirs), Ok(ours)) => theirs == ours,
        _ => false,
    }
}

/// Whether the process behind a pidfd has ended, if perhaps nobody has asked how yet.
pub(crate) fn has_ended(process: &OwnedFd) -> bool {
    let mut ended = [PollFd::new(process, PollFlags::IN)];
    poll(&mut ended, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// Opens a process, then has it prove whose it is.
pub(crate) fn hold(id: &str, pid: i32) -> Option<OwnedFd> {
    let pidfd = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::NONBLOCK).ok()?;
    let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    belongs(&cgroups, id).then_some(pidfd)
}

fn hold_all(id: &str) -> io::Result<Vec<OwnedFd>> {
    let mut held = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let path: PathBuf = entry?.path();
        let pid = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        held.extend(pid.and_then(|pid| {
            // Most processes are others', and need not be held for it.
            let cgroups = fs::read_to_string(path.join("cgroup")).ok()?;
            if belongs(&cgroups, id) { hold(id, pid) } else { None }
        }));
    }
    Ok(held)
}

/// Whether a process with these cgroups belongs to `id`: runtimes name a container's cgroup `ID`, `PREFIX-ID` or
/// `PREFIX-ID.scope`. CRI-O has another one of this form for the container's monitor, which is not the container's.
fn belongs(cgroups: &str, id: &str) -> bool {
    // Anything shorter could be a word in somebody else's path.
    if id.len() < 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return false;
    }
    let names_it = |component: &str| {
        let name = component.strip_suffix(".scope").unwrap_or(component);
        name.strip_suffix(id).is_some_and(|prefix| {
            prefix.is_empty() || (prefix.ends_with('-') && !prefix.split('-').any(|part| part == "conmon"))
        })
    };
    cgroups.lines().filter_map(|line| line.splitn(3, ':').nth(2)).any(|path| path.split('/').any(names_it))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_cgroup_names_its_container() {
        let of = |path: &str| format!("9:name=systemd:/\n4:memory:{path}\n0::/\n");
        for path in [
            format!("/k8s.io/{ID}"),
            format!("/kubepods/burstable/pod1/{ID}"),
            format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope"),
            format!("/machine.slice/crio-{ID}.scope/container"),
            format!("/k8s.io/{ID}/made:by:the:container"),
            format!("/../other/{ID}"),
        ] {
            assert!(belongs(&of(&path), ID), "{path}");
        }
        let other = ID.replace('0', "1");
        for path in [
            "/".to_owned(),
            "/system.slice/containerd.service".to_owned(),
            format!("/k8s.io/{other}"),
            format!("/k8s.io/{ID}0"),
            format!("/k8s.io/0{ID}"),
            format!("/machine.slice/crio-conmon-{ID}.scope"),
            format!("/crio-conmon-{ID}"),
        ] {
            assert!(!belongs(&of(&path), ID), "{path}");
        }
        for short in ["", "k8s.io", "memory", "abc"] {
            assert!(!belongs(&of("/k8s.io/abc"), short), "{short}");
        }
    }

    /// A process of its own cgroup, if cgroups can be made here.
    struct InCgroup {
        child: Child,
        directory: PathBuf,
    }

    impl InCgroup {
        fn new(id: &str) -> Option<Self> {
            let roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup"];
            let directory = roots.iter().find_map(|root| {
                let directory = Path::new(root).join(id);
                Path::new(root).join("cgroup.procs").exists().then_some(())?;
                fs::create_dir(&directory).ok().map(|()| directory)
            })?;
            let child = Command::new("sleep").arg("1000").spawn().unwrap();
            fs::write(directory.join("cgroup.procs"), child.id().to_string()).unwrap();
            Some(Self { child, directory })
        }
    }

    impl Drop for InCgroup {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
            let _ = fs::remove_dir(&self.directory);
        }
    }

    #[tokio::test]
    async fn only_what_belongs_to_the_container_is_killed() {
        let id = format!("{:064x}", std::process::id());
        let Some(mut own) = InCgroup::new(&id) else {
            eprintln!("skipped: no cgroup can be made here");
            return;
        };
        let mut other = Command::new("sleep").arg("1000").spawn().unwrap();
        assert!(Process::of(&id, i32::try_from(other.id()).unwrap()).is_none());
        assert!(Process::of(&id, i32::try_from(own.child.id()).unwrap()).is_some());
        let all = Process::all_of(&id).await.unwrap();
        assert_eq!(all.len(), 1);
        assert!(!all[0].has_ended());
        all[0].kill().unwrap();
        all[0].ended().await.unwrap();
        assert!(all[0].has_ended());
        all[0].kill().unwrap();
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
        own.child.wait().unwrap();
        assert!(Process::all_of(&id).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn processes_are_shared_with_a_neighbour() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        assert!(!are_shared_with(&path).await);
        let _listener = tokio::net::UnixListener::bind(&path).unwrap();
        assert!(are_shared_with(&path).await);
    }
}
