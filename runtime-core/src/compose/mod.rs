//! Running a pod with its containers on systems that make them one by one.
//!
//! A driver says what its system offers by [`PodParts`]; the rest is here: what is done at the same time and what in order,
//! what is undone, and what becomes of something that has the name already.

mod existing;
mod images;
mod mark;
mod run;
mod undo;

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;

use crate::{
    Container, ContainerId, ContainerPhase, Context, PodId, Result, marks,
    spec::{ContainerSpec, PodSpec},
};

pub use existing::create_container;
pub use mark::Mark;
pub use run::run_pod;
pub use undo::reap;

/// How long one step may take that must not be interrupted, since its outcome would be unknown.
const STEP_TIMEOUT: Duration = Duration::from_secs(120);

/// What a system offers to build a pod from.
#[async_trait]
pub trait PodParts: Send + Sync + 'static {
    /// Single containers, as callers see them.
    fn containers(&self) -> &dyn Container;

    /// Makes a container's image present by its pull policy, with the pod's credentials.
    async fn ensure_image(
        &self,
        cx: &Context,
        pod: Option<&PodSpec>,
        container: &ContainerSpec,
    ) -> Result<()>;

    /// Makes the pod itself, marked. The spec has a uid: the caller's, or [`marks::default_uid`]. One that the system lists
    /// with the same namespace, name, uid and attempt is `AlreadyExists` with its id.
    async fn create_sandbox(&self, cx: &Context, spec: &PodSpec, mark: &Mark) -> Result<PodId>;

    /// Makes a container in it whose image is present, marked.
    async fn create_container(
        &self,
        cx: &Context,
        pod: &PodId,
        pod_spec: Option<&PodSpec>,
        spec: &ContainerSpec,
        mark: &Mark,
    ) -> Result<ContainerId>;

    /// Removes a pod with all its containers; missing is `Ok`.
    async fn remove_sandbox(&self, cx: &Context, id: &PodId) -> Result<()>;

    /// The pod whose [`Mark::id`] this is.
    async fn find_sandbox(&self, cx: &Context, mark: &str) -> Result<Option<PodId>>;

    /// The container whose [`Mark::id`] this is.
    async fn find_container(&self, cx: &Context, mark: &str) -> Result<Option<ContainerId>>;

    /// The pods with this spec's namespace, name and uid, of whatever attempt, whoever made them.
    async fn pods_named(&self, cx: &Context, spec: &PodSpec) -> Result<Vec<ExistingPod>>;

    /// The containers of a pod, whoever made them.
    async fn containers_in(&self, cx: &Context, pod: &PodId) -> Result<Vec<ExistingContainer>>;

    /// Whether the system refuses this spec's name although it lists no pod that has it: a create from before has not ended.
    /// Asked after a create that failed without a reason; `false` where the system can't come into this state.
    async fn holds_name(&self, cx: &Context, spec: &PodSpec) -> Result<bool>;
}

/// A pod that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExistingPod {
    /// Its id.
    pub id: PodId,
    /// Which attempt of its name it is.
    pub attempt: u32,
    /// Whether containers can be added.
    pub running: bool,
    /// What wharf wrote on it.
    marks: BTreeMap<String, String>,
}

/// A container that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExistingContainer {
    /// Its id.
    pub id: ContainerId,
    /// Its name.
    pub name: String,
    /// Which attempt of its name it is.
    pub attempt: u32,
    /// Where it is in its life.
    pub phase: ContainerPhase,
    /// What wharf wrote on it.
    marks: BTreeMap<String, String>,
}

impl ExistingPod {
    /// A pod with all its annotations.
    pub fn new(
        id: PodId,
        attempt: u32,
        running: bool,
        annotations: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        Self { id, attempt, running, marks: marks::own(annotations) }
    }
}

impl ExistingContainer {
    /// A container with all its annotations.
    pub fn new(
        id: ContainerId,
        name: impl Into<String>,
        attempt: u32,
        phase: ContainerPhase,
        annotations: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        Self { id, name: name.into(), attempt, phase, marks: marks::own(annotations) }
    }
}

/// The context of a step that must not be interrupted by the caller's end.
fn step(cx: &Context) -> Context {
    cx.fresh(STEP_TIMEOUT)
}

/// Waits, but no longer than the context lets.
async fn sleep(cx: &Context, pause: Duration) -> Result<()> {
    cx.run(async {
        tokio::time::sleep(pause).await;
        Ok(())
    })
    .await
}
