//! What the files of a pod hold.

use jiff::Timestamp;
use runtime_core::{ExitCause, ExitStatus, PodId, spec::PodSpec};
use serde::{Deserialize, Serialize};

use crate::process::{check::Places, identity::Identity};

/// `record.json`: the pod as it was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub(crate) id: PodId,
    /// With a uid and its extensions as the caller gave them. It holds no credentials: there is nothing to pull.
    pub(crate) spec: PodSpec,
    pub(crate) places: Places,
    pub(crate) created_at: Timestamp,
    /// The process that starts the daemon, and reaps it.
    pub(crate) creator: Identity,
}

/// `process.json`: the daemon that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Started {
    pub(crate) process: Identity,
    /// When it served what it shall; not there while it is being started.
    pub(crate) ready_at: Option<Timestamp>,
}

/// `stop.json`: somebody asked for its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stopping {
    pub(crate) asked_at: Timestamp,
}

/// `exit.json`: how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// The end of its log.
    pub(crate) last_words: String,
}

/// A pod's files as they were at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub(crate) record: Record,
    pub(crate) started: Option<Started>,
    pub(crate) stopping: Option<Stopping>,
    pub(crate) ended: Option<Ended>,
}

impl Ended {
    /// An end that nobody could ask for its cause.
    pub(crate) fn unknown(last_words: String) -> Self {
        Self { status: ExitStatus::new(ExitCause::Unknown).at(Some(Timestamp::now())), last_words }
    }
}
