//! The walls of a container: a thread moves into namespaces of its own and builds the container's file system there;
//! what it then spawns is inside. The mounts vanish with the last process.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::mount::{MntFlags, MsFlags, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{chdir, pivot_root, sethostname};

use super::paths::{Paths, bind, do_mount, make_read_only, mount_point, resolve};
use super::rootfs::below;
use super::space::Shares;
use super::{CgroupFile, EngineError, Mount, MountKind, Propagation};

/// Everything that a container sees, to be built.
#[derive(Debug, Clone)]
pub(crate) struct Confinement {
    pub(crate) base: Base,
    /// Where the container's root is put together: a directory of its own. Not used for the host's root.
    pub(crate) root: PathBuf,
    pub(crate) hostname: Option<String>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) cgroup: CgroupView,
    pub(crate) read_only: bool,
    /// Made if it is missing, as container runtimes do.
    pub(crate) cwd: String,
    pub(crate) paths: Paths,
    pub(crate) writable_sys: bool,
    pub(crate) shares: Shares,
    pub(crate) pids: Pids,
}

/// What a container sees of its cgroup: files of the host's, so that they can be changed while it runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct CgroupView {
    /// Where they are on the host. `None`: nowhere, it sees none.
    pub(crate) directory: Option<PathBuf>,
    pub(crate) files: Vec<CgroupFile>,
}

impl CgroupView {
    /// Writes the files.
    pub(crate) fn write(&self) -> Result<(), EngineError> {
        let failed = |name: &str, error| EngineError::io(format!("cgroup file {name}"), error);
        let Some(directory) = &self.directory else { return Ok(()) };
        fs::create_dir_all(directory).map_err(|error| failed("", error))?;
        for file in &self.files {
            let path = directory.join(&file.path);
            let made = path.parent().map_or(Ok(()), fs::create_dir_all);
            made.and_then(|()| fs::write(&path, &file.content)).map_err(|error| failed(&file.path, error))?;
        }
        Ok(())
    }
}

/// A process tree.
#[derive(Debug, Clone, Default)]
pub(crate) enum Pids {
    /// A new one, which begins with the first process.
    #[default]
    Own,
    Join(Arc<File>),
    Host,
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
    pids: Pids,
    shares: Shares,
}

impl Confinement {
    pub(crate) fn new(base: Base) -> Self {
        Self {
            base,
            root: PathBuf::new(),
            hostname: None,
            mounts: Vec::new(),
            cgroup: CgroupView::default(),
            read_only: false,
            cwd: "/".into(),
            paths: Paths::default(),
            writable_sys: false,
            shares: Shares::default(),
            pids: Pids::Own,
        }
    }

    /// Moves the calling thread inside. There is no way back: the thread is to spawn its process and end.
    pub(crate) fn enter(&self) -> Result<Namespaces, EngineError> {
        let failed = |error: nix::Error| EngineError::io("unshare", error);
        self.shares.enter()?;
        unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS).map_err(failed)?;
        match &self.pids {
            Pids::Own => unshare(CloneFlags::CLONE_NEWPID).map_err(failed)?,
            Pids::Join(pid) => setns(pid.as_ref(), CloneFlags::CLONE_NEWPID).map_err(failed)?,
            Pids::Host => {}
        }
        // As long as the host's /proc is at hand: in another one this thread may not be seen.
        let namespaces = Namespaces::of_this_thread(&self.shares, &self.pids)?;
        // Nothing that is mounted from here on may reach the host.
        do_mount("", Path::new("/"), "", MsFlags::MS_REC | MsFlags::MS_SLAVE, "")?;
        if let Some(hostname) = &self.hostname {
            sethostname(hostname).map_err(|error| EngineError::io("set host name", error))?;
        }
        match &self.base {
            Base::Host => {
                if matches!(self.pids, Pids::Join(_)) {
                    // Where the kernel can't, the host's is seen.
                    let _ = mount_proc(Path::new("/proc"), "/proc/thread-self/ns/pid_for_children");
                }
                self.cgroup_view(Path::new("/"))?;
                self.paths.apply(Path::new("/"))?;
                return Ok(namespaces);
            }
            Base::Directory => bind(&self.root, &self.root, false, Propagation::Private)?,
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
        self.paths.apply(&self.root)?;
        if self.read_only {
            make_read_only(&self.root)?;
        }
        self.pivot()?;
        Ok(namespaces)
    }

    fn system_mounts(&self) -> Result<(), EngineError> {
        let proc = mount_point(&self.root, "/proc", true)?;
        let joined = matches!(self.pids, Pids::Join(_));
        if !joined || mount_proc(&proc, "/proc/thread-self/ns/pid_for_children").is_err() {
            // The host's, until the first process exists and its own can be shown.
            bind(Path::new("/proc"), &proc, false, Propagation::Private)?;
        }
        let sys = mount_point(&self.root, "/sys", true)?;
        if self.shares.net.is_some() {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            do_mount("sysfs", &sys, "sysfs", flags, "")?;
        } else {
            do_mount("/sys", &sys, "", MsFlags::MS_BIND, "")?;
        }
        if !self.writable_sys {
            make_read_only(&sys)?;
        }
        self.cgroup_view(&self.root)?;
        self.devices()
    }

    /// Shows the given files at `/sys/fs/cgroup`, as a runtime with cgroup limits would.
    fn cgroup_view(&self, root: &Path) -> Result<(), EngineError> {
        let at = below(root, "/sys/fs/cgroup");
        if !at.is_dir() || (self.cgroup.files.is_empty() && matches!(self.base, Base::Host)) {
            return Ok(());
        }
        let Some(directory) = &self.cgroup.directory else {
            do_mount("tmpfs", &at, "tmpfs", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "mode=755")?;
            return make_read_only(&at);
        };
        self.cgroup.write()?;
        bind(directory, &at, true, Propagation::Private)
    }

    fn devices(&self) -> Result<(), EngineError> {
        let dev = mount_point(&self.root, "/dev", true)?;
        do_mount("tmpfs", &dev, "tmpfs", MsFlags::MS_NOSUID, "mode=755,size=65536k")?;
        for name in ["null", "zero", "full", "random", "urandom", "tty"] {
            let host = Path::new("/dev").join(name);
            if host.exists() {
                let target = mount_point(&self.root, &format!("/dev/{name}"), false)?;
                bind(&host, &target, false, Propagation::Private)?;
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
                bind(&source, &target, wanted.read_only, wanted.propagation)
            }
            MountKind::Text(text) => {
                let target = mount_point(&self.root, &wanted.container_path, false)?;
                fs::write(&target, text).map_err(|error| EngineError::io(&wanted.container_path, error))?;
                if wanted.read_only { bind(&target, &target, true, Propagation::Private) } else { Ok(()) }
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
    /// Those of the calling thread.
    pub(crate) fn of_this_thread(shares: &Shares, pids: &Pids) -> Result<Self, EngineError> {
        let (mnt, uts) = (open_own("mnt")?, open_own("uts")?);
        Ok(Self { mnt, uts, pids: pids.clone(), shares: shares.clone() })
    }

    /// A process tree of its own can be joined from here on: the calling thread has spawned its first process.
    pub(crate) fn begin(&mut self) -> Result<(), EngineError> {
        if matches!(self.pids, Pids::Own) {
            self.pids = Pids::Join(Arc::new(open_own("pid_for_children")?));
        }
        Ok(())
    }

    /// The process tree, for others to join.
    pub(crate) fn pids(&self) -> Pids {
        self.pids.clone()
    }

    /// Moves the calling thread in; what it spawns is inside. The thread is to end after that.
    pub(crate) fn enter(&self) -> Result<(), EngineError> {
        let failed = |error: nix::Error| EngineError::io("enter the container", error);
        self.shares.enter()?;
        unshare(CloneFlags::CLONE_FS).map_err(failed)?;
        if let Pids::Join(pids) = &self.pids {
            setns(pids.as_ref(), CloneFlags::CLONE_NEWPID).map_err(failed)?;
        }
        setns(&self.uts, CloneFlags::CLONE_NEWUTS).map_err(failed)?;
        // Last: it also changes the root, to the container's.
        setns(&self.mnt, CloneFlags::CLONE_NEWNS).map_err(failed)
    }

    /// Shows the container's own processes at `/proc`, where the kernel can; `pid` is its first one. Only that process's
    /// first moments see the host's. To be called on a thread that then ends.
    pub(crate) fn show_processes(&self, pid: i32, paths: &Paths) {
        let mounted = self.enter().and_then(|()| {
            mount_proc(Path::new("/proc"), &format!("/proc/{pid}/ns/pid"))?;
            // The new one has covered them.
            paths.below("/proc").apply(Path::new("/"))
        });
        if let Err(error) = mounted {
            tracing::debug!(%error, pid, "the container keeps the host's /proc");
        }
    }

    /// Pids of everything that sees this container's files: all that runs in it, whoever started it.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let Ok(own) = self.mnt.metadata().map(|own| own.ino()) else { return Vec::new() };
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries
            .filter_map(|entry| {
                let pid = entry.file_name().to_str()?.parse().ok()?;
                let inside = fs::metadata(entry.path().join("ns/mnt")).ok()?.ino() == own;
                inside.then_some(pid)
            })
            .collect()
    }
}

fn open_own(namespace: &str) -> Result<File, EngineError> {
    File::open(format!("/proc/thread-self/ns/{namespace}"))
        .map_err(|error| EngineError::io("open a namespace", error))
}

/// Shows the processes of a process tree, from kernel 6.18 on.
fn mount_proc(at: &Path, tree: &str) -> Result<(), EngineError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    do_mount("proc", at, "proc", flags, &format!("pidns={tree}"))
}
