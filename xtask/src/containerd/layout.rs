//! Where the files of a private containerd are.

use std::path::{Path, PathBuf};

/// The directory's name within the run's work directory.
pub(crate) const DIRECTORY: &str = "containerd";

/// The paths below one private containerd's directory.
#[derive(Debug, Clone)]
pub(super) struct Layout(PathBuf);

impl Layout {
    pub(super) fn new(dir: &Path) -> Self {
        Self(dir.to_path_buf())
    }

    /// The directory itself.
    pub(super) fn dir(&self) -> &Path {
        &self.0
    }

    /// containerd's configuration.
    pub(super) fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    /// What containerd and its plugins say.
    pub(super) fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// What lasts: content, snapshots, metadata.
    pub(super) fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    /// What lives as long as the tasks: bundles, network namespaces, fifos.
    pub(super) fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    /// The gRPC socket, by which its shims are known too.
    pub(super) fn socket(&self) -> PathBuf {
        self.0.join("grpc.sock")
    }

    /// The socket on which shims report to containerd.
    pub(super) fn ttrpc_socket(&self) -> PathBuf {
        self.0.join("ttrpc.sock")
    }

    /// runc's own records.
    pub(super) fn runc_root(&self) -> PathBuf {
        self.0.join("runc")
    }

    /// The bundles of all tasks, a directory a namespace.
    pub(super) fn bundles(&self) -> PathBuf {
        self.state().join("io.containerd.runtime.v2.task")
    }

    /// Where the network namespaces of pods are mounted.
    pub(super) fn network_namespaces(&self) -> PathBuf {
        self.state().join("io.containerd.grpc.v1.cri").join("netns")
    }

    /// The socket on which the server is killed and started for whoever tests that.
    pub(super) fn control(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// CNI's configuration.
    pub(super) fn cni_conf(&self) -> PathBuf {
        self.0.join("cni")
    }

    /// The addresses that host-local gave out.
    pub(super) fn cni_data(&self) -> PathBuf {
        self.0.join("cni-data")
    }

    /// What the cleanup has to know beyond the paths.
    pub(super) fn network(&self) -> PathBuf {
        self.0.join("network.json")
    }

    /// Which shared places were not there before.
    pub(super) fn shared_places(&self) -> PathBuf {
        self.0.join("shared-places.json")
    }
}
