//! Containers.

use async_trait::async_trait;
use futures::stream::BoxStream;

use super::{ContainerFilter, CreateOptions, LogLine, LogOptions, StopOptions};
use crate::{
    ByteStream, ContainerId, ContainerStats, ContainerStatus, ContainerSummary, Context, ExitStatus, PodId,
    Result,
    spec::{ContainerSpec, Resources},
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
    /// *Behaviour:* a missing pod is `NotFound`, a stopped one `InvalidState`. A container of the same name and attempt that
    /// exists is `AlreadyExists` with its id, unless `options.existing` says otherwise. If it fails, or the future is
    /// dropped, nothing is left of what it made.
    async fn create(
        &self,
        cx: &Context,
        pod: &PodId,
        spec: &ContainerSpec,
        options: &CreateOptions,
    ) -> Result<ContainerId>;

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
    /// *Behaviour:* ended already, never started, or missing, is `Ok`. After `Ok` no process of it runs. What may go away by
    /// itself is tried again until the call's deadline. With `options.force_kill` a container that the system can't stop has
    /// its own processes killed, never those of others.
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

    /// Has the runtime open the log file anew, after somebody has moved it away.
    ///
    /// *Requires capability* `container.reopen_log`.
    ///
    /// *Behaviour:* missing is `NotFound`, one that does not run `InvalidState`. After `Ok` everything that is written goes
    /// to a file at the log's path.
    async fn reopen_log(&self, cx: &Context, id: &ContainerId) -> Result<()>;

    /// Changes the resources of a container. What is not said stays.
    ///
    /// *Requires capability* `container.update`, and one for each field that is set.
    ///
    /// *Behaviour:* missing is `NotFound`. What the system can't enforce, such as a limit below what is used, is `Failed`
    /// with its reason, and changes nothing.
    async fn update(&self, cx: &Context, id: &ContainerId, resources: &Resources) -> Result<()>;

    /// What a container uses.
    ///
    /// *Requires capability* `container.stats`.
    ///
    /// *Behaviour:* missing is `NotFound`; one that does not run `InvalidState`.
    async fn stats(&self, cx: &Context, id: &ContainerId) -> Result<ContainerStats>;

    /// What the containers that fit a filter and run use, in no particular order.
    ///
    /// *Requires capability* `container.stats`.
    async fn list_stats(&self, cx: &Context, filter: &ContainerFilter) -> Result<Vec<ContainerStats>>;

    /// Reads a file or directory of a running container, as a tar archive with one root entry, named as the last part of
    /// `path`.
    ///
    /// *Requires capability* `container.copy`.
    ///
    /// *Behaviour:* `path` is absolute. A missing container or path is `NotFound`, one that does not run `InvalidState`. Modes,
    /// times, symlinks (not followed, also not at `path` itself) and empty directories are kept. The stream ends without an
    /// error only after the whole archive; whatever cuts it is its last item. Dropping it ends the reading.
    async fn copy_out(&self, cx: &Context, id: &ContainerId, path: &str) -> Result<ByteStream>;

    /// Unpacks a tar archive into a directory of a running container.
    ///
    /// *Requires capability* `container.copy`.
    ///
    /// *Behaviour:* `directory` is absolute and exists: missing is `NotFound`, as is a missing container; one that does not
    /// run is `InvalidState`. What is there under the same names is replaced. Nothing is written outside `directory`. An
    /// archive that ends before its end, or with an error, makes the call fail; what was unpacked by then stays.
    async fn copy_in(
        &self,
        cx: &Context,
        id: &ContainerId,
        directory: &str,
        archive: ByteStream,
    ) -> Result<()>;
}
