//! Options and results that only this driver has, carried in the `extensions` of specs and statuses.

use std::path::PathBuf;

use runtime_core::{ExitStatus, Secret, spec::DriverOptions};
use serde::{Deserialize, Serialize};

use crate::{Mode, driver::NAME, rafs::RafsConfig};

/// Options of a pod, which is one daemon, for the `extensions` of its spec. What isn't said is the driver's choice: places
/// below its work directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct NydusPodOptions {
    /// What the daemon serves; the driver's mode unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The directory that the daemon shares at `/containers`. It must be there. Unless said, an empty one is made for the
    /// pod, and removed with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<PathBuf>,
    /// The socket of the daemon's API. Its directory must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_socket: Option<PathBuf>,
    /// The vhost-user socket, in virtiofs mode. Its directory must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
    /// Where the daemon's files are mounted, in fuse mode: an empty directory that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mountpoint: Option<PathBuf>,
    /// How much the daemon logs; `info` unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_level: Option<LogLevel>,
    /// Passes `--hybrid-mode`, in virtiofs mode. nydusd 2.2 ends with a panic on it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hybrid_mode: bool,
    /// The socket of a supervisor, which keeps the daemon's state for another that takes over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supervisor: Option<PathBuf>,
    /// The network namespace that the daemon runs in, as a path such as `/run/netns/NAME`. This process's unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_namespace: Option<PathBuf>,
    /// More arguments for the daemon, after the driver's own. `--rlimit-nofile 0` is the driver's unless it is here. The daemon's
    /// working directory is `/`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_arguments: Vec<String>,
}

/// How much a daemon logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// What helps to find a fault.
    Debug,
    /// What it does.
    Info,
    /// What may be wrong.
    Warn,
    /// What is wrong.
    Error,
}

/// What is known of a pod beside its status, in the `extensions` of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct NydusPodStatus {
    /// What the daemon serves.
    pub mode: Mode,
    /// The daemon's process, while it runs.
    pub pid: Option<u32>,
    /// The socket of its API.
    pub api_socket: PathBuf,
    /// The vhost-user socket, in virtiofs mode.
    pub socket: Option<PathBuf>,
    /// Where its files are mounted, in fuse mode.
    pub mountpoint: Option<PathBuf>,
    /// The directory that it shares at `/containers`.
    pub source: PathBuf,
    /// How the daemon ended, once it has.
    pub exit: Option<ExitStatus>,
}

/// Options of a mounted image, for the `extensions` of its spec: how the daemon reaches the image's data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct NydusMountOptions {
    /// The configuration of the mount, typed. Either this or `raw_config`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<RafsConfig>,
    /// The configuration of the mount as the daemon takes it, a JSON object: for what [`RafsConfig`] has no field for. It may
    /// hold credentials, so it is a secret as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_config: Option<Secret>,
}

impl NydusPodOptions {
    /// Shares this directory at `/containers`.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<PathBuf>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Serves in this mode.
    #[must_use]
    pub fn with_mode(mut self, mode: Mode) -> Self {
        self.mode = Some(mode);
        self
    }
}

impl NydusMountOptions {
    /// Mounts with this configuration.
    #[must_use]
    pub fn new(config: RafsConfig) -> Self {
        Self { config: Some(config), raw_config: None }
    }

    /// Mounts with this configuration, a JSON object in the daemon's own form.
    #[must_use]
    pub fn raw(config: impl Into<Secret>) -> Self {
        Self { config: None, raw_config: Some(config.into()) }
    }
}

impl LogLevel {
    /// As the daemon's command line has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl DriverOptions for NydusPodOptions {
    const KEY: &'static str = NAME;
}

impl DriverOptions for NydusPodStatus {
    const KEY: &'static str = NAME;
}

impl DriverOptions for NydusMountOptions {
    const KEY: &'static str = NAME;
}
