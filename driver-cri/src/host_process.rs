//! Commands of sessions as processes of this host.
//!
//! CRI has no way to end a command: runtimes let it go on when its connection ends. Where the runtime is on this host, the
//! command's process is, too. It is looked for when the command starts, and held by a pidfd, so that it is never mistaken for
//! another one later. It is a process that has all of these: its parent is that of the container's first process, which is
//! the runtime's shim; its cgroup is named after the container; its arguments are the command; it started after the session
//! did; no other session has it. If there are several such, or none, nobody is signalled.

use std::{
    collections::HashMap,
    io,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use async_trait::async_trait;
use remotecommand::Kill;
use runtime_core::{ContainerId, Context, Error, ErrorKind, Result, helpers::signal::Signal};
use rustix::process::pidfd_send_signal;
use tokio::sync::{Notify, OwnedMutexGuard, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::{config::Endpoint, driver::CriDriver, process, wait};

/// How long a runtime may take to start a command's process.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest time between two looks.
const MAX_PAUSE: Duration = Duration::from_millis(50);

/// The processes that sessions of a driver have, and whose turn it is to look for one.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// By pid and start.
    claimed: Mutex<Vec<(i32, u64)>>,
    /// By container and command: two of the same can only be told apart if one is found before the other starts.
    turns: Mutex<HashMap<(String, Vec<String>), Turn>>,
}

/// Held by whoever looks. It is gone when nobody does.
type Turn = Weak<tokio::sync::Mutex<()>>;

/// The process of a session's command.
pub(crate) struct HostProcess {
    found: watch::Receiver<Option<Arc<Claim>>>,
    needed: Arc<Notify>,
    _search: AbortOnDropHandle<()>,
}

/// Where to look for a command.
#[derive(Clone)]
pub(crate) struct Search {
    driver: CriDriver,
    container: ContainerId,
    command: Vec<String>,
    /// Since when it can have started, in clock ticks of the host; `None` where there is nothing to see.
    since: Option<u64>,
}

/// A process that belongs to a session.
struct Claim {
    claims: Arc<Claims>,
    pid: i32,
    started: u64,
    process: OwnedFd,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claimed = self.claims.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        claimed.retain(|process| *process != (self.pid, self.started));
    }
}

impl Search {
    /// To be made before the command is started.
    pub(crate) fn new(driver: &CriDriver, container: &ContainerId, command: &[String]) -> Self {
        let is_here = matches!(driver.endpoint(), Endpoint::Unix(_));
        Self {
            driver: driver.clone(),
            container: container.clone(),
            command: command.to_vec(),
            since: is_here.then(uptime_ticks).flatten(),
        }
    }

    /// Waits until no other session looks for the same command in the same container.
    pub(crate) async fn turn(&self) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.driver.claims().turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let key = (self.container.as_str().to_owned(), self.command.clone());
            match turns.get(&key).and_then(Weak::upgrade) {
                Some(turn) => turn,
                None => {
                    let turn = Arc::default();
                    turns.insert(key, Arc::downgrade(&turn));
                    turn
                }
            }
        };
        turn.lock_owned().await
    }

    /// Looks for the process from now on, for as long as its start may take. `turn` is given back when it is found. Without
    /// one the search waits until somebody needs it.
    pub(crate) fn start(self, turn: Option<OwnedMutexGuard<()>>) -> HostProcess {
        let (tell, found) = watch::channel(None);
        let needed = Arc::new(Notify::new());
        if turn.is_some() {
            needed.notify_one();
        }
        let wanted = Arc::clone(&needed);
        let search = tokio::spawn(async move {
            wanted.notified().await;
            if let Ok(Some(claim)) = tokio::time::timeout(START_TIMEOUT, self.run()).await {
                tell.send_replace(Some(Arc::new(claim)));
            }
            drop(turn);
        });
        HostProcess { found, needed, _search: AbortOnDropHandle::new(search) }
    }

    async fn run(self) -> Option<Claim> {
        let since = self.since?;
        let cx = Context::background().with_timeout(START_TIMEOUT);
        let (_, info) =
            self.driver.find_container_status(&cx, self.container.as_str(), true).await.ok()??;
        let init = wait::pid(&info)?;
        let mut pause = Duration::from_millis(1);
        loop {
            let look = {
                let (claims, container, command) =
                    (Arc::clone(self.driver.claims()), self.container.clone(), self.command.clone());
                let hold = move |pid| process::hold(container.as_str(), pid);
                move || claim(&claims, init, hold, &command, since)
            };
            match tokio::task::spawn_blocking(look).await.ok()? {
                Ok(Some(claim)) => return Some(claim),
                Ok(None) => {}
                // The container has ended, or its processes can't be seen from here.
                Err(_) => return None,
            }
            tokio::time::sleep(pause).await;
            pause = MAX_PAUSE.min(pause * 2);
        }
    }
}

impl HostProcess {
    /// The process, once it is found.
    async fn claim(&self) -> Result<Arc<Claim>> {
        self.needed.notify_one();
        let mut found = self.found.clone();
        let claim = found.wait_for(Option::is_some).await.ok().and_then(|claim| claim.clone());
        claim.ok_or_else(|| {
            let message = "the command's process can't be told from others, or seen, from here";
            Error::new(ErrorKind::Unsupported, message)
        })
    }
}

#[async_trait]
impl Kill for HostProcess {
    async fn send(&self, signal: Signal) -> Result<()> {
        let claim = self.claim().await?;
        let signal = rustix::process::Signal::from_named_raw(signal.number())
            .ok_or_else(|| Error::invalid("signal", "it can't be sent"))?;
        match pidfd_send_signal(&claim.process, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(Error::new(ErrorKind::PermissionDenied, error.to_string())),
        }
    }

    async fn has_ended(&self) -> Result<bool> {
        Ok(process::has_ended(&self.claim().await?.process))
    }
}

/// Looks once. An error means that there is nothing to look at.
fn claim(
    claims: &Arc<Claims>,
    init: i32,
    hold: impl Fn(i32) -> Option<OwnedFd>,
    command: &[String],
    since: u64,
) -> io::Result<Option<Claim>> {
    let _init = hold(init).ok_or(io::ErrorKind::NotFound)?;
    let shim = Stat::of(init)?.parent;
    let mut claimed = claims.claimed.lock().unwrap_or_else(PoisonError::into_inner);
    let mut candidates = Vec::new();
    for pid in children(shim)? {
        // Held first, so that what is read next is of the same process.
        let Some(process) = hold(pid) else { continue };
        let (Ok(stat), Ok(arguments)) = (Stat::of(pid), arguments(pid)) else { continue };
        let is_new = pid != init && stat.started >= since && !claimed.contains(&(pid, stat.started));
        if is_new && stat.parent == shim && arguments.iter().eq(command.iter().map(String::as_bytes)) {
            candidates.push((pid, stat.started, process));
        }
    }
    let Some((pid, started, process)) = candidates.pop().filter(|_| candidates.is_empty()) else {
        return Ok(None);
    };
    claimed.push((pid, started));
    Ok(Some(Claim { claims: Arc::clone(claims), pid, started, process }))
}

/// What `/proc/PID/stat` says of a process.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: i32,
    /// In clock ticks since the host's start.
    started: u64,
}

impl Stat {
    fn of(pid: i32) -> io::Result<Self> {
        let text = std::fs::read(format!("/proc/{pid}/stat"))?;
        Self::parse(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// The name, in parentheses, may hold anything.
    fn parse(text: &[u8]) -> Option<Self> {
        let name_end = text.iter().rposition(|&byte| byte == b')')?;
        let rest = std::str::from_utf8(text.get(name_end + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let parent = fields.nth(1)?.parse().ok()?;
        let started = fields.nth(17)?.parse().ok()?;
        Some(Self { parent, started })
    }
}

fn arguments(pid: i32) -> io::Result<Vec<Vec<u8>>> {
    let text = std::fs::read(format!("/proc/{pid}/cmdline"))?;
    let text = text.strip_suffix(b"\0").unwrap_or(&text);
    Ok(text.split(|&byte| byte == 0).map(<[u8]>::to_vec).collect())
}

/// Children belong to threads.
fn children(pid: i32) -> io::Result<Vec<i32>> {
    let mut children = Vec::new();
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
        children.extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    Ok(children)
}

/// How long the host is up, in clock ticks, less one.
fn uptime_ticks() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    parse_uptime(&text, rustix::param::clock_ticks_per_second())
}

fn parse_uptime(text: &str, ticks_per_second: u64) -> Option<u64> {
    let (seconds, hundredths) = text.split_ascii_whitespace().next()?.split_once('.')?;
    let hundredths = seconds.parse::<u64>().ok()? * 100 + hundredths.parse::<u64>().ok()?;
    // Both are rounded down, by different rules.
    Some((hundredths * ticks_per_second / 100).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    #[test]
    fn a_process_is_described_whatever_its_name() {
        let text = b"42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 99 88";
        assert_eq!(Stat::parse(text), Some(Stat { parent: 7, started: 12345 }));
        assert_eq!(Stat::parse(b"42 (a"), None);
        assert_eq!(Stat::parse(b""), None);
        let own = Stat::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.started <= uptime_ticks().unwrap() + 1);
    }

    #[test]
    fn uptime_in_ticks() {
        assert_eq!(parse_uptime("12.34 5.6\n", 100), Some(1233));
        assert_eq!(parse_uptime("12.34 5.6\n", 1000), Some(12339));
        assert_eq!(parse_uptime("x", 100), None);
    }

    #[test]
    fn only_one_process_without_doubt_is_claimed_and_given_back() {
        // This test's process stands for the shim.
        let hold = |pid| pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok();
        let start = |seconds: &str| std::process::Command::new("sleep").arg(seconds).spawn().unwrap();
        let pid_of = |child: &std::process::Child| i32::try_from(child.id()).unwrap();
        let mut init = start("901");
        let since = Stat::of(pid_of(&init)).unwrap().started;
        let claims = Arc::new(Claims::default());
        let command = ["sleep".to_owned(), "902".to_owned()];
        let look = || claim(&claims, pid_of(&init), hold, &command, since).unwrap();
        assert!(look().is_none());
        let mut one = start("902");
        // The arguments are there once the process runs its program.
        let first = std::iter::repeat_with(look).flatten().next().unwrap();
        assert_eq!(first.pid, pid_of(&one));
        assert!(look().is_none(), "it has it already");
        let mut two = start("902");
        let second = std::iter::repeat_with(look).flatten().next().unwrap();
        assert_eq!(second.pid, pid_of(&two));
        drop((first, second));
        assert!(look().is_none(), "two are ambiguous");
        for child in [&mut init, &mut one, &mut two] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
