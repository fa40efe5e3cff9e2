//! What a private containerd needs of the machine.

use std::path::{Path, PathBuf};

use crate::process::find;

/// The programs, and the Debian package of each.
const PROGRAMS: [(&str, &str); 6] = [
    ("containerd", "containerd"),
    ("containerd-shim-runc-v2", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("ip", "iproute2"),
    ("iptables", "iptables"),
];

/// The CNI plugins that the pods' network is made with.
const PLUGINS: [&str; 4] = ["bridge", "host-local", "loopback", "portmap"];

/// What is missing here, one thing an entry; empty when a private containerd can run.
pub(crate) fn missing() -> Vec<String> {
    let mut missing = Vec::new();
    if !nix::unistd::geteuid().is_root() {
        missing.push("root".to_owned());
    }
    let programs = PROGRAMS.into_iter().filter(|(program, _)| find(program).is_none());
    missing.extend(programs.map(|(program, package)| format!("{program} (package {package})")));
    if cni_bin_dir().is_none() {
        missing.push("CNI plugins (package containernetworking-plugins)".to_owned());
    }
    missing
}

/// Where the CNI plugins are.
pub(crate) fn cni_bin_dir() -> Option<PathBuf> {
    ["/usr/lib/cni", "/opt/cni/bin"].into_iter().map(PathBuf::from).find(|dir| has_plugins(dir))
}

fn has_plugins(dir: &Path) -> bool {
    PLUGINS.iter().all(|plugin| dir.join(plugin).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_counts_only_with_every_plugin() {
        let dir = tempfile::tempdir().unwrap();
        for plugin in PLUGINS {
            assert!(!has_plugins(dir.path()));
            std::fs::write(dir.path().join(plugin), "").unwrap();
        }
        assert!(has_plugins(dir.path()));
    }
}
