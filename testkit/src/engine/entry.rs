//! A container as the engine keeps it.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, atomic::AtomicU64};

use jiff::Timestamp;
use tokio::sync::{Mutex as AsyncMutex, watch};

use super::attach::Taps;
use super::confine::{Base, Namespaces};
use super::core::Shared;
use super::image::Rootfs;
use super::log::LogFile;
use super::memory::MemoryWatch;
use super::process::lock;
use super::rootfs::{copy_tree, remove_tree};
use super::streams::Terminal;
use super::{Container, ContainerState, EngineError, Exit, ImageRecord, Launch, Object, SharedInput};

/// A container, shared by whoever works on it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) pod: String,
    /// What it was made of; [`Entry::launch_now`] has what was changed since.
    pub(crate) launch: Arc<Launch>,
    pub(crate) updated: Mutex<Option<Arc<Launch>>>,
    pub(crate) image: Arc<ImageRecord>,
    /// Host name after the pod's has been taken into account.
    pub(crate) hostname: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) state: watch::Sender<ContainerState>,
    /// Held while the container is started or removed.
    pub(crate) turn: AsyncMutex<()>,
    pub(crate) main: Mutex<Option<Main>>,
    pub(crate) log: Mutex<Option<Arc<LogFile>>>,
    pub(crate) memory: Mutex<Option<MemoryWatch>>,
    /// The most processor time that was seen, in ticks: that of commands that have ended is not seen any more.
    pub(crate) ticks: AtomicU64,
    pub(crate) files: Files,
}

/// The first process of a running container.
pub(crate) struct Main {
    pub(crate) pid: i32,
    pub(crate) handle: Arc<OwnedFd>,
    /// `None`: it runs directly on the host.
    pub(crate) namespaces: Option<Arc<Namespaces>>,
    pub(crate) stdin: Option<SharedInput>,
    pub(crate) stdout: Taps,
    pub(crate) stderr: Taps,
    pub(crate) terminal: Option<Terminal>,
}

impl fmt::Debug for Main {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Main").field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl Entry {
    pub(crate) fn snapshot(&self) -> Container {
        Container {
            id: self.id.clone(),
            pod: self.pod.clone(),
            launch: self.launch_now(),
            image: Arc::clone(&self.image),
            created_at: self.created_at,
            state: self.state.borrow().clone(),
        }
    }

    /// What it is made of, changes of its resources included.
    pub(crate) fn launch_now(&self) -> Arc<Launch> {
        Arc::clone(lock(&self.updated).as_ref().unwrap_or(&self.launch))
    }

    pub(crate) fn main_pid(&self) -> Option<i32> {
        lock(&self.main).as_ref().map(|main| main.pid)
    }

    pub(crate) fn wrong_state(&self) -> EngineError {
        let state = self.state.borrow().name();
        EngineError::InvalidState { object: Object::Container, id: self.id.clone(), state }
    }

    /// Waits until it does not run: at once when it never did.
    pub(crate) async fn settled(&self) {
        let mut state = self.state.subscribe();
        // The sender is in `self`, so the channel is open.
        let _ = state.wait_for(|state| !matches!(state, ContainerState::Running { .. })).await;
    }

    /// Waits for its end.
    pub(crate) async fn exited(self: Arc<Self>) -> Result<Exit, EngineError> {
        let mut state = self.state.subscribe();
        let id = self.id.clone();
        // Not to keep it alive: a container that is removed without having been started ends this wait.
        drop(self);
        let gone = || EngineError::not_found(Object::Container, &id);
        let exited =
            state.wait_for(|state| matches!(state, ContainerState::Exited(_))).await.map_err(|_| gone())?;
        match &*exited {
            ContainerState::Exited(exit) => Ok(exit.clone()),
            _ => Err(gone()),
        }
    }
}

/// The directory of a container; removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Files {
    directory: PathBuf,
    image: Arc<Rootfs>,
    overlay: bool,
}

impl Files {
    /// Makes the directory of a new container. Blocks: without overlay mounts this copies the image.
    pub(crate) fn create(directory: PathBuf, image: Arc<Rootfs>, overlay: bool) -> Result<Self, EngineError> {
        let files = Self { directory, image, overlay };
        let failed = |error| EngineError::io("container files", error);
        let Some(lower) = files.image.directory() else {
            std::fs::create_dir_all(&files.directory).map_err(failed)?;
            return Ok(files);
        };
        if overlay {
            for name in ["upper", "work", "root"] {
                std::fs::create_dir_all(files.directory.join(name)).map_err(failed)?;
            }
            let mode = std::fs::metadata(lower).map_err(failed)?.permissions();
            std::fs::set_permissions(files.directory.join("upper"), mode).map_err(failed)?;
        } else {
            copy_tree(lower, &files.root()).map_err(failed)?;
        }
        Ok(files)
    }

    /// What a confined container's root is made of.
    pub(crate) fn base(&self) -> Base {
        match self.image.directory() {
            None => Base::Host,
            Some(_) if !self.overlay => Base::Directory,
            Some(lower) => Base::Overlay {
                lower: lower.to_path_buf(),
                upper: self.directory.join("upper"),
                work: self.directory.join("work"),
            },
        }
    }

    /// Where the root is put together; for processes without walls, where it is.
    pub(crate) fn root(&self) -> PathBuf {
        match self.image.directory() {
            None => Path::new("/").to_path_buf(),
            Some(_) => self.directory.join("root"),
        }
    }

    /// Where the files are that it shows of its cgroup.
    pub(crate) fn cgroup(&self) -> PathBuf {
        self.directory.join("cgroup")
    }

    /// What it has written over its image, where that is kept apart.
    pub(crate) fn writable_layer(&self) -> Option<PathBuf> {
        (self.overlay && self.image.directory().is_some()).then(|| self.directory.join("upper"))
    }

    /// Removes them now, aside, instead of when this is dropped.
    pub(crate) async fn remove_now(&self, shared: &Shared) -> Result<(), EngineError> {
        let directory = self.directory.clone();
        let remove =
            move || remove_tree(&directory).map_err(|error| EngineError::io("remove container files", error));
        shared.blocking(remove).await
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.directory) {
            tracing::warn!(%error, directory = %self.directory.display(), "left behind");
        }
    }
}
