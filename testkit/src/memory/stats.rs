//! What pods and containers use, and new limits for them.

use runtime_core::{
    ContainerFilter, ContainerId, ContainerStats, Context, Error, PodFilter, PodId, PodStats, Result,
    spec::Resources,
};

use super::{MemoryDriver, error::convert, translate};
use crate::engine::{self, EngineError, Update};

impl MemoryDriver {
    pub(super) async fn container_stats(&self, cx: &Context, id: &ContainerId) -> Result<ContainerStats> {
        let container = self.engine().container(id.as_str()).map_err(convert)?;
        let usage = self.call(cx, self.engine().usage(id.as_str())).await?;
        Ok(translate::container_stats(&container, &usage))
    }

    pub(super) async fn list_of_container_stats(
        &self,
        cx: &Context,
        filter: &ContainerFilter,
    ) -> Result<Vec<ContainerStats>> {
        let mut stats = Vec::new();
        for container in self.engine().containers() {
            if filter.matches(&translate::container_summary(&container)) {
                stats.extend(self.of_running(cx, &container).await?);
            }
        }
        Ok(stats)
    }

    pub(super) async fn pod_stats(&self, cx: &Context, id: &PodId) -> Result<PodStats> {
        let engine = self.engine();
        let pod = engine.pod(id.as_str()).map_err(convert)?;
        let traffic = engine.traffic(&pod.id).map_err(convert)?;
        let mut containers = Vec::new();
        for container in engine.containers().into_iter().filter(|container| container.pod == pod.id) {
            if let Some(usage) = self.usage_of_running(cx, &container).await? {
                containers.push((container, usage));
            }
        }
        Ok(translate::pod_stats(&pod, traffic, &containers))
    }

    pub(super) async fn list_of_pod_stats(&self, cx: &Context, filter: &PodFilter) -> Result<Vec<PodStats>> {
        let mut stats = Vec::new();
        let pods = self.engine().pods();
        for pod in pods.iter().map(translate::pod_summary).filter(|pod| filter.matches(pod)) {
            match self.pod_stats(cx, &pod.id).await {
                Ok(of_pod) => stats.push(of_pod),
                Err(error) if is_not_there(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(stats)
    }

    /// Changes the memory limit, the one resource that the engine enforces.
    pub(super) async fn update_resources(
        &self,
        cx: &Context,
        id: &ContainerId,
        resources: &Resources,
    ) -> Result<()> {
        let container = self.engine().container(id.as_str()).map_err(convert)?;
        let Some(limit) = resources.to_linux().memory_limit else { return Ok(()) };
        let update = Update {
            memory_limit_bytes: Some(limit.0),
            cgroup: translate::cgroup(self.engine().isolation(), Some(limit.0)),
            config: container.launch.config.clone(),
        };
        self.call(cx, self.engine().update_container(id.as_str(), update)).await
    }

    /// Nothing for one that does not run.
    async fn of_running(
        &self,
        cx: &Context,
        container: &engine::Container,
    ) -> Result<Option<ContainerStats>> {
        let usage = self.usage_of_running(cx, container).await?;
        Ok(usage.map(|usage| translate::container_stats(container, &usage)))
    }

    async fn usage_of_running(
        &self,
        cx: &Context,
        container: &engine::Container,
    ) -> Result<Option<engine::Usage>> {
        let usage = async {
            match self.engine().usage(&container.id).await {
                Ok(usage) => Ok(Some(usage)),
                Err(EngineError::NotFound { .. } | EngineError::InvalidState { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        self.call(cx, usage).await
    }
}

fn is_not_there(error: &Error) -> bool {
    matches!(error.kind(), runtime_core::ErrorKind::NotFound | runtime_core::ErrorKind::InvalidState)
}
