//! Pods.

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join;
use k8s_cri::v1 as cri;
use runtime_core::{
    Call, Context, Error, EventStream, Object, Pod, PodFilter, PodId, PodPhase, PodRun, PodStats, PodStatus,
    PodSummary, PortStream, Result, RunOptions, StopOptions, compose, events, spec::PodSpec,
};

use crate::{driver::CriDriver, events::Runtime, streaming, translate::status};

#[async_trait]
impl Pod for CriDriver {
    async fn run(&self, cx: &Context, spec: &PodSpec, options: &RunOptions) -> Result<PodRun> {
        self.admit(cx, &Call::PodRun { spec, options })?;
        compose::run_pod(Arc::new(self.clone()), self.janitor(), cx, spec, options).await
    }

    async fn stop(&self, cx: &Context, id: &PodId, options: &StopOptions) -> Result<()> {
        self.admit(cx, &Call::PodStop { id, options })?;
        self.stop_pod(cx, id, options).await
    }

    async fn remove(&self, cx: &Context, id: &PodId) -> Result<()> {
        self.admit(cx, &Call::PodRemove { id })?;
        self.remove_pod(cx, id).await
    }

    async fn status(&self, cx: &Context, id: &PodId) -> Result<PodStatus> {
        self.admit(cx, &Call::PodStatus { id })?;
        let filter = cri::ContainerFilter { pod_sandbox_id: id.as_str().to_owned(), ..Default::default() };
        let containers =
            self.client().list_containers(cx, cri::ListContainersRequest { filter: Some(filter) });
        let (pod, containers) = join(self.find_pod_status(cx, id.as_str(), false), containers).await;
        let (pod, _) = pod?.ok_or_else(|| Error::not_found(Object::pod(id.as_str())))?;
        Ok(status::pod_status(pod, containers?.containers))
    }

    async fn list(&self, cx: &Context, filter: &PodFilter) -> Result<Vec<PodSummary>> {
        self.admit(cx, &Call::PodList { filter })?;
        let state = match filter.phase {
            None => None,
            Some(PodPhase::Running) => Some(cri::PodSandboxState::SandboxReady),
            Some(PodPhase::Stopped) => Some(cri::PodSandboxState::SandboxNotready),
            // No sandbox is ever in another phase.
            Some(_) => return Ok(Vec::new()),
        };
        let theirs = cri::PodSandboxFilter {
            id: filter.id.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default(),
            state: state.map(|state| cri::PodSandboxStateValue { state: state.into() }),
            label_selector: filter.labels.clone().into_iter().collect(),
        };
        let pods =
            self.client().list_pod_sandbox(cx, cri::ListPodSandboxRequest { filter: Some(theirs) }).await?;
        // Runtimes match ids by their beginning, and know neither names nor namespaces.
        Ok(pods.items.into_iter().map(status::pod_summary).filter(|pod| filter.matches(pod)).collect())
    }

    async fn events(&self, cx: &Context) -> Result<EventStream> {
        self.admit(cx, &Call::PodEvents)?;
        Ok(events::follow(Runtime(self.clone()), cx))
    }

    async fn stats(&self, cx: &Context, id: &PodId) -> Result<PodStats> {
        self.admit(cx, &Call::PodStats { id })?;
        self.pod_stats(cx, id).await
    }

    async fn list_stats(&self, cx: &Context, filter: &PodFilter) -> Result<Vec<PodStats>> {
        self.admit(cx, &Call::PodListStats { filter })?;
        self.list_of_pod_stats(cx, filter).await
    }

    async fn port_forward(&self, cx: &Context, id: &PodId, port: u16) -> Result<PortStream> {
        self.admit(cx, &Call::PodPortForward { id, port })?;
        if !self.may_be_pod(cx, id.as_str()).await? {
            return Err(Error::not_found(Object::pod(id.as_str())));
        }
        streaming::forward(self, cx, id, port).await
    }
}
