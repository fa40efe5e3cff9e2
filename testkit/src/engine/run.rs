//! How containers are run: what happens between the states.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runtime_core::helpers::signal::Signal;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::attach::Taps;
use super::check::can_be_sent;
use super::confine::{Confinement, Namespaces, Pids};
use super::core::Shared;
use super::entry::{Entry, Main};
use super::log::LogFile;
use super::paths::Paths;
use super::process::{Process, kill_orphans, kill_tree, lock, signal};
use super::space::Space;
use super::spawn::{Command, Place, spawn};
use super::streams::{Output, Streams};
use super::{
    ContainerState, EngineError, EventKind, Exit, Isolation, Launch, Object, Outcome, PidSpace, SharedInput,
    User,
};

/// What a container that cannot be started exits with, as containerd has it.
const START_FAILED: i32 = 128;
/// How long the log of an ended container stays open for a process that has escaped with its output.
const LOG_DRAIN: Duration = Duration::from_secs(1);

impl Shared {
    pub(crate) fn container(&self, id: &str) -> Result<Arc<Entry>, EngineError> {
        lock(&self.containers).get(id).cloned().ok_or_else(|| EngineError::not_found(Object::Container, id))
    }

    /// Whether the pod takes containers and the name is free.
    pub(super) fn check_room(&self, pod: &str, launch: &Launch) -> Result<(), EngineError> {
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

    pub(super) fn insert_container(&self, entry: &Arc<Entry>) -> Result<(), EngineError> {
        // No await between the check and the insert, and inserts are one at a time.
        let _one = lock(&self.inserting);
        self.check_open()?;
        self.check_room(&entry.pod, &entry.launch)?;
        lock(&self.containers).insert(entry.id.clone(), Arc::clone(entry));
        self.events.container(EventKind::Created, &entry.id, &entry.pod);
        Ok(())
    }

    pub(super) async fn start(self: &Arc<Self>, entry: &Arc<Entry>) -> Result<(), EngineError> {
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
        let (place, command) = (self.place(entry)?, self.command(entry));
        let (mut process, namespaces) =
            spawn(place, command, Arc::clone(&self.processes), self.runtime.clone()).await?;
        let started_at = Timestamp::now();
        let pid = process.pid();
        if let Some(score) = entry.launch.oom_score_adj {
            self.processes.set_oom_score(pid, score)?;
        }
        // Alone in its process tree, the others end with it.
        let neighbours = namespaces.clone().filter(|_| entry.launch.pids != PidSpace::Container);
        let Streams { stdin, stdout, stderr, terminal } = process.take_streams();
        let stdin = stdin.filter(|_| entry.launch.stdin).map(SharedInput::new);
        let (out, err) = (Taps::default(), Taps::default());
        *lock(&entry.log) = Some(Arc::clone(&log));
        *lock(&entry.main) = Some(Main {
            pid,
            handle: process.handle(),
            namespaces,
            stdin,
            stdout: out.clone(),
            stderr: err.clone(),
            terminal,
        });
        self.watch_memory(entry, pid);
        self.advance(entry, ContainerState::Running { pid, started_at }, EventKind::Started);
        let taps = [out.clone(), err.clone()];
        let pump = async move {
            let ended = || Box::new(tokio::io::empty()) as Output;
            let out = log.copy("stdout", stdout.unwrap_or_else(ended), &out);
            let err = log.copy("stderr", stderr.unwrap_or_else(ended), &err);
            futures::future::join(out, err).await;
        };
        let output = OutputPump { pump: tokio::spawn(pump), taps };
        let (shared, entry) = (Arc::clone(self), Arc::clone(entry));
        tokio::spawn(supervise(shared, entry, process, neighbours, output, started_at));
        Ok(())
    }

    /// Changes a container's state and tells, as one: who sees the state cannot be ahead of the event, nor behind it.
    fn advance(&self, entry: &Entry, to: ContainerState, event: EventKind) {
        entry.state.send_modify(|state| {
            *state = to;
            self.events.container(event, &entry.id, &entry.pod);
        });
    }

    fn place(&self, entry: &Entry) -> Result<Place, EngineError> {
        if self.abilities.isolation == Isolation::None {
            return Ok(Place::Direct(entry.files.root()));
        }
        let space = self.space(&entry.pod);
        let Launch { masked_paths, read_only_paths, .. } = &*entry.launch;
        Ok(Place::Fresh(Box::new(Confinement {
            root: entry.files.root(),
            hostname: entry.hostname.clone(),
            mounts: entry.launch.mounts.clone(),
            cgroup: entry.cgroup_view(),
            read_only: entry.launch.read_only_rootfs,
            cwd: entry.cwd(),
            paths: Paths { masked: masked_paths.clone(), read_only: read_only_paths.clone() },
            writable_sys: entry.launch.writable_sys,
            shares: space.shares.clone(),
            pids: self.pids(entry, &space)?,
            ..Confinement::new(entry.files.base())
        })))
    }

    /// The process tree that the container is to run in.
    fn pids(&self, entry: &Entry, space: &Space) -> Result<Pids, EngineError> {
        Ok(match &entry.launch.pids {
            PidSpace::Container => Pids::Own,
            PidSpace::Pod => space.pids.clone(),
            PidSpace::Host => Pids::Host,
            PidSpace::Target(id) => {
                let target = self.container(id)?;
                let main = lock(&target.main);
                let main = main.as_ref().ok_or_else(|| target.wrong_state())?;
                main.namespaces.as_ref().map_or(Pids::Own, |namespaces| namespaces.pids())
            }
        })
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
            privileges: entry.launch.privileges,
            stdin: entry.launch.stdin,
            tty: entry.launch.tty,
            terminal_size: None,
            is_exec: false,
        }
    }

    pub(super) async fn stop(
        &self,
        entry: &Entry,
        number: Option<i32>,
        grace: Duration,
    ) -> Result<(), EngineError> {
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

    pub(super) async fn remove(&self, entry: Arc<Entry>, force: bool) -> Result<bool, EngineError> {
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
        let known = configured.and_then(|text| text.parse().ok()).filter(can_be_sent);
        known.unwrap_or(Signal::TERM).number()
    }
}

/// What moves a container's output to its log, and to those who are attached.
struct OutputPump {
    pump: JoinHandle<()>,
    taps: [Taps; 2],
}

impl OutputPump {
    /// Takes what is left once all processes have ended.
    async fn finish(mut self) {
        self.taps.iter().for_each(Taps::process_ended);
        if timeout(LOG_DRAIN, &mut self.pump).await.is_err() {
            self.pump.abort();
        }
        self.taps.iter().for_each(Taps::close);
    }
}

/// Stays with a running container to its end.
async fn supervise(
    shared: Arc<Shared>,
    entry: Arc<Entry>,
    process: Process,
    neighbours: Option<Arc<Namespaces>>,
    output: OutputPump,
    started_at: Timestamp,
) {
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
    if let Some(namespaces) = neighbours {
        for pid in namespaces.processes() {
            kill_tree(pid);
        }
    }
    output.finish().await;
    let memory = lock(&entry.memory).take();
    let oom_killed = memory.is_some_and(|memory| memory.has_killed());
    *lock(&entry.main) = None;
    *lock(&entry.log) = None;
    let exit = Exit { outcome, oom_killed, started_at: Some(started_at), finished_at, start_error: None };
    shared.advance(&entry, ContainerState::Exited(exit), EventKind::Stopped);
}
