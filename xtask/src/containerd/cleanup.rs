//! Ending what a private containerd and its pods are: from its files alone, so that it works for a dead run too.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::iptables;
use super::layout::Layout;
use super::network::Network;
use super::shared_places::SharedPlaces;
use crate::process::tool;
use crate::procfs::{Process, reap_orphans, with_argument};

/// How long a process may take to end once it was asked, and once more when killed.
const GRACE: Duration = Duration::from_secs(5);

/// Ends the server, its tasks, shims and network. Says what it could not; mounts and files are left to the caller.
pub(crate) fn clean(dir: &Path) -> Vec<String> {
    let layout = Layout::new(dir);
    if !dir.is_dir() {
        return Vec::new();
    }
    let mut problems = Vec::new();
    // The server first, so that nothing new is started; shims last, since they reap what runc kills.
    problems.extend(end_all(&with_argument("containerd", &layout.config()), |process| process.end(GRACE)));
    let shims = with_argument("containerd-shim", &layout.socket());
    let sockets = shim_sockets(&layout);
    problems.extend(delete_tasks(&layout));
    problems.extend(end_all(&shims, |process| process.kill(GRACE)));
    reap_orphans("containerd-shim");
    for socket in sockets {
        remove_socket(&socket);
    }
    let shared = SharedPlaces::read(&layout);
    if let Some(network) = Network::read(&layout) {
        problems.extend(iptables::remove_mappings(&network.name, &network.bin_dir, shared.chains_absent));
        problems.extend(remove_bridge(&network.bridge));
    }
    remove_results(Path::new("/var/lib/cni/results"), &layout.state());
    shared.remove_empty();
    problems
}

fn end_all(processes: &[Process], end: impl Fn(Process) -> bool) -> Vec<String> {
    let stubborn = processes.iter().filter(|process| !end(**process));
    stubborn.map(|process| format!("process {} does not end", process.pid)).collect()
}

/// runc kills what is left in the container's cgroup or pid namespace, and removes the cgroup.
fn delete_tasks(layout: &Layout) -> Vec<String> {
    // Below runc's root is a directory a namespace, and in it one a container.
    let containers = entries(&layout.runc_root()).into_iter().flat_map(|namespace| {
        entries(&namespace).into_iter().map(move |container| (namespace.clone(), container))
    });
    let deletions: Vec<_> = containers
        .map(|(root, container)| std::thread::spawn(move || delete_task(&root, &container)))
        .collect();
    deletions.into_iter().filter_map(|deletion| deletion.join().ok().flatten()).collect()
}

fn delete_task(root: &Path, container: &Path) -> Option<String> {
    let id = container.file_name()?;
    let deleted =
        tool("runc", ["--root".as_ref(), root.as_os_str(), "delete".as_ref(), "--force".as_ref(), id]);
    // A record that runc had only begun to write holds nothing that could run.
    deleted.err().filter(|_| container.join("state.json").exists()).map(|error| error.to_string())
}

/// Shims listen outside the state directory and write where to `address` in their bundles.
fn shim_sockets(layout: &Layout) -> BTreeSet<PathBuf> {
    let bundles = entries(&layout.bundles()).into_iter().flat_map(|namespace| entries(&namespace));
    let addresses = bundles.filter_map(|bundle| fs::read_to_string(bundle.join("address")).ok());
    addresses.filter_map(|address| address.trim().strip_prefix("unix://").map(PathBuf::from)).collect()
}

fn remove_socket(path: &Path) {
    if fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket()) {
        let _ = fs::remove_file(path);
    }
}

fn remove_bridge(name: &str) -> Option<String> {
    let is_there = Path::new("/sys/class/net").join(name).exists();
    is_there
        .then(|| tool("ip", ["link", "delete", name, "type", "bridge"]).err())
        .flatten()
        .map(|error| error.to_string())
}

/// CNI keeps a result for every attachment, in a directory for the whole machine. Ours name a network namespace of ours.
fn remove_results(dir: &Path, state: &Path) {
    let ours = format!("\"{}/", state.display());
    for result in entries(dir) {
        if fs::read_to_string(&result).is_ok_and(|text| text.contains(&ours)) {
            let _ = fs::remove_file(&result);
        }
    }
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_had_no_containerd_is_clean() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(clean(&dir.path().join("containerd")), Vec::<String>::new());
    }

    #[test]
    fn sockets_are_known_from_the_bundles() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        for (id, address) in [("a", "unix:///run/s/1"), ("b", "unix:///run/s/1\n"), ("c", "vsock://2:3")] {
            let bundle = layout.bundles().join("k8s.io").join(id);
            fs::create_dir_all(&bundle).unwrap();
            fs::write(bundle.join("address"), address).unwrap();
        }
        assert_eq!(shim_sockets(&layout), BTreeSet::from([PathBuf::from("/run/s/1")]));
    }

    #[test]
    fn only_sockets_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (file, socket) = (dir.path().join("file"), dir.path().join("socket"));
        fs::write(&file, "").unwrap();
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        remove_socket(&file);
        remove_socket(&socket);
        assert!(file.exists());
        assert!(!socket.exists());
    }

    #[test]
    fn only_results_of_the_own_namespaces_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let [ours, other] = ["ours", "other"].map(|name| dir.path().join(name));
        fs::write(&ours, r#"{"interfaces":[{"sandbox":"/w/1/state/netns/cni-1"}]}"#).unwrap();
        fs::write(&other, r#"{"interfaces":[{"sandbox":"/w/12/state/netns/cni-1"}]}"#).unwrap();
        remove_results(dir.path(), Path::new("/w/1/state"));
        assert!(!ours.exists());
        assert!(other.exists());
    }

    #[test]
    fn a_half_written_record_is_no_problem() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        fs::create_dir_all(layout.runc_root().join("k8s.io").join("begun")).unwrap();
        assert_eq!(delete_tasks(&layout), Vec::<String>::new());
    }
}
