//! A handle on a container.

use super::Client;
use crate::{
    AttachOptions, ByteStream, ContainerId, ContainerStats, ContainerStatus, ExecOutput, ExecSession,
    ExitStatus, LogOptions, LogStream, Operation, Result, StopOptions,
    spec::{ExecSpec, Resources},
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

    /// Starts a command in it and hands over its streams. See [`Exec::start`](crate::Exec::start).
    ///
    /// # Errors
    /// As there.
    pub async fn start_exec(&self, spec: &ExecSpec) -> Result<ExecSession> {
        self.client.exec(Operation::ExecStart)?.start(&self.client.cx, &self.id, spec).await
    }

    /// Attaches to its first process. See [`Exec::attach`](crate::Exec::attach).
    ///
    /// # Errors
    /// As there.
    pub async fn attach(&self, options: &AttachOptions) -> Result<ExecSession> {
        self.client.exec(Operation::ExecAttach)?.attach(&self.client.cx, &self.id, options).await
    }

    /// Has its log file opened anew. See [`Container::reopen_log`](crate::Container::reopen_log).
    ///
    /// # Errors
    /// As there.
    pub async fn reopen_log(&self) -> Result<()> {
        self.client.containers(Operation::ContainerReopenLog)?.reopen_log(&self.client.cx, &self.id).await
    }

    /// Changes its resources. See [`Container::update`](crate::Container::update).
    ///
    /// # Errors
    /// As there.
    pub async fn update(&self, resources: &Resources) -> Result<()> {
        self.client.containers(Operation::ContainerUpdate)?.update(&self.client.cx, &self.id, resources).await
    }

    /// What it uses. See [`Container::stats`](crate::Container::stats).
    ///
    /// # Errors
    /// As there.
    pub async fn stats(&self) -> Result<ContainerStats> {
        self.client.containers(Operation::ContainerStats)?.stats(&self.client.cx, &self.id).await
    }

    /// Reads a file or directory of it as a tar archive. See [`Container::copy_out`](crate::Container::copy_out).
    ///
    /// # Errors
    /// As there.
    pub async fn copy_out_archive(&self, path: &str) -> Result<ByteStream> {
        self.client.containers(Operation::ContainerCopyOut)?.copy_out(&self.client.cx, &self.id, path).await
    }

    /// Unpacks a tar archive into a directory of it. See [`Container::copy_in`](crate::Container::copy_in).
    ///
    /// # Errors
    /// As there.
    pub async fn copy_in_archive(&self, directory: &str, archive: ByteStream) -> Result<()> {
        let containers = self.client.containers(Operation::ContainerCopyIn)?;
        containers.copy_in(&self.client.cx, &self.id, directory, archive).await
    }
}
