//! Containers of pods. Kubernetes makes, starts and ends them with their pod.

use async_trait::async_trait;
use runtime_core::{
    ByteStream, Call, Container, ContainerFilter, ContainerId, ContainerStats, ContainerStatus,
    ContainerSummary, Context, CreateOptions, Error, ExitStatus, LogOptions, LogStream, PodId, Result,
    StopOptions,
    spec::{ContainerSpec, Resources},
};

use crate::{
    copy,
    driver::K8sDriver,
    id::{ContainerKey, PodKey},
    logs,
    target::missing,
    translate::status,
    wait,
};

#[async_trait]
impl Container for K8sDriver {
    async fn create(
        &self,
        cx: &Context,
        pod: &PodId,
        spec: &ContainerSpec,
        options: &CreateOptions,
    ) -> Result<ContainerId> {
        self.admit(cx, &Call::ContainerCreate { pod, spec, options })?;
        Err(Error::unsupported("adding a container to a pod"))
    }

    async fn start(&self, cx: &Context, id: &ContainerId) -> Result<()> {
        self.admit(cx, &Call::ContainerStart { id })?;
        Err(Error::unsupported("starting a single container"))
    }

    async fn stop(&self, cx: &Context, id: &ContainerId, options: &StopOptions) -> Result<()> {
        self.admit(cx, &Call::ContainerStop { id, options })?;
        Err(Error::unsupported("stopping a single container"))
    }

    async fn remove(&self, cx: &Context, id: &ContainerId) -> Result<()> {
        self.admit(cx, &Call::ContainerRemove { id })?;
        Err(Error::unsupported("removing a single container"))
    }

    async fn status(&self, cx: &Context, id: &ContainerId) -> Result<ContainerStatus> {
        self.admit(cx, &Call::ContainerStatus { id })?;
        let key = ContainerKey::parse(id)?;
        let pod = self.pod(cx, &key.pod).await.map_err(|error| of_container(error, &key))?;
        status::container_status(&pod, &key.container).ok_or_else(|| missing(&key))
    }

    async fn list(&self, cx: &Context, filter: &ContainerFilter) -> Result<Vec<ContainerSummary>> {
        self.admit(cx, &Call::ContainerList { filter })?;
        let of_id = match filter.id.as_ref().map(ContainerKey::parse) {
            None => None,
            Some(Ok(key)) => Some(key.pod),
            Some(Err(_)) => return Ok(Vec::new()),
        };
        let of_pod = match filter.pod.as_ref().map(PodKey::parse) {
            None => of_id,
            Some(Ok(key)) => Some(key),
            Some(Err(_)) => return Ok(Vec::new()),
        };
        let namespace = of_pod.map_or_else(|| self.client().namespace().to_owned(), |pod| pod.namespace);
        let cache = self.cache(&namespace);
        cache.known(cx).await?;
        Ok(cache.containers(|container| filter.matches(container)))
    }

    async fn wait(&self, cx: &Context, id: &ContainerId) -> Result<ExitStatus> {
        self.admit(cx, &Call::ContainerWait { id })?;
        let key = ContainerKey::parse(id)?;
        let mut following = self.cache(&key.pod.namespace).follow(&key.pod.name);
        let pod = self.pod(cx, &key.pod).await.map_err(|error| of_container(error, &key))?;
        if status::container_status(&pod, &key.container).is_none() {
            return Err(missing(&key));
        }
        following.since(&pod);
        wait::for_exit(cx, &mut following, pod, &key.container).await
    }

    async fn logs(&self, cx: &Context, id: &ContainerId, options: &LogOptions) -> Result<LogStream> {
        self.admit(cx, &Call::ContainerLogs { id, options })?;
        logs::logs(self, cx, &ContainerKey::parse(id)?, options).await
    }

    async fn reopen_log(&self, cx: &Context, id: &ContainerId) -> Result<()> {
        self.admit(cx, &Call::ContainerReopenLog { id })?;
        Err(Error::unsupported("reopening a log"))
    }

    async fn update(&self, cx: &Context, id: &ContainerId, resources: &Resources) -> Result<()> {
        self.admit(cx, &Call::ContainerUpdate { id, resources })?;
        Err(Error::unsupported("changing the resources of a container"))
    }

    async fn stats(&self, cx: &Context, id: &ContainerId) -> Result<ContainerStats> {
        self.admit(cx, &Call::ContainerStats { id })?;
        self.container_stats(cx, id).await
    }

    async fn list_stats(&self, cx: &Context, filter: &ContainerFilter) -> Result<Vec<ContainerStats>> {
        self.admit(cx, &Call::ContainerListStats { filter })?;
        self.list_of_container_stats(cx, filter).await
    }

    async fn copy_out(&self, cx: &Context, id: &ContainerId, path: &str) -> Result<ByteStream> {
        self.admit(cx, &Call::ContainerCopyOut { id, path })?;
        copy::copy_out(self, cx, id, path).await
    }

    async fn copy_in(
        &self,
        cx: &Context,
        id: &ContainerId,
        directory: &str,
        archive: ByteStream,
    ) -> Result<()> {
        self.admit(cx, &Call::ContainerCopyIn { id, directory })?;
        copy::copy_in(self, cx, id, directory, archive).await
    }
}

/// That its pod is missing means that a container is.
fn of_container(error: Error, key: &ContainerKey) -> Error {
    if error.kind() == runtime_core::ErrorKind::NotFound { missing(key) } else { error }
}
