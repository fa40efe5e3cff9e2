//! Containers.

use async_trait::async_trait;
use futures::stream::BoxStream;

use super::{ContainerFilter, LogLine, LogOptions, StopOptions};
use crate::{
    ContainerId, ContainerStatus, ContainerSummary, Context, ExitStatus, PodId, Result, spec::ContainerSpec,
};

/// Lines that a container wrote.
pub type LogStream = BoxStream<'static, Result<LogLine>>;

/// Single containers of a pod.
#[async_trait]
pub trait Container: Send + Sync {
    /// Adds a container to a running pod, without starting it. Its image is made present by its pull policy.
    ///
    /// *Requires capability* `container.create`, and one for each field of the spec that is set.
    ///
    /// *Behaviour:* a missing pod is `NotFound`, a stopped one `InvalidState`, a container of the same name and attempt
    /// `AlreadyExists` with its id. If it fails, or the future is dropped, nothing is left.
    async fn create(&self, cx: &Context, pod: &PodId, spec: &ContainerSpec) -> Result<ContainerId>;

    /// Starts a container that was made.
    ///
    /// *Requires capability* `container.start`.
    ///
    /// *Behaviour:* missing is `NotFound`; started before is `InvalidState`. A command that can't be run is `Failed` with
    /// the system's reason; the container remains, for its status to be read.
    async fn start(&self, cx: &Context, id: &ContainerId) -> Result<()>;

    /// Sends the stop signal, waits for the grace period, kills.
    ///
    /// *Requires capability* `container.stop`.
    ///
    /// *Behaviour:* ended already, never started, or missing, is `Ok`. After `Ok` no process of it runs.
    async fn stop(&self, cx: &Context, id: &ContainerId, options: &StopOptions) -> Result<()>;

    /// Removes a container. A running one is killed.
    ///
    /// *Requires capability* `container.remove`.
    ///
    /// *Behaviour:* missing is `Ok`. Its logs go with it.
    async fn remove(&self, cx: &Context, id: &ContainerId) -> Result<()>;

    /// All that is known of a container.
    ///
    /// *Requires capability* `container.status`.
    ///
    /// *Behaviour:* missing is `NotFound`.
    async fn status(&self, cx: &Context, id: &ContainerId) -> Result<ContainerStatus>;

    /// The containers that fit a filter, in no particular order.
    ///
    /// *Requires capability* `container.list`.
    ///
    /// *Behaviour:* nothing fits is an empty list.
    async fn list(&self, cx: &Context, filter: &ContainerFilter) -> Result<Vec<ContainerSummary>>;

    /// Waits until a container has ended.
    ///
    /// *Requires capability* `container.wait`.
    ///
    /// *Behaviour:* ended already returns at once; missing is `NotFound`; removed meanwhile is the cause `Removed`. It
    /// has no deadline but the caller's.
    async fn wait(&self, cx: &Context, id: &ContainerId) -> Result<ExitStatus>;

    /// What a container wrote, oldest first.
    ///
    /// *Requires capability* `container.logs`, and one for each option that is set.
    ///
    /// *Behaviour:* missing is `NotFound`; never started is an empty stream. Following ends after the last line once the
    /// container has ended. A line that the runtime broke into parts is one item, unless it is longer than the documented
    /// cap of the driver. Rotation loses no line that is still on disk.
    async fn logs(&self, cx: &Context, id: &ContainerId, options: &LogOptions) -> Result<LogStream>;
}
