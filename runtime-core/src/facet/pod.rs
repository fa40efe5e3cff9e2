//! Pods.

use async_trait::async_trait;
use futures::stream::BoxStream;

use super::{PodFilter, RunOptions, StopOptions};
use crate::{
    Context, Event, PodId, PodRun, PodStats, PodStatus, PodSummary, PortStream, Result, spec::PodSpec,
};

/// What happens to pods and containers.
pub type EventStream = BoxStream<'static, Result<Event>>;

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
    /// - A pod of the same name, namespace and uid (where the caller gave one) that exists is `AlreadyExists` with its id,
    ///   unless `options.existing` says otherwise.
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

    /// What happens to all pods and containers of the system, from now on.
    ///
    /// *Requires capability* `pod.events`.
    ///
    /// *Behaviour:* the first item is `Init`, then everything that exists, then `Synced`; from then on each change as it
    /// comes. A pod comes before its containers, and containers go before their pod. When something may have been missed,
    /// such as when the system went away and came back, `Resync` says so, everything that exists follows, what vanished is
    /// told as deleted, and `Synced` ends it: nothing is lost in silence. The stream waits for a system that is away, and
    /// ends only when it is dropped, when the context ends, or with an error that can't get better.
    async fn events(&self, cx: &Context) -> Result<EventStream>;

    /// What a pod uses.
    ///
    /// *Requires capability* `pod.stats`.
    ///
    /// *Behaviour:* missing is `NotFound`; one that does not run `InvalidState`.
    async fn stats(&self, cx: &Context, id: &PodId) -> Result<PodStats>;

    /// What the pods that fit a filter and run use, in no particular order.
    ///
    /// *Requires capability* `pod.stats`.
    async fn list_stats(&self, cx: &Context, filter: &PodFilter) -> Result<Vec<PodStats>>;

    /// Connects to a TCP port of a pod, on its own loopback. Each call is a connection of its own.
    ///
    /// *Requires capability* `pod.port_forward`.
    ///
    /// *Behaviour:* missing is `NotFound`; a pod that does not run is `InvalidState`. A port at which nobody listens is
    /// `Unavailable` here, or an error of the stream with the system's reason. Without the capability `pod.port_half_close`
    /// shutting the stream down is an error of kind `Unsupported`: nothing more can be sent, and reading goes on.
    async fn port_forward(&self, cx: &Context, id: &PodId, port: u16) -> Result<PortStream>;
}
