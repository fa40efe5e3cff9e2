//! Pods.

use async_trait::async_trait;

use super::{PodFilter, RunOptions, StopOptions};
use crate::{Context, PodId, PodRun, PodStatus, PodSummary, Result, spec::PodSpec};

/// Pods: containers that share at least a network.
#[async_trait]
pub trait Pod: Send + Sync {
    /// Makes and starts a pod with its containers.
    ///
    /// *Requires capability* `pod.run`, and one for each field of the spec that is set.
    ///
    /// *Behaviour:*
    /// - Images are made present by their pull policies; init containers run in order, each to a successful end; then the
    ///   other containers are made and started at the same time.
    /// - It returns when what `options.wait_for` says is reached.
    /// - A pod of the same name, namespace and uid (where the caller gave one) that exists is `AlreadyExists` with its id.
    /// - If anything fails, or the future is dropped, everything made is removed. What could not be is in the error's
    ///   leftovers.
    async fn run(&self, cx: &Context, spec: &PodSpec, options: &RunOptions) -> Result<PodRun>;

    /// Stops a pod: its containers get their stop signal, after the grace period they are killed, and the pod gives its
    /// network back.
    ///
    /// *Requires capability* `pod.stop`.
    ///
    /// *Behaviour:* stopped already, or missing, is `Ok`. The pod and its logs can still be read afterwards.
    async fn stop(&self, cx: &Context, id: &PodId, options: &StopOptions) -> Result<()>;

    /// Removes a pod with its containers and what wharf made for it. A running one is killed.
    ///
    /// *Requires capability* `pod.remove`.
    ///
    /// *Behaviour:* missing is `Ok`.
    async fn remove(&self, cx: &Context, id: &PodId) -> Result<()>;

    /// All that is known of a pod.
    ///
    /// *Requires capability* `pod.status`.
    ///
    /// *Behaviour:* missing is `NotFound`.
    async fn status(&self, cx: &Context, id: &PodId) -> Result<PodStatus>;

    /// The pods that fit a filter, in no particular order.
    ///
    /// *Requires capability* `pod.list`.
    ///
    /// *Behaviour:* nothing fits is an empty list. Pods that others made are listed as well.
    async fn list(&self, cx: &Context, filter: &PodFilter) -> Result<Vec<PodSummary>>;
}
