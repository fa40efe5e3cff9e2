//! How a system is.

use serde::{Deserialize, Serialize};

/// The answer to [`Driver::ping`](crate::Driver::ping): what the system is, and whether it can work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Health {
    /// The system's name in its own words, such as `containerd`.
    pub system: String,
    /// Its version.
    pub version: String,
    /// The version of the protocol spoken.
    pub protocol: Option<String>,
    /// What it says of its parts.
    pub conditions: Vec<Condition>,
}

/// One part of a system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Condition {
    /// Which part, such as `NetworkReady`.
    pub name: String,
    /// Whether it can work.
    pub ok: bool,
    /// Why not, in one word.
    pub reason: Option<String>,
    /// Why not, for a person.
    pub message: Option<String>,
}

impl Health {
    /// A system of this name and version.
    #[must_use]
    pub fn new(system: impl Into<String>, version: impl Into<String>) -> Self {
        Self { system: system.into(), version: version.into(), ..Self::default() }
    }

    /// Whether every part can work.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.conditions.iter().all(|condition| condition.ok)
    }
}

impl Condition {
    /// A part and whether it can work.
    #[must_use]
    pub fn new(name: impl Into<String>, ok: bool) -> Self {
        Self { name: name.into(), ok, ..Self::default() }
    }
}
