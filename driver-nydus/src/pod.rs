//! Pods: each is one daemon.

use async_trait::async_trait;
use runtime_core::{
    Call, Context, Error, EventStream, Operation, Pod, PodFilter, PodId, PodRun, PodStats, PodStatus,
    PodSummary, PortStream, Result, RunOptions, StopOptions, spec::PodSpec,
};

use crate::driver::NydusDriver;

#[async_trait]
impl Pod for NydusDriver {
    async fn run(&self, cx: &Context, spec: &PodSpec, options: &RunOptions) -> Result<PodRun> {
        self.admit(cx, &Call::PodRun { spec, options })?;
        Err(Error::unsupported(Operation::PodRun))
    }

    async fn stop(&self, cx: &Context, id: &PodId, options: &StopOptions) -> Result<()> {
        self.admit(cx, &Call::PodStop { id, options })?;
        Err(Error::unsupported(Operation::PodStop))
    }

    async fn remove(&self, cx: &Context, id: &PodId) -> Result<()> {
        self.admit(cx, &Call::PodRemove { id })?;
        Err(Error::unsupported(Operation::PodRemove))
    }

    async fn status(&self, cx: &Context, id: &PodId) -> Result<PodStatus> {
        self.admit(cx, &Call::PodStatus { id })?;
        Err(Error::unsupported(Operation::PodStatus))
    }

    async fn list(&self, cx: &Context, filter: &PodFilter) -> Result<Vec<PodSummary>> {
        self.admit(cx, &Call::PodList { filter })?;
        Err(Error::unsupported(Operation::PodList))
    }

    async fn events(&self, cx: &Context) -> Result<EventStream> {
        self.admit(cx, &Call::PodEvents)?;
        Err(Error::unsupported(Operation::PodEvents))
    }

    async fn stats(&self, cx: &Context, id: &PodId) -> Result<PodStats> {
        self.admit(cx, &Call::PodStats { id })?;
        Err(Error::unsupported(Operation::PodStats))
    }

    async fn list_stats(&self, cx: &Context, filter: &PodFilter) -> Result<Vec<PodStats>> {
        self.admit(cx, &Call::PodListStats { filter })?;
        Err(Error::unsupported(Operation::PodListStats))
    }

    async fn port_forward(&self, cx: &Context, id: &PodId, port: u16) -> Result<PortStream> {
        self.admit(cx, &Call::PodPortForward { id, port })?;
        Err(Error::unsupported(Operation::PodPortForward))
    }
}
