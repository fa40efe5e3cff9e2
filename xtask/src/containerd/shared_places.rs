//! Places outside the run's directory that containerd, runc and CNI make whether they are told to or not.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::iptables;
use super::layout::Layout;
use crate::failure::{AtPath, Result};

/// Outer directories before inner ones.
const DIRECTORIES: [&str; 6] = [
    "/run/containerd",
    "/run/containerd/s",
    "/run/containerd/fifo",
    "/var/lib/cni",
    "/var/lib/cni/results",
    "/var/lib/cni/cache",
];

/// The places that were not there before this run: at its end they go again, as far as they are empty.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct SharedPlaces {
    absent: Vec<PathBuf>,
    /// Whether portmap's shared chains were absent.
    pub(super) chains_absent: bool,
}

impl SharedPlaces {
    /// Looks, and keeps what it saw for the cleanup.
    ///
    /// What runs that are under way found absent counts as absent: whoever ends last removes it.
    pub(super) fn note(layout: &Layout, others: &[Layout]) -> Result<()> {
        let others: Vec<_> = others.iter().map(Self::read).collect();
        let absent = |dir: &PathBuf| !dir.exists() || others.iter().any(|other| other.absent.contains(dir));
        let seen = Self {
            absent: directories().into_iter().filter(absent).collect(),
            chains_absent: !iptables::has_shared_chains() || others.iter().any(|other| other.chains_absent),
        };
        let file = layout.shared_places();
        fs::write(&file, json!(seen).to_string()).at("write", &file)
    }

    /// What was seen; nothing if the run didn't come that far.
    pub(super) fn read(layout: &Layout) -> Self {
        let text = fs::read_to_string(layout.shared_places()).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Removes those that are empty. One that is not is somebody's.
    pub(super) fn remove_empty(&self) {
        for dir in self.absent.iter().rev() {
            let _ = fs::remove_dir(dir);
        }
    }
}

fn directories() -> Vec<PathBuf> {
    let mut all: Vec<_> = DIRECTORIES.into_iter().map(PathBuf::from).collect();
    // Tasks get the cgroup `/k8s.io/ID`, in every hierarchy of version 1 or in the one of version 2.
    let cgroups = PathBuf::from("/sys/fs/cgroup");
    let hierarchies =
        fs::read_dir(&cgroups).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let hierarchies = hierarchies.filter(|dir| dir.join("cgroup.procs").is_file());
    all.extend(hierarchies.chain([cgroups.clone()]).map(|dir| dir.join("k8s.io")));
    all
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_another_run_found_absent_is_removed_by_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| Layout::new(&dir.path().join(name)));
        fs::create_dir(first.dir()).unwrap();
        fs::create_dir(second.dir()).unwrap();
        let seen = SharedPlaces { absent: directories(), chains_absent: true };
        fs::write(first.shared_places(), json!(seen).to_string()).unwrap();
        SharedPlaces::note(&second, &[first, Layout::new(Path::new("/no/such/run"))]).unwrap();
        let noted = SharedPlaces::read(&second);
        assert_eq!(noted.absent, directories());
        assert!(noted.chains_absent);
    }

    #[test]
    fn only_what_was_absent_and_is_empty_goes() {
        let dir = tempfile::tempdir().unwrap();
        let [empty, inner, full] = ["empty", "empty/inner", "full"].map(|name| dir.path().join(name));
        fs::create_dir_all(&inner).unwrap();
        fs::create_dir(&full).unwrap();
        fs::write(full.join("file"), "").unwrap();
        let places = SharedPlaces { absent: vec![empty.clone(), inner, full.clone()], chains_absent: false };
        places.remove_empty();
        assert!(!empty.exists());
        assert!(full.exists());
    }
}
