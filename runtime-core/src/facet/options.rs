//! How calls are to be done, and which objects are meant.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ContainerId, ContainerPhase, PodId, PodPhase, spec::RegistryCredentials};

/// How a pod is run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunOptions {
    /// When [`Pod::run`](crate::Pod::run) returns.
    pub wait_for: WaitFor,
    /// What is done about a pod that has the name already.
    pub existing: ExistingPolicy,
}

/// How a container is added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreateOptions {
    /// What is done about a container that has the name already.
    pub existing: ExistingPolicy,
}

/// What is done when the name is taken, such as by what a call left behind whose caller crashed or lost its connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ExistingPolicy {
    /// It is an error that names the existing id.
    #[default]
    Fail,
    /// It is taken over if it was made by wharf from the same spec: what is missing in it is made, what has not started is
    /// started. One of another spec, or one that has ended, is the same error as with `Fail`.
    Adopt,
    /// It is removed first, whatever it is and whoever made it.
    Replace,
}

/// What to wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum WaitFor {
    /// Everything is made; containers are not started by the time of the return unless the system does so by itself.
    Created,
    /// Every container has started.
    #[default]
    Running,
    /// Every container is ready, by the probes that the system knows of; where a container has none, when it has started.
    Ready,
}

/// How something is stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopOptions {
    /// How long after the stop signal what still runs is killed. Zero kills at once. 10 s unless said. The call's own
    /// deadline is at least this and a margin; one that the caller set shorter is refused.
    pub grace_period: Duration,
    /// If the system itself can't stop it: kill its processes without the system, after proving that they are its own.
    pub force_kill: bool,
}

/// How one attaches to a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttachOptions {
    /// Send input.
    pub stdin: bool,
}

/// How files are copied into a container or out of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyOptions {
    /// The most bytes that all files together may have; more is `ResourceExhausted`. Not said: as many as there are.
    pub max_bytes: Option<u64>,
    /// The most files, directories and links; more is `ResourceExhausted`. Not said: as many as there are.
    pub max_entries: Option<u64>,
}

/// Which pods are meant. Everything that is said must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PodFilter {
    /// This one.
    pub id: Option<PodId>,
    /// Of this name.
    pub name: Option<String>,
    /// In this namespace.
    pub namespace: Option<String>,
    /// In this phase.
    pub phase: Option<PodPhase>,
    /// With all of these labels.
    pub labels: BTreeMap<String, String>,
}

/// Which containers are meant. Everything that is said must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerFilter {
    /// This one.
    pub id: Option<ContainerId>,
    /// In this pod.
    pub pod: Option<PodId>,
    /// Of this name.
    pub name: Option<String>,
    /// In this phase.
    pub phase: Option<ContainerPhase>,
    /// With all of these labels.
    pub labels: BTreeMap<String, String>,
}

/// Which images are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageFilter {
    /// Known under this reference.
    pub reference: Option<String>,
}

/// How an image is pulled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PullOptions {
    /// With whose credentials.
    pub credentials: Option<RegistryCredentials>,
    /// Give up, as `DeadlineExceeded` and transient, when nothing more has arrived for this long. However long the whole takes.
    /// Must not be zero. Systems see progress in steps, such as a MiB with containerd: it must be longer than one of them takes.
    pub no_progress_limit: Option<Duration>,
}

/// Which lines of a log are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogOptions {
    /// Go on until the container ends.
    pub follow: bool,
    /// Only lines written at or after this time.
    pub since: Option<Timestamp>,
    /// Only so many of the last lines, counted before `since` is looked at.
    pub tail: Option<usize>,
    /// What the container wrote before the system started it again, instead of what it writes now. `NotFound` if it was
    /// not started again.
    pub previous: bool,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLine {
    /// When its first part was written.
    pub timestamp: Timestamp,
    /// On which stream; `None` where the system doesn't tell the two apart.
    pub source: Option<LogSource>,
    /// What was written, without the line break. Not necessarily UTF-8.
    pub content: Bytes,
    /// Whether the line was ended; `false` for a last line without line break and for a line cut at the driver's cap.
    pub complete: bool,
}

/// The stream that a line was written on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogSource {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl RunOptions {
    /// Sets when the call returns.
    #[must_use]
    pub fn with_wait_for(mut self, wait_for: WaitFor) -> Self {
        self.wait_for = wait_for;
        self
    }

    /// Sets what is done about a pod that has the name already.
    #[must_use]
    pub fn with_existing(mut self, existing: ExistingPolicy) -> Self {
        self.existing = existing;
        self
    }
}

impl CreateOptions {
    /// Sets what is done about a container that has the name already.
    #[must_use]
    pub fn with_existing(mut self, existing: ExistingPolicy) -> Self {
        self.existing = existing;
        self
    }
}

impl AttachOptions {
    /// With input.
    #[must_use]
    pub fn with_stdin(mut self) -> Self {
        self.stdin = true;
        self
    }
}

impl CopyOptions {
    /// Copies no more than this, for a container that nobody trusts.
    #[must_use]
    pub fn at_most(max_bytes: u64, max_entries: u64) -> Self {
        Self { max_bytes: Some(max_bytes), max_entries: Some(max_entries) }
    }
}

impl Default for StopOptions {
    fn default() -> Self {
        Self { grace_period: Duration::from_secs(10), force_kill: false }
    }
}

impl StopOptions {
    /// Kills after `grace_period`.
    #[must_use]
    pub fn after(grace_period: Duration) -> Self {
        Self { grace_period, force_kill: false }
    }

    /// Kills what the system itself can't stop.
    #[must_use]
    pub fn with_force_kill(mut self) -> Self {
        self.force_kill = true;
        self
    }

    /// Kills at once.
    #[must_use]
    pub fn now() -> Self {
        Self::after(Duration::ZERO)
    }
}

impl PodFilter {
    /// The pod of this id.
    #[must_use]
    pub fn with_id(mut self, id: PodId) -> Self {
        self.id = Some(id);
        self
    }

    /// All pods with this label.
    #[must_use]
    pub fn with_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// All pods in this phase.
    #[must_use]
    pub fn with_phase(mut self, phase: PodPhase) -> Self {
        self.phase = Some(phase);
        self
    }

    /// All pods of this name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// All pods in this namespace.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }
}

impl ContainerFilter {
    /// The container of this id.
    #[must_use]
    pub fn with_id(mut self, id: ContainerId) -> Self {
        self.id = Some(id);
        self
    }

    /// The containers of a pod.
    #[must_use]
    pub fn of_pod(pod: &PodId) -> Self {
        Self { pod: Some(pod.clone()), ..Self::default() }
    }

    /// All containers with this label.
    #[must_use]
    pub fn with_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// All containers in this phase.
    #[must_use]
    pub fn with_phase(mut self, phase: ContainerPhase) -> Self {
        self.phase = Some(phase);
        self
    }
}

impl PullOptions {
    /// Pulls with credentials.
    #[must_use]
    pub fn with_credentials(mut self, credentials: RegistryCredentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Gives up when nothing more has arrived for this long.
    #[must_use]
    pub fn with_no_progress_limit(mut self, limit: Duration) -> Self {
        self.no_progress_limit = Some(limit);
        self
    }
}

impl LogOptions {
    /// Goes on until the container ends.
    #[must_use]
    pub fn follow() -> Self {
        Self { follow: true, ..Self::default() }
    }

    /// Only so many of the last lines.
    #[must_use]
    pub fn with_tail(mut self, lines: usize) -> Self {
        self.tail = Some(lines);
        self
    }

    /// What the container wrote before the system started it again.
    #[must_use]
    pub fn of_previous(mut self) -> Self {
        self.previous = true;
        self
    }

    /// Only lines written at or after `since`.
    #[must_use]
    pub fn with_since(mut self, since: Timestamp) -> Self {
        self.since = Some(since);
        self
    }
}

impl LogLine {
    /// A whole line.
    #[must_use]
    pub fn new(
        timestamp: Timestamp,
        source: impl Into<Option<LogSource>>,
        content: impl Into<Bytes>,
    ) -> Self {
        Self { timestamp, source: source.into(), content: content.into(), complete: true }
    }

    /// Marks the line as not ended.
    #[must_use]
    pub fn incomplete(mut self) -> Self {
        self.complete = false;
        self
    }

    /// The content as text; bytes that aren't UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }
}
