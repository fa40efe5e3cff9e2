//! Status of containers.

use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ExitStatus;
use crate::{ContainerId, Error, ImageId, PodId, spec::LinuxResources};

/// A container as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ContainerSummary {
    /// Its id.
    pub id: ContainerId,
    /// The pod that it is in, if the system says so here.
    pub pod: Option<PodId>,
    /// Its name.
    pub name: String,
    /// How many times it was made before.
    pub attempt: Option<u32>,
    /// Where it is in its life.
    pub phase: ContainerPhase,
    /// The image as the caller named it.
    pub image: String,
    /// The image that it really runs.
    pub image_id: Option<ImageId>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// The caller's labels.
    pub labels: BTreeMap<String, String>,
    /// The caller's annotations.
    pub annotations: BTreeMap<String, String>,
}

/// All that is known of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ContainerStatus {
    /// What lists show.
    #[serde(flatten)]
    pub summary: ContainerSummary,
    /// The state in the system's own words.
    pub system_state: String,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// How it ended, if it has.
    pub exit: Option<ExitStatus>,
    /// Why it is in its phase, as one word of the system's.
    pub reason: Option<String>,
    /// The same for a person.
    pub message: Option<String>,
    /// Whether it is ready for work, if the system looks after that.
    pub ready: Option<bool>,
    /// How often the system started it again.
    pub restart_count: Option<u32>,
    /// Its log file on the runtime's host.
    pub log_path: Option<PathBuf>,
    /// The resources in force.
    pub resources: Option<LinuxResources>,
}

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ContainerPhase {
    /// Made, not started.
    Created,
    /// Running.
    Running,
    /// Ended.
    Exited,
    /// The system can't say.
    Unknown,
}

impl ContainerSummary {
    /// A container of which only this is known.
    #[must_use]
    pub fn new(id: ContainerId, name: impl Into<String>, phase: ContainerPhase) -> Self {
        Self {
            id,
            pod: None,
            name: name.into(),
            attempt: None,
            phase,
            image: String::new(),
            image_id: None,
            created_at: None,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        }
    }
}

impl ContainerStatus {
    /// A status of which only this is known.
    #[must_use]
    pub fn new(summary: ContainerSummary, system_state: impl Into<String>) -> Self {
        Self {
            summary,
            system_state: system_state.into(),
            started_at: None,
            exit: None,
            reason: None,
            message: None,
            ready: None,
            restart_count: None,
            log_path: None,
            resources: None,
        }
    }
}

impl ContainerPhase {
    const NAMES: [(Self, &'static str); 4] = [
        (Self::Created, "created"),
        (Self::Running, "running"),
        (Self::Exited, "exited"),
        (Self::Unknown, "unknown"),
    ];
}

impl FromStr for ContainerPhase {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        by_name(&Self::NAMES, text)
    }
}

impl fmt::Display for ContainerPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(&Self::NAMES, self))
    }
}

/// The phase of this name, in any case.
pub(super) fn by_name<T: Copy>(names: &[(T, &str)], text: &str) -> Result<T, Error> {
    names.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(phase, _)| *phase).ok_or_else(|| {
        let known: Vec<_> = names.iter().map(|(_, name)| *name).collect();
        Error::invalid("phase", format!("{text:?} is none of {}", known.join(", ")))
    })
}

/// The name of a phase.
pub(super) fn name_of<T: PartialEq>(names: &[(T, &'static str)], phase: &T) -> &'static str {
    names.iter().find(|(known, _)| known == phase).map_or("unknown", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PodPhase;

    #[test]
    fn phases_parse_what_they_print_and_refuse_the_rest() {
        for (phase, name) in ContainerPhase::NAMES {
            assert_eq!(name.parse::<ContainerPhase>().unwrap(), phase);
            assert_eq!(phase.to_string(), name);
        }
        assert_eq!("READY".parse::<PodPhase>().unwrap_err().field(), Some("phase"));
        assert_eq!("Running".parse::<PodPhase>().unwrap(), PodPhase::Running);
    }
}
