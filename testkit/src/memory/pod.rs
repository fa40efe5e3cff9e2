//! Pods.

use std::sync::Arc;

use async_trait::async_trait;
use runtime_core::{
    Call, Context, EventStream, Pod, PodFilter, PodId, PodRun, PodStats, PodStatus, PodSummary, PortStream,
    Result, RunOptions, StopOptions, compose, events::follow, spec::PodSpec,
};

use super::{MemoryDriver, error::convert, events::Listed, logs, translate};
use crate::engine::{Engine, EngineError};

#[async_trait]
impl Pod for MemoryDriver {
    async fn run(&self, cx: &Context, spec: &PodSpec, options: &RunOptions) -> Result<PodRun> {
        self.admit(cx, &Call::PodRun { spec, options })?;
        translate::check_pod(spec)?;
        compose::run_pod(Arc::new(self.clone()), self.janitor(), cx, spec, options).await
    }

    async fn stop(&self, cx: &Context, id: &PodId, options: &StopOptions) -> Result<()> {
        self.admit(cx, &Call::PodStop { id, options })?;
        let stop = async {
            match self.engine().stop_pod(id.as_str(), options.grace_period).await {
                Err(EngineError::NotFound { .. }) => Ok(()),
                stopped => stopped,
            }
        };
        self.call(cx, stop).await
    }

    async fn remove(&self, cx: &Context, id: &PodId) -> Result<()> {
        self.admit(cx, &Call::PodRemove { id })?;
        self.remove_pod(cx, id).await
    }

    async fn status(&self, cx: &Context, id: &PodId) -> Result<PodStatus> {
        self.admit(cx, &Call::PodStatus { id })?;
        let pod = self.engine().pod(id.as_str()).map_err(convert)?;
        let containers = self.engine().containers().into_iter().filter(|container| container.pod == pod.id);
        Ok(translate::pod_status(&pod, containers))
    }

    async fn list(&self, cx: &Context, filter: &PodFilter) -> Result<Vec<PodSummary>> {
        self.admit(cx, &Call::PodList { filter })?;
        let pods = self.engine().pods();
        Ok(pods.iter().map(translate::pod_summary).filter(|pod| filter.matches(pod)).collect())
    }

    async fn events(&self, cx: &Context) -> Result<EventStream> {
        self.admit(cx, &Call::PodEvents)?;
        Ok(follow(Listed(self.clone()), cx))
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
        // The network is the host's, and so is the port.
        Ok(PortStream::new(self.call(cx, self.engine().connect(id.as_str(), port)).await?))
    }
}

impl MemoryDriver {
    /// Removes a pod with its containers and logs, to the end even if the caller goes away. Missing is fine.
    pub(super) async fn remove_pod(&self, cx: &Context, id: &PodId) -> Result<()> {
        let engine = self.engine();
        let _removing = self.mark_removing(engine.containers_of(id.as_str()));
        let (task, id) = (engine.clone(), id.clone());
        self.call(cx, engine.shared().to_the_end(async move { remove(&task, id.as_str()).await })).await
    }
}

async fn remove(engine: &Engine, id: &str) -> Result<(), EngineError> {
    let Ok(pod) = engine.pod(id) else { return Ok(()) };
    let containers = engine.containers().into_iter().filter(|container| container.pod == pod.id);
    let containers: Vec<_> = containers.collect();
    engine.remove_pod(id).await?;
    for container in &containers {
        logs::remove(container).await?;
    }
    logs::remove_directory(engine, &pod).await
}
