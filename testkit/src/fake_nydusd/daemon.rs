//! The daemon's own state.

use std::path::PathBuf;

use serde::Serialize;

use super::{Mode, mounts::Mounts};

/// How the real one was built; the recording has the same.
#[derive(Debug, Serialize)]
struct Version {
    package_ver: &'static str,
    git_commit: &'static str,
    build_time: &'static str,
    profile: &'static str,
    rustc: &'static str,
}

const VERSION: Version = Version {
    package_ver: "unknown",
    git_commit: "unknown",
    build_time: "2026-11-21T03:51:08.613888638Z",
    profile: "release",
    rustc: "rustc 1.95.0 (59807616e 2026-04-14)",
};

/// The first line of its log.
pub(super) fn banner() -> String {
    format!(
        "Program Version: {}, Git Commit: {:?}, Build Time: {:?}, Profile: {:?}, Rustc Version: {:?}",
        VERSION.package_ver, VERSION.git_commit, VERSION.build_time, VERSION.profile, VERSION.rustc
    )
}

/// Where it is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Init,
    Running,
    /// It was told to end. Whoever asks for its state now makes the real one panic.
    Ended,
}

/// A daemon without its sockets.
#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) mode: Mode,
    pub(super) state: State,
    pub(super) mounts: Mounts,
    /// Where paths that are not absolute begin.
    pub(super) directory: PathBuf,
    pub(super) id: Option<String>,
    pub(super) supervisor: Option<String>,
    pub(super) log_level: String,
}

impl Daemon {
    /// What it tells of itself.
    pub(super) fn info(&self, with_mounts: bool) -> String {
        #[derive(Serialize)]
        struct Info<'a> {
            version: Version,
            id: &'a Option<String>,
            supervisor: &'a Option<String>,
            state: &'static str,
            backend_collection: Option<&'a Mounts>,
        }
        let state = match self.state {
            State::Init => "INIT",
            State::Running => "RUNNING",
            State::Ended => "STOPPED",
        };
        let backend_collection = with_mounts.then_some(&self.mounts);
        let info =
            Info { version: VERSION, id: &self.id, supervisor: &self.supervisor, state, backend_collection };
        serde_json::to_string(&info).unwrap_or_default()
    }
}
