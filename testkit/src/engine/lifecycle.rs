//! The life of a container: create, start, stop, wait, remove.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::time::timeout;

use super::confine::Confinement;
use super::core::{Shared, random_id};
use super::entry::{Entry, Files, Main};
use super::log::LogFile;
use super::memory::MemoryWatch;
use super::process::{Process, kill_orphans, kill_tree, lock, signal};
use super::spawn::{Command, Place, spawn};
use super::streams::{NO_TERMINAL, Streams};
use super::{
    Container, ContainerState, Engine, EngineError, EventKind, Exit, Input, Isolation, Launch, Object,
    Outcome, Output, TerminalSize, User, parse_signal,
};

/// What a container that cannot be started exits with, as containerd has it.
const START_FAILED: i32 = 128;
/// How long the log of an ended container stays open for a process that has escaped with its output.
const LOG_DRAIN: Duration = Duration::from_secs(1);
const SIGTERM: i32 = 15;

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
                    image: Arc::clone(&image.record),
                    created_at: Timestamp::now(),
                    state: watch::Sender::new(ContainerState::Created),
                    turn: AsyncMutex::default(),
                    main: Mutex::default(),
                    log: Mutex::default(),
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

    /// Standard input of a running container, once. `None`: it has none, or it is taken. Dropping it closes it.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub fn take_stdin(&self, id: &str) -> Result<Option<Input>, EngineError> {
        let entry = self.shared().container(id)?;
        let stdin = lock(&entry.main).as_mut().and_then(|main| main.stdin.take());
        Ok(stdin)
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

    /// Memory that a container's processes have now, in bytes; 0 when it does not run.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn memory_bytes(&self, id: &str) -> Result<u64, EngineError> {
        let shared = self.shared();
        shared.container(id)?;
        let roots = shared.processes.of(id);
        shared.blocking(move || Ok(super::memory::resident_bytes(&roots))).await
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

impl Shared {
    pub(crate) fn container(&self, id: &str) -> Result<Arc<Entry>, EngineError> {
        lock(&self.containers).get(id).cloned().ok_or_else(|| EngineError::not_found(Object::Container, id))
    }

    /// Whether the pod takes containers and the name is free.
    fn check_room(&self, pod: &str, launch: &Launch) -> Result<(), EngineError> {
        let pods = lock(&self.pods);
        let found = pods.get(pod).ok_or_else(|| EngineError::not_found(Object::Pod, pod))?;
        if !found.is_ready() {
            return Err(EngineError::InvalidState {
                object: Object::Pod,
                id: pod.to_owned(),
                state: "stopped",
            });
        }
        let same = |entry: &&Arc<Entry>| {
            entry.pod == pod && entry.launch.name == launch.name && entry.launch.attempt == launch.attempt
        };
        match lock(&self.containers).values().find(same) {
            None => Ok(()),
            Some(entry) => Err(EngineError::NameTaken {
                object: Object::Container,
                name: format!("{}_{}", launch.name, launch.attempt),
                existing: entry.id.clone(),
            }),
        }
    }

    fn insert_container(&self, entry: &Arc<Entry>) -> Result<(), EngineError> {
        // No await between the check and the insert, and inserts are one at a time.
        let _one = lock(&self.inserting);
        self.check_open()?;
        self.check_room(&entry.pod, &entry.launch)?;
        lock(&self.containers).insert(entry.id.clone(), Arc::clone(entry));
        self.events.container(EventKind::Created, &entry.id, &entry.pod);
        Ok(())
    }

    async fn start(self: &Arc<Self>, entry: &Arc<Entry>) -> Result<(), EngineError> {
        let _turn = entry.turn.lock().await;
        self.container(&entry.id)?;
        if *entry.state.borrow() != ContainerState::Created {
            return Err(entry.wrong_state());
        }
        let started = self.launch(entry).await;
        if let Err(error) = &started {
            let exit = Exit {
                outcome: Outcome::Code(START_FAILED),
                oom_killed: false,
                started_at: None,
                finished_at: Timestamp::now(),
                start_error: Some(error.to_string()),
            };
            self.advance(entry, ContainerState::Exited(exit), EventKind::Stopped);
        }
        started
    }

    async fn launch(self: &Arc<Self>, entry: &Arc<Entry>) -> Result<(), EngineError> {
        if let Some(words) = &entry.launch.start_error {
            return Err(EngineError::StartRefused(words.clone()));
        }
        let log = LogFile::open(entry.launch.log_path.clone()).await;
        let log = Arc::new(log.map_err(|error| EngineError::io("open the log", error))?);
        let (place, command) = (self.place(entry), self.command(entry));
        let (mut process, namespaces) =
            spawn(place, command, Arc::clone(&self.processes), self.runtime.clone()).await?;
        let started_at = Timestamp::now();
        let pid = process.pid();
        let Streams { stdin, stdout, stderr, terminal } = process.take_streams();
        let stdin = stdin.filter(|_| entry.launch.stdin);
        *lock(&entry.log) = Some(Arc::clone(&log));
        *lock(&entry.main) = Some(Main { pid, handle: process.handle(), namespaces, stdin, terminal });
        let memory = entry
            .launch
            .memory_limit_bytes
            .map(|limit| MemoryWatch::start(pid, entry.id.clone(), limit, Arc::clone(&self.processes)));
        self.advance(entry, ContainerState::Running { pid, started_at }, EventKind::Started);
        let pump = async move {
            let ended = || Box::new(tokio::io::empty()) as Output;
            log.pump(stdout.unwrap_or_else(ended), stderr.unwrap_or_else(ended)).await;
        };
        tokio::spawn(supervise(Arc::clone(self), Arc::clone(entry), process, pump, memory, started_at));
        Ok(())
    }

    /// Changes a container's state and tells, as one: who sees the state cannot be ahead of the event, nor behind it.
    fn advance(&self, entry: &Entry, to: ContainerState, event: EventKind) {
        entry.state.send_modify(|state| {
            *state = to;
            self.events.container(event, &entry.id, &entry.pod);
        });
    }

    fn place(&self, entry: &Entry) -> Place {
        match self.abilities.isolation {
            Isolation::None => Place::Direct(entry.files.root()),
            Isolation::Chroot => Place::Fresh(Box::new(Confinement {
                root: entry.files.root(),
                hostname: entry.hostname.clone(),
                mounts: entry.launch.mounts.clone(),
                cgroup: entry.launch.cgroup.clone(),
                read_only: entry.launch.read_only_rootfs,
                cwd: entry.cwd(),
                ..Confinement::new(entry.files.base())
            })),
        }
    }

    /// The container's own process; exec starts from it.
    pub(crate) fn command(&self, entry: &Entry) -> Command {
        let image_user = || {
            let user = entry.image.config.user.clone().filter(|user| !user.is_empty());
            let user = user.map_or(User::Id { uid: 0, gid: None }, User::Name);
            (self.abilities.isolation == Isolation::Chroot).then_some(user)
        };
        Command {
            owner: entry.id.clone(),
            argv: entry.launch.argv.clone(),
            env: entry.launch.env.clone(),
            cwd: entry.cwd(),
            user: entry
                .launch
                .user
                .clone()
                .filter(|_| self.abilities.isolation == Isolation::Chroot)
                .or_else(image_user),
            groups: entry.launch.supplementary_groups.clone(),
            stdin: entry.launch.stdin,
            tty: entry.launch.tty,
            is_exec: false,
        }
    }

    async fn stop(&self, entry: &Entry, number: Option<i32>, grace: Duration) -> Result<(), EngineError> {
        // One that is being started is waited for.
        drop(entry.turn.lock().await);
        let Some((pid, handle)) = lock(&entry.main).as_ref().map(|main| (main.pid, Arc::clone(&main.handle)))
        else {
            entry.settled().await;
            return Ok(());
        };
        if !grace.is_zero() {
            signal(&handle, number.unwrap_or_else(|| entry.stop_signal()))?;
            if timeout(grace, entry.settled()).await.is_ok() {
                return Ok(());
            }
        }
        self.kill(entry, pid);
        entry.settled().await;
        Ok(())
    }

    async fn remove(&self, entry: Arc<Entry>, force: bool) -> Result<bool, EngineError> {
        let _turn = entry.turn.lock().await;
        if let Some(pid) = entry.main_pid() {
            if !force {
                return Err(entry.wrong_state());
            }
            self.kill(&entry, pid);
        }
        entry.settled().await;
        if lock(&self.containers).remove(&entry.id).is_none() {
            return Ok(false);
        }
        entry.files.remove_now(self).await?;
        self.events.container(EventKind::Deleted, &entry.id, &entry.pod);
        Ok(true)
    }

    /// Kills everything that runs for a container, unless its first process has ended by now.
    fn kill(&self, entry: &Entry, pid: i32) {
        if entry.main_pid() == Some(pid) {
            for pid in self.processes.of(&entry.id) {
                kill_tree(pid);
            }
        }
    }
}

impl Entry {
    pub(crate) fn cwd(&self) -> String {
        let image = || self.image.config.working_dir.clone().filter(|cwd| cwd.starts_with('/'));
        self.launch.cwd.clone().or_else(image).unwrap_or_else(|| "/".to_owned())
    }

    fn stop_signal(&self) -> i32 {
        let configured = self.launch.stop_signal.as_ref().or(self.image.config.stop_signal.as_ref());
        configured.and_then(|text| parse_signal(text).ok()).unwrap_or(SIGTERM)
    }
}

/// Stays with a running container to its end.
async fn supervise(
    shared: Arc<Shared>,
    entry: Arc<Entry>,
    process: Process,
    pump: impl Future<Output = ()> + Send + 'static,
    memory: Option<MemoryWatch>,
    started_at: Timestamp,
) {
    let mut pump = tokio::spawn(pump);
    let outcome = process.wait().await;
    let finished_at = Timestamp::now();
    // With walls the kernel has done this; without, what is left of the container must not hold its log.
    for pid in shared.processes.of(&entry.id) {
        kill_tree(pid);
    }
    let leaders = shared.processes.take_leaders(&entry.id);
    if shared.abilities.isolation == Isolation::None {
        kill_orphans(&leaders);
    }
    if timeout(LOG_DRAIN, &mut pump).await.is_err() {
        pump.abort();
    }
    let oom_killed = memory.is_some_and(|memory| memory.has_killed());
    *lock(&entry.main) = None;
    *lock(&entry.log) = None;
    let exit = Exit { outcome, oom_killed, started_at: Some(started_at), finished_at, start_error: None };
    shared.advance(&entry, ContainerState::Exited(exit), EventKind::Stopped);
}
