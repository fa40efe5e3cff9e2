//! Processes as `/proc` tells of them: which one a pid means now, and with what arguments it was started.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpgid};

use crate::wait::poll;

/// One process for good: a pid may be given out again, a pid with its start time is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    /// The process id.
    pub(crate) pid: i32,
    /// Clock ticks from boot to the start of the process, the 22nd field of `/proc/PID/stat`.
    pub(crate) start_time: u64,
}

impl Process {
    /// This process.
    pub(crate) fn current() -> Option<Self> {
        Self::running(i32::try_from(std::process::id()).ok()?)
    }

    /// The process that has `pid` now; `None` when there is none or only a zombie.
    pub(crate) fn running(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some(Self { pid, start_time: start_time(&stat)? })
    }

    /// Reads `PID START_TIME`.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (pid, start_time) = line.trim().split_once(char::is_whitespace)?;
        let pid = pid.parse().ok().filter(|pid| *pid > 1)?;
        Some(Self { pid, start_time: start_time.trim().parse().ok()? })
    }

    /// Whether this very process still runs.
    pub(crate) fn is_running(self) -> bool {
        Self::running(self.pid) == Some(self)
    }

    /// Kills it, with its process group if it leads one, and waits until it is gone. False if it outlives `limit`.
    pub(crate) fn kill(self, limit: Duration) -> bool {
        let pid = Pid::from_raw(self.pid);
        if self.is_running() {
            if getpgid(Some(pid)) == Ok(pid) {
                let _ = killpg(pid, Signal::SIGKILL);
            }
            let _ = kill(pid, Signal::SIGKILL);
        }
        poll(limit, || (!self.is_running()).then_some(())).is_some() && self.reap(limit)
    }

    /// Asks it to end, kills it after `grace`, and waits. False if it outlives even that.
    pub(crate) fn end(self, grace: Duration) -> bool {
        if self.is_running() {
            let _ = kill(Pid::from_raw(self.pid), Signal::SIGTERM);
        }
        // The kill finds nobody if it has ended by then, and reaps it.
        poll(grace, || (!self.is_running()).then_some(()));
        self.kill(grace)
    }

    /// Takes the exit status of an orphan that came to this process, so that no zombie waits for init to do so.
    fn reap(self, limit: Duration) -> bool {
        let pid = Pid::from_raw(self.pid);
        // Nothing is to be done when another process has the pid by now, or when it is nobody's child here: an error.
        let reaped = || {
            Self::running(self.pid).is_some()
                || waitpid(pid, Some(WaitPidFlag::WNOHANG)) != Ok(WaitStatus::StillAlive)
        };
        poll(limit, || reaped().then_some(())).is_some()
    }
}

/// Makes orphans below this process its own children, as init does for all others.
pub(crate) fn adopt_orphans() {
    // Without it they go to init, which is as good but for zombies that it may be slow to reap.
    let _ = nix::sys::prctl::set_child_subreaper(true);
}

/// Reaps orphans that have ended and are called `name`, as the kernel cuts it to 15 bytes.
///
/// Never all children: somebody else in this process may be waiting for one.
pub(crate) fn reap_orphans(name: &str) {
    let parent = std::process::id();
    for pid in all_pids() {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if stat.contains(&format!(" ({name}) Z {parent} ")) {
            Process { pid, start_time: 0 }.reap(Duration::ZERO);
        }
    }
}

/// Every process whose program is called `name` or starts with `name-`, and that has `argument` among its arguments.
///
/// The name alone would find other people's processes, the argument alone an editor that has the file open.
pub(crate) fn with_argument(name: &str, argument: &Path) -> Vec<Process> {
    all_pids()
        .filter_map(|pid| {
            // The identity first: if the pid changes hands in between, the kill that follows finds nobody.
            let process = Process::running(pid)?;
            let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            matches(&arguments(&line), name, argument).then_some(process)
        })
        .collect()
}

fn all_pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn arguments(command_line: &[u8]) -> Vec<OsString> {
    let line = command_line.strip_suffix(&[0]).unwrap_or(command_line);
    line.split(|byte| *byte == 0).map(|part| OsString::from_vec(part.to_vec())).collect()
}

fn matches(arguments: &[OsString], name: &str, argument: &Path) -> bool {
    let Some((program, rest)) = arguments.split_first() else { return false };
    let Some(program) = Path::new(program).file_name().and_then(|name| name.to_str()) else { return false };
    let named = program.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    named && rest.iter().any(|given| given == argument.as_os_str())
}

/// The command name in the second field may hold anything, so fields are counted from its last `)`.
fn start_time(stat: &str) -> Option<u64> {
    let fields: Vec<_> = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace().collect();
    let (state, threads, start_time) = (fields.first()?, fields.get(17)?, fields.get(19)?);
    // A zombie with threads is one whose first thread has ended before the others.
    if matches!(*state, "Z" | "X") && matches!(*threads, "0" | "1") {
        return None;
    }
    start_time.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "42 (a) b (c)) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 1 1";

    #[test]
    fn a_command_name_with_brackets_does_not_shift_the_fields() {
        assert_eq!(start_time(STAT), Some(987_654));
    }

    #[test]
    fn a_zombie_does_not_run() {
        let zombie = STAT.replace(" S ", " Z ");
        assert_eq!(start_time(&zombie), None);
        assert_eq!(
            start_time(&zombie.replace(" 20 0 1 ", " 20 0 7 ")),
            Some(987_654),
            "its threads still run"
        );
        assert_eq!(start_time("42 (cut"), None);
        assert_eq!(start_time(""), None);
    }

    #[test]
    fn this_process_runs_and_a_reused_pid_is_another_one() {
        let me = Process::current().unwrap();
        assert!(me.is_running());
        assert!(!Process { start_time: me.start_time + 1, ..me }.is_running());
    }

    #[test]
    fn lines_that_name_no_process_are_refused() {
        assert_eq!(Process::parse("42 7\n"), Some(Process { pid: 42, start_time: 7 }));
        for line in ["", "42", "x 7", "42 x", "-1 7", "0 7", "1 7"] {
            assert_eq!(Process::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_process_is_matched_by_program_and_argument_together() {
        let shim = arguments(b"/usr/bin/containerd-shim-runc-v2\0-address\0/run/a.sock\0");
        assert!(matches(&shim, "containerd", Path::new("/run/a.sock")));
        assert!(!matches(&shim, "containerd", Path::new("/run/b.sock")));
        assert!(!matches(&arguments(b"vim\0/run/a.sock\0"), "containerd", Path::new("/run/a.sock")));
        assert!(!matches(&arguments(b"containerdx\0/run/a.sock\0"), "containerd", Path::new("/run/a.sock")));
        assert!(!matches(&arguments(b""), "containerd", Path::new("/run/a.sock")));
    }

    #[test]
    fn a_killed_process_is_gone() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let process = Process::running(i32::try_from(child.id()).unwrap()).unwrap();
        assert!(process.kill(Duration::from_secs(10)));
        assert!(child.wait().is_err(), "it was reaped");
    }
}
