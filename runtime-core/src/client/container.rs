//! A handle on a container.

use super::Client;
use crate::{
    ContainerId, ContainerStatus, ExecOutput, ExitStatus, LogOptions, LogStream, Operation, Result,
    StopOptions, spec::ExecSpec,
};

/// A container by its id. Dropping the handle leaves the container alone.
#[derive(Debug, Clone)]
pub struct ContainerHandle {
    client: Client,
    id: ContainerId,
}

impl ContainerHandle {
    pub(super) fn new(client: Client, id: ContainerId) -> Self {
        Self { client, id }
    }

    /// The durable id.
    #[must_use]
    pub fn id(&self) -> &ContainerId {
        &self.id
    }

    /// Starts it. See [`Container::start`](crate::Container::start).
    ///
    /// # Errors
    /// As there.
    pub async fn start(&self) -> Result<()> {
        self.client.containers(Operation::ContainerStart)?.start(&self.client.cx, &self.id).await
    }

    /// Stops it. See [`Container::stop`](crate::Container::stop).
    ///
    /// # Errors
    /// As there.
    pub async fn stop(&self, options: &StopOptions) -> Result<()> {
        self.client.containers(Operation::ContainerStop)?.stop(&self.client.cx, &self.id, options).await
    }

    /// Removes it. See [`Container::remove`](crate::Container::remove).
    ///
    /// # Errors
    /// As there.
    pub async fn remove(&self) -> Result<()> {
        self.client.containers(Operation::ContainerRemove)?.remove(&self.client.cx, &self.id).await
    }

    /// All that is known of it. See [`Container::status`](crate::Container::status).
    ///
    /// # Errors
    /// As there.
    pub async fn status(&self) -> Result<ContainerStatus> {
        self.client.containers(Operation::ContainerStatus)?.status(&self.client.cx, &self.id).await
    }

    /// Waits until it has ended. See [`Container::wait`](crate::Container::wait).
    ///
    /// # Errors
    /// As there.
    pub async fn wait(&self) -> Result<ExitStatus> {
        self.client.containers(Operation::ContainerWait)?.wait(&self.client.cx, &self.id).await
    }

    /// What it wrote. See [`Container::logs`](crate::Container::logs).
    ///
    /// # Errors
    /// As there.
    pub async fn logs(&self, options: &LogOptions) -> Result<LogStream> {
        self.client.containers(Operation::ContainerLogs)?.logs(&self.client.cx, &self.id, options).await
    }

    /// Runs a command in it to its end. See [`Exec::sync`](crate::Exec::sync).
    ///
    /// # Errors
    /// As there.
    pub async fn exec(&self, spec: &ExecSpec) -> Result<ExecOutput> {
        self.client.exec(Operation::ExecSync)?.sync(&self.client.cx, &self.id, spec).await
    }
}
