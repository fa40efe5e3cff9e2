//! Pods.

use async_trait::async_trait;
use runtime_core::{
    Call, Context, Error, EventStream, Operation, Pod, PodFilter, PodId, PodRun, PodStats, PodStatus,
    PodSummary, PortStream, Result, RunOptions, StopOptions, events, spec::PodSpec,
};

use crate::{driver::VicDriver, events::Vms, translate::status};

#[async_trait]
impl Pod for VicDriver {
    async fn run(&self, cx: &Context, spec: &PodSpec, options: &RunOptions) -> Result<PodRun> {
        self.admit(cx, &Call::PodRun { spec, options })?;
        self.run_pod(cx, spec, options).await
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
        Ok(status::pod_status(&self.require(cx, id).await?))
    }

    async fn list(&self, cx: &Context, filter: &PodFilter) -> Result<Vec<PodSummary>> {
        self.admit(cx, &Call::PodList { filter })?;
        let pods = self.vms(cx).await?;
        Ok(pods.iter().map(status::pod_summary).filter(|pod| filter.matches(pod)).collect())
    }

    async fn events(&self, cx: &Context) -> Result<EventStream> {
        self.admit(cx, &Call::PodEvents)?;
        Ok(events::follow(Vms(self.clone()), cx))
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
        Err(Error::unsupported(Operation::PodPortForward))
    }
}
