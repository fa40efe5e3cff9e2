//! Single containers.

use std::sync::Arc;

use async_trait::async_trait;
use runtime_core::{
    ByteStream, Call, Container, ContainerFilter, ContainerId, ContainerStats, ContainerStatus,
    ContainerSummary, Context, CreateOptions, ExitCause, ExitStatus, LogOptions, LogStream, PodId, Result,
    StopOptions, compose, log_file, spec::ContainerSpec, spec::Resources,
};

use super::{MemoryDriver, error::convert, logs, translate};
use crate::engine::{ContainerState, EngineError, Outcome};

const SIGKILL: i32 = 9;

#[async_trait]
impl Container for MemoryDriver {
    async fn create(
        &self,
        cx: &Context,
        pod: &PodId,
        spec: &ContainerSpec,
        options: &CreateOptions,
    ) -> Result<ContainerId> {
        self.admit(cx, &Call::ContainerCreate { pod, spec, options })?;
        let in_pod = self.engine().pod(pod.as_str()).map_err(convert)?;
        translate::check_ready(&in_pod).map_err(convert)?;
        translate::check_container(spec, &in_pod)?;
        compose::create_container(Arc::new(self.clone()), self.janitor(), cx, pod, spec, options).await
    }

    async fn start(&self, cx: &Context, id: &ContainerId) -> Result<()> {
        self.admit(cx, &Call::ContainerStart { id })?;
        self.call(cx, self.engine().start_container(id.as_str())).await.map(drop)
    }

    async fn stop(&self, cx: &Context, id: &ContainerId, options: &StopOptions) -> Result<()> {
        self.admit(cx, &Call::ContainerStop { id, options })?;
        let stop = async {
            match self.engine().stop_container(id.as_str(), None, options.grace_period).await {
                Err(EngineError::NotFound { .. }) => Ok(()),
                stopped => stopped,
            }
        };
        self.call(cx, stop).await
    }

    async fn remove(&self, cx: &Context, id: &ContainerId) -> Result<()> {
        self.admit(cx, &Call::ContainerRemove { id })?;
        let engine = self.engine();
        let _removing = self.mark_removing([id.as_str().to_owned()]);
        let task = engine.clone();
        let id = id.clone();
        let removal = async move {
            let Ok(container) = task.container(id.as_str()) else { return Ok(()) };
            task.remove_container(id.as_str(), true).await?;
            logs::remove(&container).await
        };
        self.call(cx, engine.shared().to_the_end(removal)).await
    }

    async fn status(&self, cx: &Context, id: &ContainerId) -> Result<ContainerStatus> {
        self.admit(cx, &Call::ContainerStatus { id })?;
        self.engine()
            .container(id.as_str())
            .map(|container| translate::container_status(&container))
            .map_err(convert)
    }

    async fn list(&self, cx: &Context, filter: &ContainerFilter) -> Result<Vec<ContainerSummary>> {
        self.admit(cx, &Call::ContainerList { filter })?;
        let containers = self.engine().containers();
        let summaries = containers.iter().map(translate::container_summary);
        Ok(summaries.filter(|container| filter.matches(container)).collect())
    }

    async fn wait(&self, cx: &Context, id: &ContainerId) -> Result<ExitStatus> {
        self.admit(cx, &Call::ContainerWait { id })?;
        self.engine().container(id.as_str()).map_err(convert)?;
        self.call(cx, self.wait_for_exit(id)).await
    }

    async fn logs(&self, cx: &Context, id: &ContainerId, options: &LogOptions) -> Result<LogStream> {
        self.admit(cx, &Call::ContainerLogs { id, options })?;
        let container = self.engine().container(id.as_str()).map_err(convert)?;
        let mut state = self.engine().watch_container(id.as_str()).map_err(convert)?;
        let ended = async move {
            // The engine has written the last line when it says so. A channel that closes is a removal.
            let _ = state.wait_for(|state| matches!(state, ContainerState::Exited(_))).await;
        };
        let path = container.launch.log_path.clone().unwrap_or_default();
        Ok(cx.bound(log_file::read(path, options, ended)))
    }

    async fn reopen_log(&self, cx: &Context, id: &ContainerId) -> Result<()> {
        self.admit(cx, &Call::ContainerReopenLog { id })?;
        self.call(cx, self.engine().reopen_log(id.as_str())).await
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

impl MemoryDriver {
    /// Notes who is being removed, as long as what is returned lives.
    pub(super) fn mark_removing(&self, ids: impl IntoIterator<Item = String>) -> Removing<'_> {
        let ids: Vec<String> = ids.into_iter().collect();
        self.removing().extend(ids.iter().cloned());
        Removing { driver: self, ids }
    }

    /// Waits for the end of a container that was there a moment ago.
    pub(super) async fn wait_for_exit(&self, id: &ContainerId) -> Result<ExitStatus, EngineError> {
        match self.engine().wait_container(id.as_str()).await {
            Ok(exit)
                if exit.outcome == Outcome::Signal(SIGKILL) && !exit.oom_killed && self.is_removed(id) =>
            {
                Ok(ExitStatus::new(ExitCause::Removed).at(Some(exit.finished_at)))
            }
            Err(EngineError::NotFound { .. }) => Ok(ExitStatus::new(ExitCause::Removed)),
            exit => exit.map(|exit| translate::exit(&exit)),
        }
    }

    /// Whether a container is gone or on its way.
    fn is_removed(&self, id: &ContainerId) -> bool {
        self.removing().contains(id.as_str()) || self.engine().container(id.as_str()).is_err()
    }
}

/// Containers that are being removed.
pub(super) struct Removing<'d> {
    driver: &'d MemoryDriver,
    ids: Vec<String>,
}

impl Drop for Removing<'_> {
    fn drop(&mut self) {
        let mut removing = self.driver.removing();
        removing.retain(|id| !self.ids.contains(id));
    }
}
