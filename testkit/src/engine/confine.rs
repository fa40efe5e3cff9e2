//! The walls of a container: a thread moves into namespaces of its own and builds the container's file system there;
//! what it then spawns is inside. The mounts vanish with the last process.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{chdir, pivot_root, sethostname};

use super::rootfs::{below, resolve_in_root};
use super::{CgroupFile, EngineError, Mount, MountKind};

/// Everything that a container sees, to be built.
#[derive(Debug, Clone)]
pub(crate) struct Confinement {
    pub(crate) base: Base,
    /// Where the container's root is put together: a directory of its own. Not used for the host's root.
    pub(crate) root: PathBuf,
    pub(crate) hostname: Option<String>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) cgroup: Vec<CgroupFile>,
    pub(crate) read_only: bool,
    /// Made if it is missing, as container runtimes do.
    pub(crate) cwd: String,
}

/// What the root is made of.
#[derive(Debug, Clone)]
pub(crate) enum Base {
    /// Layers, joined by the kernel.
    Overlay { lower: PathBuf, upper: PathBuf, work: PathBuf },
    /// The root directory already holds the files.
    Directory,
    /// The host's own root.
    Host,
}

/// The namespaces of a running container: what exec needs to get in. Open files, so no reused pid can mislead it.
#[derive(Debug)]
pub(crate) struct Namespaces {
    mnt: File,
    uts: File,
    pid: File,
}

impl Confinement {
    pub(crate) fn new(base: Base) -> Self {
        Self {
            base,
            root: PathBuf::new(),
            hostname: None,
            mounts: Vec::new(),
            cgroup: Vec::new(),
            read_only: false,
            cwd: "/".into(),
        }
    }

    /// Moves the calling thread inside. There is no way back: the thread is to spawn its process and end.
    pub(crate) fn enter(&self) -> Result<(), EngineError> {
        unshare(
            CloneFlags::CLONE_FS
                | CloneFlags::CLONE_NEWNS
                | CloneFlags::CLONE_NEWUTS
                | CloneFlags::CLONE_NEWPID,
        )
        .map_err(|error| EngineError::io("unshare", error))?;
        // Nothing that is mounted from here on may reach the host.
        do_mount("", Path::new("/"), "", MsFlags::MS_REC | MsFlags::MS_PRIVATE, "")?;
        if let Some(hostname) = &self.hostname {
            sethostname(hostname).map_err(|error| EngineError::io("set host name", error))?;
        }
        match &self.base {
            Base::Host => return self.cgroup_view(Path::new("/")),
            Base::Directory => bind(&self.root, &self.root, false)?,
            Base::Overlay { lower, upper, work } => {
                let data = format!(
                    "lowerdir={},upperdir={},workdir={}",
                    lower.display(),
                    upper.display(),
                    work.display()
                );
                do_mount("overlay", &self.root, "overlay", MsFlags::empty(), &data)?;
            }
        }
        self.system_mounts()?;
        for mount in &self.mounts {
            self.user_mount(mount)?;
        }
        let cwd = resolve(&self.root, &self.cwd)?;
        fs::create_dir_all(&cwd)
            .map_err(|error| EngineError::invalid("cwd", format!("{}: {error}", self.cwd)))?;
        if self.read_only {
            let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
            do_mount("", &self.root, "", flags, "")?;
        }
        self.pivot()
    }

    fn system_mounts(&self) -> Result<(), EngineError> {
        // The host's, until the first process exists and `mount_proc` can show the container's own.
        bind(Path::new("/proc"), &mount_point(&self.root, "/proc", true)?, false)?;
        let sys = mount_point(&self.root, "/sys", true)?;
        do_mount("/sys", &sys, "", MsFlags::MS_BIND, "")?;
        do_mount("", &sys, "", MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY, "")?;
        self.cgroup_view(&self.root)?;
        self.devices()
    }

    /// Shows the given files at `/sys/fs/cgroup`, as a runtime with cgroup limits would.
    fn cgroup_view(&self, root: &Path) -> Result<(), EngineError> {
        let at = below(root, "/sys/fs/cgroup");
        if !at.is_dir() || (self.cgroup.is_empty() && matches!(self.base, Base::Host)) {
            return Ok(());
        }
        do_mount("tmpfs", &at, "tmpfs", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "mode=755")?;
        for file in &self.cgroup {
            let path = resolve_in_root(&at, Path::new(&file.path));
            path.and_then(|path| {
                fs::create_dir_all(path.parent().unwrap_or(&at))?;
                fs::write(path, &file.content)
            })
            .map_err(|error| EngineError::io(format!("cgroup file {}", file.path), error))?;
        }
        do_mount("", &at, "", MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY, "")
    }

    fn devices(&self) -> Result<(), EngineError> {
        let dev = mount_point(&self.root, "/dev", true)?;
        do_mount("tmpfs", &dev, "tmpfs", MsFlags::MS_NOSUID, "mode=755,size=65536k")?;
        for name in ["null", "zero", "full", "random", "urandom", "tty"] {
            let host = Path::new("/dev").join(name);
            if host.exists() {
                bind(&host, &mount_point(&self.root, &format!("/dev/{name}"), false)?, false)?;
            }
        }
        let links = [
            ("fd", "/proc/self/fd"),
            ("stdin", "fd/0"),
            ("stdout", "fd/1"),
            ("stderr", "fd/2"),
            ("ptmx", "pts/ptmx"),
        ];
        for (name, target) in links {
            symlink(target, dev.join(name))
                .map_err(|error| EngineError::io(format!("link /dev/{name}"), error))?;
        }
        let pts = mount_point(&self.root, "/dev/pts", true)?;
        do_mount(
            "devpts",
            &pts,
            "devpts",
            MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
            "newinstance,ptmxmode=0666,mode=0620",
        )?;
        let shm = mount_point(&self.root, "/dev/shm", true)?;
        do_mount("shm", &shm, "tmpfs", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "mode=1777,size=65536k")
    }

    fn user_mount(&self, wanted: &Mount) -> Result<(), EngineError> {
        match &wanted.kind {
            MountKind::Bind { host_path } => {
                let source = fs::canonicalize(host_path).map_err(|error| {
                    EngineError::invalid("mounts", format!("{}: {error}", host_path.display()))
                })?;
                let target = mount_point(&self.root, &wanted.container_path, source.is_dir())?;
                bind(&source, &target, wanted.read_only)
            }
            MountKind::Tmpfs { size_bytes } => {
                let target = mount_point(&self.root, &wanted.container_path, true)?;
                let size = size_bytes.map(|size| format!(",size={size}")).unwrap_or_default();
                let read_only = if wanted.read_only { MsFlags::MS_RDONLY } else { MsFlags::empty() };
                let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | read_only;
                do_mount("tmpfs", &target, "tmpfs", flags, &format!("mode=1777{size}"))
            }
        }
    }

    /// Makes the root the root and lets go of the host's.
    fn pivot(&self) -> Result<(), EngineError> {
        let failed = |error: nix::Error| EngineError::io("change root", error);
        chdir(&self.root).map_err(failed)?;
        // Both at one place: the old root lies on top of the new one and is then taken off.
        pivot_root(".", ".").map_err(failed)?;
        umount2(".", MntFlags::MNT_DETACH).map_err(failed)?;
        chdir("/").map_err(failed)
    }
}

impl Namespaces {
    /// Those of the calling thread, which has entered a [`Confinement`] and has just spawned the first process.
    pub(crate) fn of_this_thread() -> io::Result<Self> {
        let open = |name: &str| File::open(format!("/proc/thread-self/ns/{name}"));
        Ok(Self { mnt: open("mnt")?, uts: open("uts")?, pid: open("pid_for_children")? })
    }

    /// Moves the calling thread in; what it spawns is inside. The thread is to end after that.
    pub(crate) fn enter(&self) -> Result<(), EngineError> {
        let failed = |error: nix::Error| EngineError::io("enter the container", error);
        unshare(CloneFlags::CLONE_FS).map_err(failed)?;
        setns(&self.pid, CloneFlags::CLONE_NEWPID).map_err(failed)?;
        setns(&self.uts, CloneFlags::CLONE_NEWUTS).map_err(failed)?;
        // Last: it also changes the root, to the container's.
        setns(&self.mnt, CloneFlags::CLONE_NEWNS).map_err(failed)
    }

    /// Shows the container's own processes at `/proc`, where the kernel can (6.18 and later); `pid` is its first one.
    /// Only that process's first moments see the host's. To be called on a thread that then ends.
    pub(crate) fn mount_proc(&self, pid: i32) {
        let mounted = self.enter().and_then(|()| {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            do_mount("proc", Path::new("/proc"), "proc", flags, &format!("pidns=/proc/{pid}/ns/pid"))
        });
        if let Err(error) = mounted {
            tracing::debug!(%error, pid, "the container keeps the host's /proc");
        }
    }
}

fn bind(source: &Path, target: &Path, read_only: bool) -> Result<(), EngineError> {
    let source = source.to_string_lossy();
    do_mount(&source, target, "", MsFlags::MS_BIND | MsFlags::MS_REC, "")?;
    if read_only {
        do_mount("", target, "", MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY, "")?;
    }
    Ok(())
}

/// Makes sure that there is something to mount on.
fn mount_point(root: &Path, path: &str, directory: bool) -> Result<PathBuf, EngineError> {
    let target = resolve(root, path)?;
    let made = if directory {
        fs::create_dir_all(&target)
    } else {
        fs::create_dir_all(target.parent().unwrap_or(root))
            .and_then(|()| File::options().create(true).append(true).open(&target).map(drop))
    };
    // A file where a directory should be, or the other way round: mounting says so better.
    if target.exists() {
        Ok(target)
    } else {
        made.map(|()| target).map_err(|error| EngineError::io(path, error))
    }
}

fn resolve(root: &Path, path: &str) -> Result<PathBuf, EngineError> {
    resolve_in_root(root, Path::new(path)).map_err(|error| EngineError::io(path, error))
}

fn do_mount(source: &str, target: &Path, kind: &str, flags: MsFlags, data: &str) -> Result<(), EngineError> {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    mount(some(source).as_deref(), target, some(kind).as_deref(), flags, some(data).as_deref()).map_err(
        |error| {
            EngineError::io(
                format!("mount {} on {}", if kind.is_empty() { source } else { kind }, target.display()),
                error,
            )
        },
    )
}
