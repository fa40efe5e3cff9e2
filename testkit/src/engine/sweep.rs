//! Clearing up after an engine whose process was killed.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::process::{Leader, PROCESS_FILE, Stat, kill_orphans, kill_tree};
use super::rootfs::remove_tree;

/// What a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Processes that were still running and were killed.
    pub killed: Vec<i32>,
}

const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Ends what a dead engine has left running and removes its state directory. A missing directory is swept already.
/// Blocks until the processes are gone, at most 5 seconds.
///
/// # Errors
/// [`io::ErrorKind::ResourceBusy`] when the engine's process is alive: nothing is touched.
/// [`io::ErrorKind::InvalidInput`] when the directory is not an engine's: nothing is touched.
pub fn sweep(state_dir: &Path) -> io::Result<Swept> {
    if !state_dir.exists() {
        return Ok(Swept::default());
    }
    let text = fs::read_to_string(state_dir.join(PROCESS_FILE)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            io::Error::new(io::ErrorKind::InvalidInput, "not the state directory of an engine")
        }
        _ => error,
    })?;
    let mut lines = text.lines().filter_map(parse);
    if lines.next().is_some_and(is_alive) {
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, "the engine is running"));
    }
    let (alive, ended): (Vec<Leader>, Vec<Leader>) = lines.partition(|leader| is_alive(*leader));
    for leader in &alive {
        kill_tree(leader.pid);
    }
    let orphans = kill_orphans(&ended);
    let mut wait = Duration::from_millis(1);
    let mut waited = Duration::ZERO;
    while alive.iter().copied().any(is_alive) && waited < LONGEST_WAIT {
        std::thread::sleep(wait);
        waited += wait;
        wait = (wait * 2).min(Duration::from_millis(50));
    }
    remove_tree(state_dir)?;
    Ok(Swept { killed: alive.iter().map(|leader| leader.pid).chain(orphans).collect() })
}

fn parse(line: &str) -> Option<Leader> {
    let (pid, start_time) = line.split_once(' ')?;
    Some(Leader { pid: pid.parse().ok().filter(|pid| *pid > 1)?, start_time: start_time.parse().ok()? })
}

/// Whether that very process still runs.
fn is_alive(process: Leader) -> bool {
    Stat::of(process.pid).is_some_and(|stat| stat.start_time == process.start_time && !stat.zombie)
}
