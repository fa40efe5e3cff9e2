//! What callers hold: a client, and handles on pods, containers and images.

mod builder;
mod container;
mod images;
mod pod;

use std::{sync::Arc, time::Duration};

pub use builder::ClientBuilder;
pub use container::ContainerHandle;
pub use images::Images;
pub use pod::PodHandle;

use crate::{
    Capabilities, ContainerFilter, ContainerId, ContainerStats, ContainerSummary, Context, Driver,
    DriverInfo, Error, EventStream, Health, Leftover, Operation, PodFilter, PodId, PodStats, PodSummary,
    Preflight, Result, RunOptions, layer::Stack, spec::PodSpec,
};

/// A connection to a runtime. Cheap to clone; clones share the connection.
#[derive(Debug, Clone)]
pub struct Client {
    stack: Arc<Stack>,
    cx: Context,
}

impl Client {
    /// A client of a driver with the default layers.
    #[must_use]
    pub fn new(driver: impl Driver) -> Self {
        Self::builder(driver).build()
    }

    /// A client with layers of one's own choice.
    #[must_use]
    pub fn builder(driver: impl Driver) -> ClientBuilder {
        ClientBuilder::new(Arc::new(driver))
    }

    /// The same client with a base context for its calls: deadline, cancellation, trace.
    #[must_use]
    pub fn with_context(&self, cx: Context) -> Self {
        Self { stack: Arc::clone(&self.stack), cx }
    }

    /// The same client, whose calls from now on all end `timeout` from now.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        self.with_context(self.cx.clone().with_timeout(timeout))
    }

    /// Who the driver is.
    #[must_use]
    pub fn info(&self) -> &DriverInfo {
        self.stack.info()
    }

    /// What this client can do.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        self.stack.capabilities()
    }

    /// Whether the runtime can run a pod, field by field. No IO.
    #[must_use]
    pub fn preflight(&self, spec: &PodSpec) -> Preflight {
        Preflight::of(self.capabilities(), spec)
    }

    /// Asks the runtime who it is and how. See [`Driver::ping`].
    ///
    /// # Errors
    /// `Unavailable` when it doesn't answer.
    pub async fn ping(&self) -> Result<Health> {
        self.stack.ping(&self.cx).await
    }

    /// Runs a pod until all its containers have started. See [`Pod::run`](crate::Pod::run).
    ///
    /// # Errors
    /// As there.
    pub async fn run_pod(&self, spec: &PodSpec) -> Result<PodHandle> {
        self.run_pod_with(spec, &RunOptions::default()).await
    }

    /// Runs a pod. See [`Pod::run`](crate::Pod::run).
    ///
    /// # Errors
    /// As there.
    pub async fn run_pod_with(&self, spec: &PodSpec, options: &RunOptions) -> Result<PodHandle> {
        let run = self.pods(Operation::PodRun)?.run(&self.cx, spec, options).await?;
        Ok(PodHandle::new(self.clone(), run.id, run.containers))
    }

    /// A handle on the pod of this id. No IO: whether it exists shows at the first call.
    #[must_use]
    pub fn pod(&self, id: impl Into<PodId>) -> PodHandle {
        PodHandle::new(self.clone(), id.into(), Vec::new())
    }

    /// A handle on a pod that exists, with its containers.
    ///
    /// # Errors
    /// `NotFound` if it doesn't.
    pub async fn adopt_pod(&self, id: impl Into<PodId>) -> Result<PodHandle> {
        let id = id.into();
        let status = self.pods(Operation::PodStatus)?.status(&self.cx, &id).await?;
        let containers =
            status.containers.into_iter().map(|c| crate::StartedContainer::new(c.name, c.id)).collect();
        Ok(PodHandle::new(self.clone(), id, containers))
    }

    /// The pods that fit a filter. See [`Pod::list`](crate::Pod::list).
    ///
    /// # Errors
    /// As there.
    pub async fn list_pods(&self, filter: &PodFilter) -> Result<Vec<PodSummary>> {
        self.pods(Operation::PodList)?.list(&self.cx, filter).await
    }

    /// What happens to all pods and containers, from now on. See [`Pod::events`](crate::Pod::events).
    ///
    /// # Errors
    /// As there.
    pub async fn events(&self) -> Result<EventStream> {
        self.pods(Operation::PodEvents)?.events(&self.cx).await
    }

    /// What pods use. See [`Pod::list_stats`](crate::Pod::list_stats).
    ///
    /// # Errors
    /// As there.
    pub async fn list_pod_stats(&self, filter: &PodFilter) -> Result<Vec<PodStats>> {
        self.pods(Operation::PodListStats)?.list_stats(&self.cx, filter).await
    }

    /// What containers use. See [`Container::list_stats`](crate::Container::list_stats).
    ///
    /// # Errors
    /// As there.
    pub async fn list_container_stats(&self, filter: &ContainerFilter) -> Result<Vec<ContainerStats>> {
        self.containers(Operation::ContainerListStats)?.list_stats(&self.cx, filter).await
    }

    /// A handle on the container of this id. No IO.
    #[must_use]
    pub fn container(&self, id: impl Into<ContainerId>) -> ContainerHandle {
        ContainerHandle::new(self.clone(), id.into())
    }

    /// The containers that fit a filter. See [`Container::list`](crate::Container::list).
    ///
    /// # Errors
    /// As there.
    pub async fn list_containers(&self, filter: &ContainerFilter) -> Result<Vec<ContainerSummary>> {
        self.containers(Operation::ContainerList)?.list(&self.cx, filter).await
    }

    /// The runtime's images.
    #[must_use]
    pub fn images(&self) -> Images {
        Images::new(self.clone())
    }

    /// Finishes what an error named as left behind. See [`Driver::reap`].
    ///
    /// # Errors
    /// As there.
    pub async fn reap(&self, leftovers: &[Leftover]) -> Result<()> {
        self.stack.reap(&self.cx, leftovers).await
    }

    /// Waits until the undo work of failed and dropped calls is done. See [`Driver::settle`].
    ///
    /// # Errors
    /// As there.
    pub async fn settle(&self) -> Result<()> {
        self.stack.settle(&self.cx).await
    }

    fn pods(&self, operation: Operation) -> Result<&dyn crate::Pod> {
        self.stack.pods().ok_or_else(|| self.missing(operation))
    }

    fn containers(&self, operation: Operation) -> Result<&dyn crate::Container> {
        self.stack.containers().ok_or_else(|| self.missing(operation))
    }

    fn exec(&self, operation: Operation) -> Result<&dyn crate::Exec> {
        self.stack.exec().ok_or_else(|| self.missing(operation))
    }

    fn image_store(&self, operation: Operation) -> Result<&dyn crate::ImageStore> {
        self.stack.images().ok_or_else(|| self.missing(operation))
    }

    fn missing(&self, operation: Operation) -> Error {
        Error::unsupported(operation).with_operation(operation).with_driver(self.info().name)
    }
}
