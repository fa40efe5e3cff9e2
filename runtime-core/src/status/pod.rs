//! Status of pods.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{ContainerSummary, PodSummary};
use crate::{ContainerId, Error, PodId, spec::Extensions};

/// What [`Pod::run`](crate::Pod::run) made or took over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PodRun {
    /// The pod.
    pub id: PodId,
    /// Its containers in the order of the spec, without init containers.
    pub containers: Vec<StartedContainer>,
    /// It was there, and was taken over.
    pub adopted: bool,
}

/// One container that [`Pod::run`](crate::Pod::run) made or took over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StartedContainer {
    /// The name from the spec.
    pub name: String,
    /// Its id.
    pub id: ContainerId,
    /// It was there, and was taken over.
    pub adopted: bool,
}

/// All that is known of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PodStatus {
    /// What lists show.
    #[serde(flatten)]
    pub summary: PodSummary,
    /// Why it is in its phase, as one word of the system's.
    pub reason: Option<String>,
    /// The same for a person.
    pub message: Option<String>,
    /// The state in the system's own words.
    pub system_state: String,
    /// Its addresses, the preferred one first. Empty on the host's network.
    pub addresses: Vec<IpAddr>,
    /// Its containers.
    pub containers: Vec<ContainerSummary>,
    /// What only this system knows of it, in a type of its driver's.
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

/// Where a pod is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PodPhase {
    /// Accepted, not running yet.
    Pending,
    /// Running: its sandbox is ready.
    Running,
    /// Stopped; systems that know how it ended say `Succeeded` or `Failed`.
    Stopped,
    /// Every container ended with code 0.
    Succeeded,
    /// A container ended otherwise, or the pod could not run.
    Failed,
    /// The system can't say.
    Unknown,
}

impl PodRun {
    /// A pod with its containers.
    #[must_use]
    pub fn new(id: PodId, containers: Vec<StartedContainer>) -> Self {
        Self { id, containers, adopted: false }
    }

    /// The id of the container of this name.
    #[must_use]
    pub fn container(&self, name: &str) -> Option<&ContainerId> {
        self.containers.iter().find(|container| container.name == name).map(|container| &container.id)
    }
}

impl StartedContainer {
    /// A container of this name and id.
    #[must_use]
    pub fn new(name: impl Into<String>, id: ContainerId) -> Self {
        Self { name: name.into(), id, adopted: false }
    }
}

impl PodStatus {
    /// A status of which only this is known.
    #[must_use]
    pub fn new(summary: PodSummary, system_state: impl Into<String>) -> Self {
        Self {
            summary,
            reason: None,
            message: None,
            system_state: system_state.into(),
            addresses: Vec::new(),
            containers: Vec::new(),
            extensions: Extensions::default(),
        }
    }
}

impl PodPhase {
    const NAMES: [(Self, &'static str); 6] = [
        (Self::Pending, "pending"),
        (Self::Running, "running"),
        (Self::Stopped, "stopped"),
        (Self::Succeeded, "succeeded"),
        (Self::Failed, "failed"),
        (Self::Unknown, "unknown"),
    ];
}

impl FromStr for PodPhase {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        super::container::by_name(&Self::NAMES, text)
    }
}

impl fmt::Display for PodPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(super::container::name_of(&Self::NAMES, self))
    }
}
