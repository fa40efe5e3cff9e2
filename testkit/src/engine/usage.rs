//! What pods and containers use, as the kernel counts it for their processes.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;

use super::memory::resident_bytes;
use super::process::{descendants, lock};
use super::{Engine, EngineError, Object};

/// What a container uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// When that was looked at.
    pub at: Timestamp,
    /// Time on processors of its processes, as far as it was seen: what a command used after the last look before its end is
    /// not in it.
    pub processor_time: Duration,
    /// Memory of its processes, without what they share with files.
    pub memory_bytes: u64,
    /// Page faults of its processes.
    pub page_faults: u64,
    /// Those that had to read from a disk.
    pub major_page_faults: u64,
    /// How many processes there are.
    pub processes: u64,
    /// What it has written over its image. `None`: that is not kept apart here.
    pub layer: Option<Layer>,
}

/// Files on a disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Layer {
    /// The room that they take.
    pub bytes: u64,
    /// How many there are, directories too.
    pub inodes: u64,
}

/// What went through a pod's network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The interface's name in the pod.
    pub interface: String,
    /// Bytes that came to the pod.
    pub received_bytes: u64,
    /// Bytes that the pod sent.
    pub sent_bytes: u64,
    /// Errors on the way to the pod.
    pub receive_errors: u64,
    /// Errors on the way from it.
    pub send_errors: u64,
}

impl Engine {
    /// What a running container uses.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::InvalidState`] when it does not run.
    pub async fn usage(&self, id: &str) -> Result<Usage, EngineError> {
        let shared = self.shared();
        let entry = shared.container(id)?;
        let roots = shared.processes.of(id);
        if entry.main_pid().is_none() || roots.is_empty() {
            return Err(entry.wrong_state());
        }
        let layer = entry.files.writable_layer();
        shared
            .blocking(move || {
                let counts: Vec<_> = descendants(&roots).into_iter().filter_map(Counts::of).collect();
                let sum = |of: fn(&Counts) -> u64| counts.iter().map(of).sum::<u64>();
                let ticks = sum(|counts| counts.ticks);
                let most = entry.ticks.fetch_max(ticks, Ordering::SeqCst).max(ticks);
                Ok(Usage {
                    at: Timestamp::now(),
                    processor_time: of_ticks(most),
                    memory_bytes: resident_bytes(&roots),
                    page_faults: sum(|counts| counts.page_faults),
                    major_page_faults: sum(|counts| counts.major_page_faults),
                    processes: counts.len().try_into().unwrap_or(u64::MAX),
                    layer: layer.as_deref().map(measure),
                })
            })
            .await
    }

    /// What went through the network of a ready pod's own; empty on the host's.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::InvalidState`] when it is stopped.
    pub fn traffic(&self, pod: &str) -> Result<Vec<Traffic>, EngineError> {
        if !self.pod(pod)?.is_ready() {
            return Err(EngineError::InvalidState {
                object: Object::Pod,
                id: pod.to_owned(),
                state: "stopped",
            });
        }
        let space = lock(&self.shared().spaces).get(pod).cloned();
        Ok(space.and_then(|space| space.traffic()).into_iter().collect())
    }
}

/// What the kernel counts for a process, with the children that it has waited for.
struct Counts {
    ticks: u64,
    page_faults: u64,
    major_page_faults: u64,
}

impl Counts {
    fn of(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        // The second field is a file name in parentheses, which may hold anything.
        let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        let sum = |fields: [usize; 2]| Some(number(fields[0])? + number(fields[1])?);
        Some(Self {
            page_faults: sum([7, 8])?,
            major_page_faults: sum([9, 10])?,
            ticks: sum([11, 12])? + sum([13, 14])?,
        })
    }
}

fn of_ticks(ticks: u64) -> Duration {
    let a_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_nanos(ticks.saturating_mul(1_000_000_000 / a_second))
}

/// Adds up a directory. What vanishes meanwhile doesn't count.
fn measure(directory: &Path) -> Layer {
    let (mut layer, mut seen) = (Layer::default(), BTreeSet::new());
    let mut left = vec![directory.to_path_buf()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                left.push(entry.path());
            }
            // A file with several names is there once.
            if seen.insert((metadata.dev(), metadata.ino())) {
                layer.bytes += metadata.blocks() * 512;
                layer.inodes += 1;
            }
        }
    }
    layer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_two_names_counts_once() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("sub/a"), vec![1; 100_000]).unwrap();
        let before = measure(dir.path());
        assert_eq!(before.inodes, 2);
        assert!((100_000..200_000).contains(&before.bytes), "{before:?}");
        fs::hard_link(dir.path().join("sub/a"), dir.path().join("b")).unwrap();
        assert_eq!(measure(dir.path()), before);
    }

    #[test]
    fn counts_are_where_the_kernel_puts_them() {
        let text = "7 (a) b) S 1 7 7 0 -1 4194560 100 20 3 4 50 6 70 8 20 0 1 0 9 0 0";
        let counts = Counts::parse(text).unwrap();
        assert_eq!((counts.page_faults, counts.major_page_faults, counts.ticks), (120, 7, 134));
    }
}
