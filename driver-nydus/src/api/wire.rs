//! What the daemon reads and writes. What it says beside that is passed over, so that other versions can be talked to.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use runtime_core::Secret;
use serde::{Deserialize, Serialize};

/// What a daemon says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct DaemonInfo {
    /// What it is doing.
    pub state: DaemonState,
    /// The id that it was started with, if any.
    #[serde(default)]
    pub id: Option<String>,
    /// The socket of its supervisor, if it was started with one.
    #[serde(default)]
    pub supervisor: Option<String>,
    /// Which one it is.
    #[serde(default)]
    pub version: DaemonVersion,
    /// What is mounted on it, by mountpoint.
    #[serde(default, rename = "backend_collection", deserialize_with = "null_is_empty")]
    pub mounts: BTreeMap<String, DaemonMount>,
}

/// The states of a daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum DaemonState {
    /// It has been started and serves nothing yet.
    Init,
    /// It could serve, and waits to be told so.
    Ready,
    /// It serves.
    Running,
    /// It serves no more.
    Stopped,
    /// It doesn't know, or this driver doesn't know what it says.
    #[default]
    #[serde(other)]
    Unknown,
}

/// How a daemon was built.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DaemonVersion {
    /// Its version; `unknown` where it was not built from its repository.
    pub package_ver: String,
    /// The commit that it was built from.
    pub git_commit: String,
    /// When it was built.
    pub build_time: String,
    /// The profile of the build.
    pub profile: String,
    /// The compiler.
    pub rustc: String,
}

/// Something mounted on a daemon.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct DaemonMount {
    /// What it is: `Rafs` or `PassthroughFs`.
    #[serde(default)]
    pub backend_type: String,
    /// Where it is.
    pub mountpoint: String,
    /// When it was mounted.
    #[serde(default, rename = "mounted_time", deserialize_with = "time")]
    pub mounted_at: Option<Timestamp>,
}

/// What to mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct MountRequest {
    /// Its form.
    pub(crate) fs_type: FsType,
    /// A directory, or the bootstrap of an image.
    pub(crate) source: String,
    /// How the data is reached, as JSON; empty for directories.
    pub(crate) config: Secret,
    /// What to fetch ahead.
    #[serde(rename = "prefetch_files", skip_serializing_if = "Vec::is_empty")]
    pub(crate) prefetch: Vec<String>,
}

/// The forms of what can be mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FsType {
    Rafs,
    PassthroughFs,
}

/// What the daemon says when it refuses.
#[derive(Deserialize)]
pub(super) struct Refusal {
    #[serde(default)]
    pub(super) code: String,
    pub(super) message: String,
}

impl MountRequest {
    /// A directory of this host, as it is.
    pub(crate) fn directory(source: impl Into<String>) -> Self {
        Self {
            fs_type: FsType::PassthroughFs,
            source: source.into(),
            config: Secret::default(),
            prefetch: Vec::new(),
        }
    }
}

impl DaemonState {
    /// As the daemon writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::Ready => "READY",
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
            Self::Unknown => "UNKNOWN",
        }
    }
}

impl fmt::Display for DaemonState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, DaemonMount>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn time<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.as_deref().and_then(parse_time))
}

/// The daemon writes `2026-11-21 03:54:00.956442927 +00:00:00`: a space too much, and seconds in the offset.
fn parse_time(text: &str) -> Option<Timestamp> {
    let (time, offset) = text.rsplit_once(' ')?;
    format!("{time}{offset}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_daemon_says_about_itself() {
        let idle = r#"{"version":{"package_ver":"unknown","git_commit":"unknown","build_time":"2026-11-21T03:51:08.6Z",
            "profile":"release","rustc":"rustc 1.95.0"},"id":null,"supervisor":null,"state":"RUNNING",
            "backend_collection":{}}"#;
        let info: DaemonInfo = serde_json::from_str(idle).unwrap();
        assert_eq!((info.state, info.id, info.mounts.len()), (DaemonState::Running, None, 0));
        assert_eq!(info.version.profile, "release");
    }

    #[test]
    fn mounts_and_times() {
        let busy = r#"{"state":"RUNNING","new":1,"backend_collection":{"/containers":{"backend_type":"PassthroughFs",
            "mountpoint":"/containers","mounted_time":"2026-11-21 03:54:36.092684209 +00:00:00","config":null}}}"#;
        let info: DaemonInfo = serde_json::from_str(busy).unwrap();
        let mount = &info.mounts["/containers"];
        assert_eq!(mount.backend_type, "PassthroughFs");
        assert_eq!(mount.mounted_at.unwrap().to_string(), "2026-11-21T03:54:36.092684209Z");
        assert_eq!(
            parse_time("2026-11-21 03:54:36.5 +02:00:00").unwrap().to_string(),
            "2026-11-21T01:54:36.5Z"
        );
        for other in ["", "now", "2026-11-21T03:54:36Z", "a b"] {
            assert_eq!(parse_time(other), None, "{other}");
        }
    }

    #[test]
    fn other_versions_say_more_or_less() {
        let info: DaemonInfo =
            serde_json::from_str(r#"{"state":"SLEEPING","backend_collection":null}"#).unwrap();
        assert_eq!((info.state, info.mounts.len()), (DaemonState::Unknown, 0));
        assert!(serde_json::from_str::<DaemonInfo>("{}").is_err(), "a daemon without a state is none");
    }

    #[test]
    fn requests_and_their_secrets() {
        let directory = serde_json::to_string(&MountRequest::directory("/s")).unwrap();
        assert_eq!(directory, r#"{"fs_type":"passthrough_fs","source":"/s","config":""}"#);
        let image = MountRequest {
            fs_type: FsType::Rafs,
            source: "/b".to_owned(),
            config: Secret::new("hunter2"),
            prefetch: vec!["/etc".to_owned()],
        };
        let json = serde_json::to_string(&image).unwrap();
        assert_eq!(json, r#"{"fs_type":"rafs","source":"/b","config":"hunter2","prefetch_files":["/etc"]}"#);
        assert!(!format!("{image:?}").contains("hunter2"));
    }
}
