//! Pods.

use async_trait::async_trait;
use runtime_core::{
    Call, Context, Error, EventStream, Object, Pod, PodFilter, PodId, PodRun, PodStats, PodStatus,
    PodSummary, PortStream, Result, RunOptions, StopOptions, events, spec::PodSpec,
};

use crate::{
    create,
    driver::K8sDriver,
    events::Pods,
    id::{PodKey, is_name},
    streaming,
    translate::status,
};

#[async_trait]
impl Pod for K8sDriver {
    async fn run(&self, cx: &Context, spec: &PodSpec, options: &RunOptions) -> Result<PodRun> {
        self.admit(cx, &Call::PodRun { spec, options })?;
        create::run(self, cx, spec, options).await
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
        Ok(status::pod_status(&self.pod(cx, &PodKey::parse(id)?).await?))
    }

    async fn list(&self, cx: &Context, filter: &PodFilter) -> Result<Vec<PodSummary>> {
        self.admit(cx, &Call::PodList { filter })?;
        self.listed(cx, filter).await
    }

    async fn events(&self, cx: &Context) -> Result<EventStream> {
        self.admit(cx, &Call::PodEvents)?;
        Ok(events::follow(Pods(self.cache(self.client().namespace())), cx))
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
        streaming::port::forward(self, cx, &PodKey::parse(id)?, port).await
    }
}

impl K8sDriver {
    /// A pod as the server has it, if it is this life of it.
    pub(crate) async fn pod(&self, cx: &Context, key: &PodKey) -> Result<k8s_openapi::api::core::v1::Pod> {
        let pod = self.pod_of(cx, key).await?;
        pod.ok_or_else(|| Error::not_found(Object::pod(key.to_string())))
    }

    /// The pods that fit, from the cache.
    pub(crate) async fn listed(&self, cx: &Context, filter: &PodFilter) -> Result<Vec<PodSummary>> {
        let of_id = match filter.id.as_ref().map(PodKey::parse) {
            None => None,
            Some(Ok(key)) => Some(key),
            Some(Err(_)) => return Ok(Vec::new()),
        };
        let namespace = filter.namespace.as_deref().or(of_id.as_ref().map(|key| key.namespace.as_str()));
        let namespace = namespace.unwrap_or(self.client().namespace());
        if !is_name(namespace) {
            return Ok(Vec::new());
        }
        let cache = self.cache(namespace);
        cache.known(cx).await?;
        Ok(cache.pods(|pod| filter.matches(pod)))
    }
}
