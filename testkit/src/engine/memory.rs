//! Memory limits without cgroups: what a container's processes have is sampled, and too much of it ends them.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::process::{ProcessTable, descendants, kill_tree};

const FIRST_SAMPLE: Duration = Duration::from_millis(1);
const LONGEST_INTERVAL: Duration = Duration::from_millis(20);

/// A running check of one container; dropping it ends the check.
#[derive(Debug)]
pub(crate) struct MemoryWatch {
    limit_bytes: Arc<AtomicU64>,
    killed: Arc<AtomicBool>,
    _stop: mpsc::Sender<()>,
}

impl MemoryWatch {
    /// Watches the container's first process, `pid`, and everything that `processes` counts for it.
    pub(crate) fn start(pid: i32, container: String, limit_bytes: u64, processes: Arc<ProcessTable>) -> Self {
        let killed = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = mpsc::channel::<()>();
        let flag = Arc::clone(&killed);
        let limit_bytes = Arc::new(AtomicU64::new(limit_bytes));
        let limit = Arc::clone(&limit_bytes);
        let watching = std::thread::Builder::new().name("engine-memory".into()).spawn(move || {
            let mut interval = FIRST_SAMPLE;
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                interval = (interval * 2).min(LONGEST_INTERVAL);
                let roots = processes.of(&container);
                if roots.contains(&pid) && resident_bytes(&roots) > limit.load(Ordering::SeqCst) {
                    flag.store(true, Ordering::SeqCst);
                    kill_tree(pid);
                    return;
                }
            }
        });
        if let Err(error) = watching {
            tracing::warn!(%error, "the memory limit is not watched");
        }
        Self { limit_bytes, killed, _stop: stop }
    }

    /// From now on this is the limit.
    pub(crate) fn set_limit(&self, limit_bytes: u64) {
        self.limit_bytes.store(limit_bytes, Ordering::SeqCst);
    }

    pub(crate) fn has_killed(&self) -> bool {
        self.killed.load(Ordering::SeqCst)
    }
}

/// Memory of these processes and their descendants, without what they share with files.
pub(crate) fn resident_bytes(roots: &[i32]) -> u64 {
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    let pages = descendants(roots).into_iter().filter_map(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
        let mut fields = text.split_ascii_whitespace().skip(1).map(str::parse::<u64>);
        let (resident, shared) = (fields.next()?.ok()?, fields.next()?.ok()?);
        Some(resident.saturating_sub(shared))
    });
    pages.sum::<u64>().saturating_mul(page)
}
