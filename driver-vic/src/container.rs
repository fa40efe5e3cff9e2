//! Containers of pods. They are made, started and ended with their pod.

use async_trait::async_trait;
use runtime_core::{
    ByteStream, Call, Container, ContainerFilter, ContainerId, ContainerStats, ContainerStatus,
    ContainerSummary, Context, CreateOptions, Error, ExitStatus, LogOptions, LogStream, Operation, PodId,
    Result, StopOptions,
    spec::{ContainerSpec, Resources},
};

use crate::{
    driver::VicDriver,
    id::ContainerKey,
    translate::{annotations::Vm, status},
};

#[async_trait]
impl Container for VicDriver {
    async fn create(
        &self,
        cx: &Context,
        pod: &PodId,
        spec: &ContainerSpec,
        options: &CreateOptions,
    ) -> Result<ContainerId> {
        self.admit(cx, &Call::ContainerCreate { pod, spec, options })?;
        Err(Error::unsupported(Operation::ContainerCreate))
    }

    async fn start(&self, cx: &Context, id: &ContainerId) -> Result<()> {
        self.admit(cx, &Call::ContainerStart { id })?;
        Err(Error::unsupported(Operation::ContainerStart))
    }

    async fn stop(&self, cx: &Context, id: &ContainerId, options: &StopOptions) -> Result<()> {
        self.admit(cx, &Call::ContainerStop { id, options })?;
        Err(Error::unsupported(Operation::ContainerStop))
    }

    async fn remove(&self, cx: &Context, id: &ContainerId) -> Result<()> {
        self.admit(cx, &Call::ContainerRemove { id })?;
        Err(Error::unsupported(Operation::ContainerRemove))
    }

    async fn status(&self, cx: &Context, id: &ContainerId) -> Result<ContainerStatus> {
        self.admit(cx, &Call::ContainerStatus { id })?;
        let key = ContainerKey::parse(id)?;
        let vm = self.vm_of(cx, &key).await?;
        let (index, container) = vm.container(&key.name).ok_or_else(|| key.missing())?;
        Ok(status::container_status(&vm, index, container))
    }

    async fn list(&self, cx: &Context, filter: &ContainerFilter) -> Result<Vec<ContainerSummary>> {
        self.admit(cx, &Call::ContainerList { filter })?;
        let vms = self.vms(cx).await?;
        Ok(vms.iter().flat_map(status::container_summaries).filter(|one| filter.matches(one)).collect())
    }

    async fn wait(&self, cx: &Context, id: &ContainerId) -> Result<ExitStatus> {
        self.admit(cx, &Call::ContainerWait { id })?;
        self.until_ended(cx, &ContainerKey::parse(id)?).await
    }

    async fn logs(&self, cx: &Context, id: &ContainerId, options: &LogOptions) -> Result<LogStream> {
        self.admit(cx, &Call::ContainerLogs { id, options })?;
        self.read_logs(cx, &ContainerKey::parse(id)?, options).await
    }

    async fn reopen_log(&self, cx: &Context, id: &ContainerId) -> Result<()> {
        self.admit(cx, &Call::ContainerReopenLog { id })?;
        Err(Error::unsupported(Operation::ContainerReopenLog))
    }

    async fn update(&self, cx: &Context, id: &ContainerId, resources: &Resources) -> Result<()> {
        self.admit(cx, &Call::ContainerUpdate { id, resources })?;
        Err(Error::unsupported(Operation::ContainerUpdate))
    }

    async fn stats(&self, cx: &Context, id: &ContainerId) -> Result<ContainerStats> {
        self.admit(cx, &Call::ContainerStats { id })?;
        Err(Error::unsupported(Operation::ContainerStats))
    }

    async fn list_stats(&self, cx: &Context, filter: &ContainerFilter) -> Result<Vec<ContainerStats>> {
        self.admit(cx, &Call::ContainerListStats { filter })?;
        Err(Error::unsupported(Operation::ContainerListStats))
    }

    async fn copy_out(&self, cx: &Context, id: &ContainerId, path: &str) -> Result<ByteStream> {
        self.admit(cx, &Call::ContainerCopyOut { id, path })?;
        Err(Error::unsupported(Operation::ContainerCopyOut))
    }

    async fn copy_in(
        &self,
        cx: &Context,
        id: &ContainerId,
        directory: &str,
        _archive: ByteStream,
    ) -> Result<()> {
        self.admit(cx, &Call::ContainerCopyIn { id, directory })?;
        Err(Error::unsupported(Operation::ContainerCopyIn))
    }
}

impl VicDriver {
    /// The VM of a container that is there.
    pub(crate) async fn vm_of(&self, cx: &Context, key: &ContainerKey) -> Result<Vm> {
        let vm = self.vm(cx, &key.pod).await?.ok_or_else(|| key.missing())?;
        if vm.container(&key.name).is_none() {
            return Err(key.missing());
        }
        Ok(vm)
    }
}
