//! What a driver brings: lists, and hints when to look.

use async_trait::async_trait;
use futures::stream::BoxStream;

use super::Change;
use crate::{ContainerSummary, Context, PodId, PodSummary, Result};

/// A system whose pods and containers can be listed.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// Everything that exists.
    ///
    /// To be listed in this order: containers, then pods. A container whose pod is not there is then one that has gone
    /// meanwhile, and is left out.
    async fn list(&self, cx: &Context) -> Result<Snapshot>;

    /// A pod with its containers; nothing if there is no such pod.
    async fn look(&self, cx: &Context, pod: &PodId) -> Result<Snapshot>;

    /// Begins to listen for hints, without waiting for anything. `None`: the system gives none.
    ///
    /// `Unsupported` or `PermissionDenied` as an item says the same. Another error, or the end of the stream, is a system
    /// that went away.
    fn hints(&self, cx: &Context) -> Option<Hints>;
}

/// Hints as they come.
pub type Hints = BoxStream<'static, Result<Hint>>;

/// Something may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// Anywhere.
    Somewhere,
    /// In this pod.
    InPod(PodId),
    /// This has, and the system promises that its changes are complete and in order.
    Changed(Change),
    /// Hints were lost.
    Lost {
        /// Why, for a person.
        reason: String,
    },
}

/// What exists at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The pods.
    pub pods: Vec<PodSummary>,
    /// The containers.
    pub containers: Vec<ContainerSummary>,
    /// What tells this run of the system from another, where that can be known. A list of another run is told as a resync:
    /// a system may be started anew so fast that nobody finds it away.
    pub run: Option<String>,
}

impl Snapshot {
    /// These pods and containers.
    #[must_use]
    pub fn new(pods: Vec<PodSummary>, containers: Vec<ContainerSummary>) -> Self {
        Self { pods, containers, run: None }
    }

    /// The same, of this run of the system.
    #[must_use]
    pub fn of_run(mut self, run: Option<String>) -> Self {
        self.run = run;
        self
    }
}
