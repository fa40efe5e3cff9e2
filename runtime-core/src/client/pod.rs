//! A handle on a pod.

use super::{Client, ContainerHandle};
use crate::{
    ContainerFilter, ContainerSummary, CreateOptions, Operation, PodId, PodStats, PodStatus, PortStream,
    Result, StartedContainer, StopOptions, spec::ContainerSpec,
};

/// A pod by its id. Dropping the handle leaves the pod alone: it belongs to the runtime.
#[derive(Debug, Clone)]
pub struct PodHandle {
    client: Client,
    id: PodId,
    containers: Vec<StartedContainer>,
}

impl PodHandle {
    pub(super) fn new(client: Client, id: PodId, containers: Vec<StartedContainer>) -> Self {
        Self { client, id, containers }
    }

    /// The durable id; [`Client::adopt_pod`] takes it, in any process.
    #[must_use]
    pub fn id(&self) -> &PodId {
        &self.id
    }

    /// A container of the pod, by name, among those known when the handle was made. No IO.
    #[must_use]
    pub fn container(&self, name: &str) -> Option<ContainerHandle> {
        let found = self.containers.iter().find(|container| container.name == name)?;
        Some(self.client.container(found.id.clone()))
    }

    /// All that is known of the pod. See [`Pod::status`](crate::Pod::status).
    ///
    /// # Errors
    /// As there.
    pub async fn status(&self) -> Result<PodStatus> {
        self.client.pods(Operation::PodStatus)?.status(&self.client.cx, &self.id).await
    }

    /// Stops the pod. See [`Pod::stop`](crate::Pod::stop).
    ///
    /// # Errors
    /// As there.
    pub async fn stop(&self, options: &StopOptions) -> Result<()> {
        self.client.pods(Operation::PodStop)?.stop(&self.client.cx, &self.id, options).await
    }

    /// Removes the pod with its containers. See [`Pod::remove`](crate::Pod::remove).
    ///
    /// # Errors
    /// As there.
    pub async fn remove(&self) -> Result<()> {
        self.client.pods(Operation::PodRemove)?.remove(&self.client.cx, &self.id).await
    }

    /// Adds a container without starting it. See [`Container::create`](crate::Container::create).
    ///
    /// # Errors
    /// As there.
    pub async fn create_container(&self, spec: &ContainerSpec) -> Result<ContainerHandle> {
        self.create_container_with(spec, &CreateOptions::default()).await
    }

    /// Adds a container without starting it. See [`Container::create`](crate::Container::create).
    ///
    /// # Errors
    /// As there.
    pub async fn create_container_with(
        &self,
        spec: &ContainerSpec,
        options: &CreateOptions,
    ) -> Result<ContainerHandle> {
        let containers = self.client.containers(Operation::ContainerCreate)?;
        let id = containers.create(&self.client.cx, &self.id, spec, options).await?;
        Ok(self.client.container(id))
    }

    /// What it uses. See [`Pod::stats`](crate::Pod::stats).
    ///
    /// # Errors
    /// As there.
    pub async fn stats(&self) -> Result<PodStats> {
        self.client.pods(Operation::PodStats)?.stats(&self.client.cx, &self.id).await
    }

    /// Connects to a TCP port of it. See [`Pod::port_forward`](crate::Pod::port_forward).
    ///
    /// # Errors
    /// As there.
    pub async fn port_forward(&self, port: u16) -> Result<PortStream> {
        self.client.pods(Operation::PodPortForward)?.port_forward(&self.client.cx, &self.id, port).await
    }

    /// The containers that the pod has now.
    ///
    /// # Errors
    /// As of [`Container::list`](crate::Container::list).
    pub async fn list_containers(&self) -> Result<Vec<ContainerSummary>> {
        self.client.list_containers(&ContainerFilter::of_pod(&self.id)).await
    }
}
