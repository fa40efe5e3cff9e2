//! Processes that the engine runs: each is counted, written down for a later sweep, and ended with its owner.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use rustix::process::{
    Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open, pidfd_send_signal,
};
use tokio::process::Child;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::streams::Streams;
use super::{EngineError, LiveProcess, Outcome};

/// Name of the file in the state directory that lists what runs.
pub(crate) const PROCESS_FILE: &str = "processes";
/// What the end of a process counts as that nobody saw: the engine was torn down around it.
const LOST: Outcome = Outcome::Signal(9);

/// A process. It is reaped the moment it ends, whoever holds this; dropping it kills it with its descendants.
#[derive(Debug)]
pub(crate) struct Process {
    pid: i32,
    handle: Arc<OwnedFd>,
    streams: Streams,
    outcome: watch::Receiver<Option<Outcome>>,
}

impl Process {
    pub(crate) fn adopt(
        mut child: Child,
        streams: Streams,
        live: impl FnOnce(i32) -> LiveProcess,
        table: &Arc<ProcessTable>,
        runtime: &Handle,
    ) -> Result<Self, EngineError> {
        let failed = |error: io::Error| EngineError::io("adopt a process", error);
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let pid = pid.ok_or_else(|| failed(io::Error::other("it has been reaped")))?;
        let open = Pid::from_raw(pid).ok_or(rustix::io::Errno::SRCH);
        let open = open.and_then(|pid| pidfd_open(pid, PidfdFlags::empty())).map_err(io::Error::from);
        let counted = table.count(live(pid));
        let adopted = open.and_then(|handle| Ok((Arc::new(handle), counted?)));
        let (handle, counted) = adopted.map_err(|error| {
            kill_tree(pid);
            failed(error)
        })?;
        let (ended, outcome) = watch::channel(None);
        // Not left to whoever holds the process: a container's first process ends only when all the others are reaped.
        runtime.spawn(async move {
            let status = child.wait().await;
            drop(counted);
            ended.send_replace(Some(status.map_or(LOST, Outcome::from)));
        });
        Ok(Self { pid, handle, streams, outcome })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// A handle that signals exactly this process, however long it is kept.
    pub(crate) fn handle(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.handle)
    }

    pub(crate) fn take_streams(&mut self) -> Streams {
        std::mem::take(&mut self.streams)
    }

    /// Waits for its end. Can be dropped and called again.
    pub(crate) async fn wait(&self) -> Outcome {
        let mut outcome = self.outcome.clone();
        let ended = outcome.wait_for(Option::is_some).await;
        ended.ok().and_then(|outcome| *outcome).unwrap_or(LOST)
    }

    /// Whether it has ended and been reaped.
    pub(crate) fn has_ended(&self) -> bool {
        self.outcome.borrow().is_some()
    }

    /// Kills it with its descendants.
    pub(crate) fn kill(&self) {
        if !self.has_ended() {
            kill_tree(self.pid);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl From<ExitStatus> for Outcome {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or(9)),
        }
    }
}

/// Sends a signal to the process behind a handle. One that has ended is fine.
pub(crate) fn signal(handle: &OwnedFd, number: i32) -> Result<(), EngineError> {
    let signal = Signal::from_named_raw(number)
        .ok_or_else(|| EngineError::invalid("signal", format!("{number} is not a signal")))?;
    match pidfd_send_signal(handle, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(EngineError::io("send a signal", error)),
    }
}

/// Kills a process, its group and its descendants. To be called before it is reaped.
pub(crate) fn kill_tree(pid: i32) {
    let descendants = descendants(&[pid]);
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
    for pid in descendants.into_iter().filter_map(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Kills what processes have left in their groups when they ended, and says what that was. A group whose number
/// belongs to another process by now is not theirs.
pub(crate) fn kill_orphans(leaders: &[Leader]) -> Vec<i32> {
    let all = all_processes();
    let left = |leader: &Leader| {
        let reused = all.iter().any(|other| other.pid == leader.pid && other.start_time != leader.start_time);
        let in_group = |other: &&Stat| other.group == leader.pid && !other.zombie && !reused;
        all.iter().filter(in_group).map(|other| other.pid).collect::<Vec<_>>()
    };
    let orphans: Vec<i32> = leaders.iter().flat_map(left).collect();
    for pid in orphans.iter().copied().filter_map(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
    orphans
}

fn all_processes() -> Vec<Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Stat::of(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// These processes and all that they have started, as far as it is still below them.
pub(crate) fn descendants(roots: &[i32]) -> Vec<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for stat in all_processes() {
        children.entry(stat.parent).or_default().push(stat.pid);
    }
    let mut found = roots.to_vec();
    let mut at = 0;
    while let Some(pid) = found.get(at) {
        found.extend(children.remove(pid).into_iter().flatten());
        at += 1;
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// What tells a process from a later one with the same pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    /// In clock ticks since the machine started.
    pub(crate) start_time: u64,
    pub(crate) zombie: bool,
}

impl Stat {
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Self::parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(pid: i32, text: &str) -> Option<Self> {
        // The second field is a file name in parentheses, which may hold anything.
        let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
        let zombie = matches!(fields.next()?, "Z" | "X");
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let start_time = fields.nth(16)?.parse().ok()?;
        Some(Self { pid, parent, group, start_time, zombie })
    }
}

/// A process at the head of a group, running or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leader {
    pub(crate) pid: i32,
    pub(crate) start_time: u64,
}

/// Every process that the engine has started and not yet reaped.
#[derive(Debug)]
pub(crate) struct ProcessTable {
    live: Mutex<BTreeMap<i32, LiveProcess>>,
    file: Mutex<File>,
    /// Every process there has been, by owner, until the owner's end.
    leaders: Mutex<BTreeMap<String, Vec<Leader>>>,
    /// The host's `/proc`.
    proc: File,
    /// How many there are.
    count: watch::Sender<usize>,
}

impl ProcessTable {
    /// Opens the file of a new engine: its first line is the engine's own process, the owner.
    pub(crate) fn create(state: &Path) -> io::Result<Self> {
        let mut file = File::create_new(state.join(PROCESS_FILE))?;
        let owner = std::process::id();
        let stat = i32::try_from(owner).ok().and_then(Stat::of);
        writeln!(file, "{owner} {}", stat.map_or(0, |stat| stat.start_time))?;
        Ok(Self {
            live: Mutex::default(),
            file: Mutex::new(file),
            leaders: Mutex::default(),
            proc: File::open("/proc")?,
            count: watch::Sender::new(0),
        })
    }

    pub(crate) fn live(&self) -> Vec<LiveProcess> {
        lock(&self.live).values().cloned().collect()
    }

    /// Waits until nothing runs, calling `kill` for whatever turns up.
    pub(crate) async fn idle(&self, kill: impl Fn(i32)) {
        let mut count = self.count.subscribe();
        loop {
            count.mark_unchanged();
            let live = self.live();
            if live.is_empty() {
                return;
            }
            live.iter().for_each(|process| kill(process.pid));
            // The sender is in `self`, so the channel is open.
            let _ = count.changed().await;
        }
    }

    /// Pids of what runs for this owner.
    pub(crate) fn of(&self, owner: &str) -> Vec<i32> {
        lock(&self.live)
            .values()
            .filter(|process| process.owner == owner)
            .map(|process| process.pid)
            .collect()
    }

    /// At the end of an owner: every process it has had.
    pub(crate) fn take_leaders(&self, owner: &str) -> Vec<Leader> {
        lock(&self.leaders).remove(owner).unwrap_or_default()
    }

    fn count(self: &Arc<Self>, process: LiveProcess) -> io::Result<Counted> {
        let pid = process.pid;
        // Lines are never taken back: the start time tells whether one still holds.
        if let Some(Stat { start_time, .. }) = self.host_stat(pid) {
            lock(&self.file).write_all(format!("{pid} {start_time}\n").as_bytes())?;
            lock(&self.leaders).entry(process.owner.clone()).or_default().push(Leader { pid, start_time });
        }
        self.change(|live| drop(live.insert(pid, process)));
        Ok(Counted { table: Arc::clone(self), pid })
    }
}

impl ProcessTable {
    /// From the host's `/proc`, though the calling thread may be in a container and see another.
    fn host_stat(&self, pid: i32) -> Option<Stat> {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let file = openat(&self.proc, format!("{pid}/stat").as_str(), flags, Mode::empty()).ok()?;
        Stat::parse(pid, &io::read_to_string(File::from(file)).ok()?)
    }

    /// Tells the kernel who is to be killed first when memory runs out.
    pub(crate) fn set_oom_score(&self, pid: i32, score: i32) -> Result<(), EngineError> {
        let failed = |error: io::Error| EngineError::io(format!("set the OOM score {score}"), error);
        let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let file = openat(&self.proc, format!("{pid}/oom_score_adj").as_str(), flags, Mode::empty());
        let mut file = file.map(File::from).map_err(|error| failed(error.into()))?;
        file.write_all(score.to_string().as_bytes()).map_err(failed)
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<i32, LiveProcess>)) {
        let mut live = lock(&self.live);
        change(&mut live);
        self.count.send_replace(live.len());
    }
}

/// A line in the table.
#[derive(Debug)]
struct Counted {
    table: Arc<ProcessTable>,
    pid: i32,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.table.change(|live| drop(live.remove(&self.pid)));
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
