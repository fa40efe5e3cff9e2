//! What callers do with containers: create, start, stop, wait, remove.

use std::sync::{Arc, Mutex, atomic::AtomicU64};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Mutex as AsyncMutex, watch};

use super::core::random_id;
use super::entry::{Entry, Files};
use super::process::{lock, signal};
use super::streams::NO_TERMINAL;
use super::{Container, ContainerState, Engine, EngineError, Exit, Launch, Object, TerminalSize};

impl Engine {
    /// Makes a container with its own copy of the image's files. It does not run. Fault name `create_container`.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] for the pod or the image, [`EngineError::InvalidState`] for a stopped pod,
    /// [`EngineError::NameTaken`], [`EngineError::InvalidArgument`], [`EngineError::Unsupported`].
    pub async fn create_container(&self, pod: &str, launch: Launch) -> Result<Container, EngineError> {
        let shared = self.shared();
        shared
            .faults
            .around("create_container", async {
                shared.check_open()?;
                let pod = self.pod(pod)?;
                let image = shared.images.find(&launch.image)?;
                self.check_launch(&launch, image.rootfs.directory().is_none())?;
                shared.check_room(&pod.id, &launch)?;
                let id = random_id()?;
                let (directory, overlay) = (shared.containers_dir().join(&id), shared.abilities.overlay);
                let rootfs = Arc::clone(&image.rootfs);
                // Dropped with this future, the files are removed again.
                let files = shared.blocking(move || Files::create(directory, rootfs, overlay)).await?;
                let entry = Arc::new(Entry {
                    id,
                    hostname: launch.hostname.clone().or_else(|| pod.launch.hostname.clone()),
                    pod: pod.id,
                    launch: Arc::new(launch),
                    updated: Mutex::default(),
                    image: Arc::clone(&image.record),
                    created_at: Timestamp::now(),
                    state: watch::Sender::new(ContainerState::Created),
                    turn: AsyncMutex::default(),
                    main: Mutex::default(),
                    log: Mutex::default(),
                    memory: Mutex::default(),
                    ticks: AtomicU64::default(),
                    files,
                });
                shared.insert_container(&entry)?;
                Ok(entry.snapshot())
            })
            .await
    }

    /// Starts a container and returns when its first process runs. Fault name `start_container`.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::InvalidState`] unless it is created and its pod ready. Whatever else
    /// stops it from starting, such as [`EngineError::NoSuchCommand`], is also its end: it has exited with code 128.
    pub async fn start_container(&self, id: &str) -> Result<Container, EngineError> {
        let shared = self.shared();
        shared
            .faults
            .around("start_container", async {
                let entry = shared.container(id)?;
                if !self.pod(&entry.pod)?.is_ready() {
                    return Err(EngineError::InvalidState {
                        object: Object::Pod,
                        id: entry.pod.clone(),
                        state: "stopped",
                    });
                }
                let (task, started) = (Arc::clone(shared), Arc::clone(&entry));
                shared.to_the_end(async move { task.start(&entry).await }).await?;
                Ok(started.snapshot())
            })
            .await
    }

    /// Stops a container: sends `signal` (its stop signal by default), waits `grace`, kills what is left and waits for
    /// the end. One that does not run is left as it is. Fault name `stop_container`.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn stop_container(
        &self,
        id: &str,
        signal: Option<i32>,
        grace: Duration,
    ) -> Result<(), EngineError> {
        let shared = self.shared();
        shared
            .faults
            .around("stop_container", async {
                let (task, entry) = (Arc::clone(shared), shared.container(id)?);
                shared.to_the_end(async move { task.stop(&entry, signal, grace).await }).await
            })
            .await
    }

    /// Sends a signal to the first process of a running container. Fault name `signal_container`.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::InvalidState`] when it does not run.
    pub async fn signal_container(&self, id: &str, number: i32) -> Result<(), EngineError> {
        let shared = self.shared();
        shared
            .faults
            .around("signal_container", async {
                let entry = shared.container(id)?;
                let handle = lock(&entry.main).as_ref().map(|main| Arc::clone(&main.handle));
                let handle = handle.ok_or_else(|| entry.wrong_state())?;
                signal(&handle, number)
            })
            .await
    }

    /// Removes a container and its files; with `force` a running one is killed first. `false`: there was none. Its log
    /// stays. Fault name `remove_container`.
    ///
    /// # Errors
    /// [`EngineError::InvalidState`] when it runs and `force` is not given.
    pub async fn remove_container(&self, id: &str, force: bool) -> Result<bool, EngineError> {
        let shared = self.shared();
        shared
            .faults
            .around("remove_container", async {
                let Ok(entry) = shared.container(id) else { return Ok(false) };
                let task = Arc::clone(shared);
                shared.to_the_end(async move { task.remove(entry, force).await }).await
            })
            .await
    }

    /// Waits until a container has exited, with its log complete. Any number of callers may wait.
    ///
    /// # Errors
    /// [`EngineError::NotFound`], also when it is removed without ever having run.
    pub async fn wait_container(&self, id: &str) -> Result<Exit, EngineError> {
        let entry = self.shared().container(id)?;
        entry.exited().await
    }

    /// The state of a container, now and whenever it changes. The channel closes when the container is removed.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub fn watch_container(&self, id: &str) -> Result<watch::Receiver<ContainerState>, EngineError> {
        Ok(self.shared().container(id)?.state.subscribe())
    }

    /// A container by its full id.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub fn container(&self, id: &str) -> Result<Container, EngineError> {
        Ok(self.shared().container(id)?.snapshot())
    }

    /// Every container, oldest first.
    pub fn containers(&self) -> Vec<Container> {
        let mut all: Vec<_> =
            lock(&self.shared().containers).values().map(|entry| entry.snapshot()).collect();
        all.sort_by_key(|container| container.created_at);
        all
    }

    /// Resizes the terminal of a running container.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::InvalidState`] when it does not run; [`EngineError::Unsupported`]
    /// when it has no terminal.
    pub fn resize_container(&self, id: &str, size: TerminalSize) -> Result<(), EngineError> {
        let entry = self.shared().container(id)?;
        let main = lock(&entry.main);
        let terminal = main.as_ref().ok_or_else(|| entry.wrong_state())?.terminal.as_ref();
        terminal.ok_or(NO_TERMINAL)?.resize(size)
    }

    /// Goes on logging in a new file, after somebody has moved the old one away. Fault name `reopen_log`.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::InvalidState`] when it does not run.
    pub async fn reopen_log(&self, id: &str) -> Result<(), EngineError> {
        let shared = self.shared();
        shared
            .faults
            .around("reopen_log", async {
                let entry = shared.container(id)?;
                let log = lock(&entry.log).clone().ok_or_else(|| entry.wrong_state())?;
                log.reopen().await.map_err(|error| EngineError::io("reopen the log", error))
            })
            .await
    }

    pub(crate) fn containers_of(&self, pod: &str) -> Vec<String> {
        let containers = lock(&self.shared().containers);
        containers.values().filter(|entry| entry.pod == pod).map(|entry| entry.id.clone()).collect()
    }

    /// Stops one of a pod's containers, which may be gone by now.
    pub(crate) async fn stop_quietly(&self, id: &str, grace: Duration) -> Result<(), EngineError> {
        let shared = self.shared();
        let Ok(entry) = shared.container(id) else { return Ok(()) };
        let task = Arc::clone(shared);
        shared.to_the_end(async move { task.stop(&entry, None, grace).await }).await
    }

    /// Removes one of a pod's containers, which may be gone by now.
    pub(crate) async fn remove_quietly(&self, id: &str) -> Result<bool, EngineError> {
        let shared = self.shared();
        let Ok(entry) = shared.container(id) else { return Ok(false) };
        let task = Arc::clone(shared);
        shared.to_the_end(async move { task.remove(entry, true).await }).await
    }
}
