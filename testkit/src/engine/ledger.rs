//! What is alive in an engine, all of it, to prove that nothing was left behind.

use std::fs;
use std::path::PathBuf;

use super::Engine;
use super::process::lock;

/// Every live resource of an engine at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Ids of pods.
    pub pods: Vec<String>,
    /// Ids of containers, whatever their state.
    pub containers: Vec<String>,
    /// Processes that were started directly: first processes of containers, execs, and those of pods.
    pub processes: Vec<LiveProcess>,
    /// Those of them that are execs.
    pub execs: Vec<LiveExec>,
    /// Directories of containers and of unfinished pulls, as the file system has them.
    pub directories: Vec<PathBuf>,
    /// Ids of images, the built-in one left out.
    pub images: Vec<String>,
}

/// A process that the engine has started and that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveProcess {
    /// As the host sees it.
    pub pid: i32,
    /// Id of its container, or of its pod.
    pub owner: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Whether it is an exec; otherwise it is the container's first process, or the pod's own.
    pub is_exec: bool,
}

/// A running exec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveExec {
    /// As the host sees it.
    pub pid: i32,
    /// Id of its container.
    pub container: String,
}

impl Ledger {
    /// Whether nothing is alive.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty() && self.is_empty_except_images()
    }

    /// Whether nothing but images is there.
    pub fn is_empty_except_images(&self) -> bool {
        let Self { pods, containers, processes, execs, directories, images: _ } = self;
        pods.is_empty()
            && containers.is_empty()
            && processes.is_empty()
            && execs.is_empty()
            && directories.is_empty()
    }
}

impl Engine {
    /// What is alive now.
    pub fn ledger(&self) -> Ledger {
        let shared = self.shared();
        let processes = shared.processes.live();
        let execs = processes
            .iter()
            .filter(|process| process.is_exec)
            .map(|process| LiveExec { pid: process.pid, container: process.owner.clone() })
            .collect();
        let mut directories: Vec<PathBuf> = [shared.containers_dir(), shared.images.ingest_dir()]
            .iter()
            .flat_map(|directory| fs::read_dir(directory).into_iter().flatten().flatten())
            .map(|entry| entry.path())
            .collect();
        directories.sort();
        Ledger {
            pods: lock(&shared.pods).keys().cloned().collect(),
            containers: lock(&shared.containers).keys().cloned().collect(),
            processes,
            execs,
            directories,
            images: shared.images.ids(),
        }
    }
}
