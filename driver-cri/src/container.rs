//! Containers.

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join;
use k8s_cri::v1 as cri;
use runtime_core::{
    ByteStream, Call, Container, ContainerFilter, ContainerId, ContainerPhase, ContainerStats,
    ContainerStatus, ContainerSummary, Context, CreateOptions, Error, ErrorKind, ExitStatus, LogOptions,
    Object, PodId, PodPhase, Result, StopOptions, compose, spec::ContainerSpec, spec::Resources,
};

use crate::{driver::CriDriver, error::Refusal, logs, translate::status, wait};

#[async_trait]
impl Container for CriDriver {
    async fn create(
        &self,
        cx: &Context,
        pod: &PodId,
        spec: &ContainerSpec,
        options: &CreateOptions,
    ) -> Result<ContainerId> {
        self.admit(cx, &Call::ContainerCreate { pod, spec, options })?;
        compose::create_container(Arc::new(self.clone()), self.janitor(), cx, pod, spec, options).await
    }

    async fn start(&self, cx: &Context, id: &ContainerId) -> Result<()> {
        self.admit(cx, &Call::ContainerStart { id })?;
        if !self.may_be_container(cx, id.as_str()).await? {
            return Err(missing(id));
        }
        let request = cri::StartContainerRequest { container_id: id.as_str().to_owned() };
        let client = self.client().clone();
        // One that is cut in the middle can leave containerd 1.6 with a process that it doesn't know, and a container that it
        // can't remove.
        let starting =
            self.janitor().finish(cx, |cx| async move { Ok(client.start_container(&cx, request).await) });
        match starting.await? {
            Ok(_) => Ok(()),
            Err(refusal) => Err(self.why_not_started(refusal, cx, id).await),
        }
    }

    async fn stop(&self, cx: &Context, id: &ContainerId, options: &StopOptions) -> Result<()> {
        self.admit(cx, &Call::ContainerStop { id, options })?;
        self.stop_container(cx, id, options).await
    }

    async fn remove(&self, cx: &Context, id: &ContainerId) -> Result<()> {
        self.admit(cx, &Call::ContainerRemove { id })?;
        self.remove_container(cx, id).await
    }

    async fn status(&self, cx: &Context, id: &ContainerId) -> Result<ContainerStatus> {
        self.admit(cx, &Call::ContainerStatus { id })?;
        // Only lists tell the pod, and containerd 1.6 tells the image's id nowhere else.
        let filter = cri::ContainerFilter { id: id.as_str().to_owned(), ..Default::default() };
        let listed = self.client().list_containers(cx, cri::ListContainersRequest { filter: Some(filter) });
        let (found, listed) = join(self.find_container_status(cx, id.as_str(), false), listed).await;
        let (container, _) = found?.ok_or_else(|| missing(id))?;
        let mut status = status::container_status(container);
        let listed = listed?.containers.into_iter().find(|listed| listed.id == id.as_str());
        if let Some(listed) = listed.map(status::container_summary) {
            status.summary.pod = listed.pod;
            status.summary.image_id = listed.image_id;
        }
        Ok(status)
    }

    async fn list(&self, cx: &Context, filter: &ContainerFilter) -> Result<Vec<ContainerSummary>> {
        self.admit(cx, &Call::ContainerList { filter })?;
        let state = filter.phase.map(|phase| match phase {
            ContainerPhase::Created => cri::ContainerState::ContainerCreated,
            ContainerPhase::Running => cri::ContainerState::ContainerRunning,
            ContainerPhase::Exited => cri::ContainerState::ContainerExited,
            _ => cri::ContainerState::ContainerUnknown,
        });
        let theirs = cri::ContainerFilter {
            id: filter.id.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default(),
            state: state.map(|state| cri::ContainerStateValue { state: state.into() }),
            pod_sandbox_id: filter.pod.as_ref().map(|pod| pod.as_str().to_owned()).unwrap_or_default(),
            label_selector: filter.labels.clone().into_iter().collect(),
        };
        let request = cri::ListContainersRequest { filter: Some(theirs) };
        let containers = self.client().list_containers(cx, request).await?.containers;
        // Runtimes match ids by their beginning, and know no names.
        let summaries = containers.into_iter().map(status::container_summary);
        Ok(summaries.filter(|container| filter.matches(container)).collect())
    }

    async fn wait(&self, cx: &Context, id: &ContainerId) -> Result<ExitStatus> {
        self.admit(cx, &Call::ContainerWait { id })?;
        if self.find_container_status(cx, id.as_str(), false).await?.is_none() {
            return Err(missing(id));
        }
        wait::for_exit(self, cx, id.as_str()).await
    }

    async fn logs(
        &self,
        cx: &Context,
        id: &ContainerId,
        options: &LogOptions,
    ) -> Result<runtime_core::LogStream> {
        self.admit(cx, &Call::ContainerLogs { id, options })?;
        let found = self.find_container_status(cx, id.as_str(), false).await?;
        let (container, _) = found.ok_or_else(|| missing(id))?;
        logs::read(self, cx, container, options)
    }

    async fn reopen_log(&self, cx: &Context, id: &ContainerId) -> Result<()> {
        self.admit(cx, &Call::ContainerReopenLog { id })?;
        self.reopen(cx, id).await
    }

    async fn update(&self, cx: &Context, id: &ContainerId, resources: &Resources) -> Result<()> {
        self.admit(cx, &Call::ContainerUpdate { id, resources })?;
        self.update_resources(cx, id, resources).await
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
        self.pack(cx, id, path).await
    }

    async fn copy_in(
        &self,
        cx: &Context,
        id: &ContainerId,
        directory: &str,
        archive: ByteStream,
    ) -> Result<()> {
        self.admit(cx, &Call::ContainerCopyIn { id, directory })?;
        self.unpack(cx, id, directory, archive).await
    }
}

impl CriDriver {
    /// Finds out why a container did not start, from what became of it.
    async fn why_not_started(&self, refusal: Refusal, cx: &Context, id: &ContainerId) -> Error {
        if !refusal.is_vague() {
            return refusal.into();
        }
        let (container, info) = match self.find_container_status(cx, id.as_str(), true).await {
            Ok(Some(found)) => found,
            Ok(None) => return missing(id),
            Err(_) => return refusal.into(),
        };
        // What the runtime says may quote the environment.
        let secrets = info.env_values();
        let refusal = match container.message.as_str() {
            "" => refusal,
            message => refusal.saying(message.to_owned()),
        };
        let refusal = refusal.without(secrets.iter().map(String::as_str));
        match status::container_phase(container.state) {
            // Nothing ever ran: this start failed, or one before it.
            ContainerPhase::Exited if container.started_at == 0 && !container.reason.is_empty() => {
                refusal.with_kind(ErrorKind::Failed).with_reason(container.reason)
            }
            ContainerPhase::Exited if container.started_at == 0 => refusal.into(),
            ContainerPhase::Created => self.why_not_startable(refusal, cx, &container).await,
            phase => Error::new(
                ErrorKind::InvalidState,
                format!("the container was started before, it is {phase}"),
            ),
        }
    }

    /// Finds out why a container did not even begin to start: its pod is stopped, or the runtime only knows.
    async fn why_not_startable(
        &self,
        refusal: Refusal,
        cx: &Context,
        container: &cri::ContainerStatus,
    ) -> Error {
        let filter = cri::ContainerFilter { id: container.id.clone(), ..Default::default() };
        let request = cri::ListContainersRequest { filter: Some(filter) };
        let listed = self.client().list_containers(cx, request).await.unwrap_or_default().containers;
        let Some(pod) = listed.first().map(|listed| listed.pod_sandbox_id.as_str()) else {
            return refusal.into();
        };
        match self.find_pod_status(cx, pod, false).await {
            Ok(Some((pod, _))) if status::pod_phase(pod.state) != PodPhase::Running => {
                Error::new(ErrorKind::InvalidState, "the container's pod is not running")
            }
            _ => refusal.into(),
        }
    }
}

pub(crate) fn missing(id: &ContainerId) -> Error {
    Error::not_found(Object::container(id.as_str()))
}

pub(crate) fn is_running(container: &cri::ContainerStatus) -> bool {
    status::container_phase(container.state) == ContainerPhase::Running
}
