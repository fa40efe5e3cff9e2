//! Containers: what one is made of, and the states it goes through.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::{ImageRecord, Privileges, User};

/// What a container is made of. Command and environment are taken as they are; nothing of the image's is merged in.
#[derive(Clone, Default)]
pub struct Launch {
    /// Its name; unique in its pod together with `attempt`.
    pub name: String,
    /// The caller's count of tries.
    pub attempt: u32,
    /// The image, by id, tag or digest. It has to be there.
    pub image: String,
    /// Program and arguments. The program is looked up inside the container.
    pub argv: Vec<String>,
    /// The whole environment; only `HOME` is added when it is missing.
    pub env: Vec<(String, String)>,
    /// Working directory. `None`: the image's, else `/`.
    pub cwd: Option<String>,
    /// Whom it runs as. `None`: the image's user where users can be changed.
    pub user: Option<User>,
    /// Further groups of the user.
    pub supplementary_groups: Vec<u32>,
    /// What its processes may do.
    pub privileges: Privileges,
    /// The process tree it runs in.
    pub pids: PidSpace,
    /// Who is killed first when the host's memory runs out. `None`: as the engine.
    pub oom_score_adj: Option<i32>,
    /// Files that are empty in the container, directories too; what does not exist is left out.
    pub masked_paths: Vec<String>,
    /// Paths that can't be written to; what does not exist is left out.
    pub read_only_paths: Vec<String>,
    /// `/sys` can be written to.
    pub writable_sys: bool,
    /// A terminal for the process: output and errors are one stream.
    pub tty: bool,
    /// Keeps standard input open for [`Engine::attach`](super::Engine::attach); otherwise it is empty.
    pub stdin: bool,
    /// In the order in which they are mounted.
    pub mounts: Vec<Mount>,
    /// Nothing but mounts can be written to.
    pub read_only_rootfs: bool,
    /// Host name. `None`: the pod's.
    pub hostname: Option<String>,
    /// Where output is logged, in the format of Kubernetes' container runtimes. `None`: nowhere.
    pub log_path: Option<PathBuf>,
    /// Most memory its processes may have together, in bytes. Checked by sampling: above it, they are killed.
    pub memory_limit_bytes: Option<u64>,
    /// What it sees at `/sys/fs/cgroup`.
    pub cgroup: Vec<CgroupFile>,
    /// For the caller's use.
    pub labels: BTreeMap<String, String>,
    /// For the caller's use.
    pub annotations: BTreeMap<String, String>,
    /// For the caller's use; not printed by `Debug`.
    pub config: Value,
    /// What asks it to stop, by name or number. `None`: the image's, else `SIGTERM`.
    pub stop_signal: Option<String>,
    /// Start fails with these words: for a fake whose real server finds out no earlier that something is wrong.
    pub start_error: Option<String>,
}

impl fmt::Debug for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the values of the environment: they may be secret.
        let names: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        f.debug_struct("Launch")
            .field("name", &self.name)
            .field("attempt", &self.attempt)
            .field("image", &self.image)
            .field("argv", &self.argv)
            .field("env", &names)
            .finish_non_exhaustive()
    }
}

/// Something to be mounted in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Absolute path in the container; made if it is missing.
    pub container_path: String,
    /// Refuses writes.
    pub read_only: bool,
    /// What is mounted.
    pub kind: MountKind,
    /// Whether mounts made later are seen.
    pub propagation: Propagation,
}

impl Mount {
    /// A path of the host, writable, on which later mounts are not seen.
    pub fn bind(host_path: impl Into<PathBuf>, container_path: impl Into<String>) -> Self {
        Self {
            container_path: container_path.into(),
            read_only: false,
            kind: MountKind::Bind { host_path: host_path.into() },
            propagation: Propagation::Private,
        }
    }

    /// All devices of the host, each at its place.
    pub fn host_devices() -> Vec<Self> {
        let entries = fs::read_dir("/dev").into_iter().flatten().flatten();
        let devices = entries.filter(|entry| {
            entry.file_type().is_ok_and(|kind| kind.is_char_device() || kind.is_block_device())
        });
        devices.map(|device| Self::bind(device.path(), device.path().to_string_lossy())).collect()
    }
}

/// Whether mounts that the host makes later, below a path that is mounted in a container, are seen there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Propagation {
    /// They are not.
    #[default]
    Private,
    /// They are, provided that the host's own mount is shared.
    HostToContainer,
}

/// The process tree that a container runs in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PidSpace {
    /// One of its own, in which its first process is number 1; the others end with it.
    #[default]
    Container,
    /// That of the pod's own process; one of its own where the pod has none.
    Pod,
    /// That of another container, by id, which has to run when this one is started.
    Target(String),
    /// The host's.
    Host,
}

/// What can be mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountKind {
    /// A file or directory of the host, with what is mounted below it. It has to exist.
    Bind {
        /// Absolute path on the host.
        host_path: PathBuf,
    },
    /// A file of the container's own with this text.
    Text(String),
    /// A new file system in memory.
    Tmpfs {
        /// Most it can hold. `None`: the kernel's default.
        size_bytes: Option<u64>,
    },
}

/// A file that a container sees under `/sys/fs/cgroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupFile {
    /// Relative path, such as `memory/memory.limit_in_bytes`.
    pub path: String,
    /// Its content.
    pub content: String,
}

/// A container, as it was when it was asked for.
#[derive(Debug, Clone)]
pub struct Container {
    /// 64 lower-case hexadecimal digits.
    pub id: String,
    /// Id of its pod.
    pub pod: String,
    /// What it was made of.
    pub launch: Arc<Launch>,
    /// The image it was made from, which may be gone by now.
    pub image: Arc<ImageRecord>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Where it is in its life.
    pub state: ContainerState,
}

/// The states of a container, each entered at most once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerState {
    /// It has not been started.
    Created,
    /// Its first process runs.
    Running {
        /// That process, as the host sees it.
        pid: i32,
        /// Since when.
        started_at: Timestamp,
    },
    /// It ended, or could not be started.
    Exited(Exit),
}

impl ContainerState {
    /// One lower-case word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running { .. } => "running",
            Self::Exited(_) => "exited",
        }
    }
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// What its first process ended with; code 128 when it could not be started.
    pub outcome: Outcome,
    /// It went over its memory limit.
    pub oom_killed: bool,
    /// `None`: it could not be started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Why it could not be started.
    pub start_error: Option<String>,
}

/// What a process ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It exited.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
}

impl Outcome {
    /// As shells and container runtimes count: 128 plus the signal's number.
    pub fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => signal.saturating_add(128),
        }
    }
}
