//! What pods and containers use.

use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt, future::try_join, stream};
use k8s_cri::v1 as cri;
use runtime_core::{
    ContainerFilter, ContainerId, ContainerStats, Context, Error, ErrorKind, Object, Pod, PodFilter, PodId,
    PodPhase, PodStats, PodSummary, Result,
};
use tonic::Code;

use crate::{
    container::{is_running, missing},
    driver::CriDriver,
    error::Refusal,
    translate::{stats, status},
};

/// How many pods are asked about at once.
const AT_ONCE: usize = 8;

impl CriDriver {
    pub(crate) async fn container_stats(&self, cx: &Context, id: &ContainerId) -> Result<ContainerStats> {
        let request = cri::ContainerStatsRequest { container_id: id.as_str().to_owned() };
        let asked = async { Ok::<_, Error>(self.client().container_stats(cx, request).await) };
        // Only lists tell the pod.
        let (answer, pods) =
            try_join(asked, self.pods_of(cx, ContainerFilter::default().with_id(id.clone()))).await?;
        let measured = match answer {
            Ok(answer) => answer.stats,
            Err(refusal) => return Err(self.why_no_stats(refusal, cx, id).await),
        };
        // Runtimes take the beginning of an id for the id.
        let is_it =
            |one: &cri::ContainerStats| one.attributes.as_ref().is_some_and(|one| one.id == id.as_str());
        let measured = measured.filter(is_it).ok_or_else(|| missing(id))?;
        if !stats::is_running(&measured) {
            return Err(not_running());
        }
        Ok(stats::container(measured, pods.get(id.as_str()).cloned()))
    }

    /// Of the containers that fit and run.
    pub(crate) async fn list_of_container_stats(
        &self,
        cx: &Context,
        filter: &ContainerFilter,
    ) -> Result<Vec<ContainerStats>> {
        let theirs = cri::ContainerStatsFilter {
            id: filter.id.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default(),
            pod_sandbox_id: filter.pod.as_ref().map(|pod| pod.as_str().to_owned()).unwrap_or_default(),
            label_selector: filter.labels.clone().into_iter().collect(),
        };
        let request = cri::ListContainerStatsRequest { filter: Some(theirs) };
        let asked = async { Ok(self.client().list_container_stats(cx, request).await?) };
        let (answer, pods) = try_join(asked, self.pods_of(cx, filter.clone())).await?;
        let fits = |one: cri::ContainerStats| {
            let pod = pods.get(&one.attributes.as_ref()?.id)?;
            stats::is_running(&one).then(|| stats::container(one, Some(pod.clone())))
        };
        Ok(answer.stats.into_iter().filter_map(fits).collect())
    }

    pub(crate) async fn pod_stats(&self, cx: &Context, id: &PodId) -> Result<PodStats> {
        let pods = self.list(cx, &PodFilter::default().with_id(id.clone())).await?;
        let pod = pods.into_iter().next().ok_or_else(|| Error::not_found(Object::pod(id.as_str())))?;
        if pod.phase != PodPhase::Running {
            return Err(pod_not_running());
        }
        self.stats_of(cx, pod).await?.ok_or_else(pod_not_running)
    }

    /// Of the pods that fit and run.
    pub(crate) async fn list_of_pod_stats(&self, cx: &Context, filter: &PodFilter) -> Result<Vec<PodStats>> {
        let running = filter.clone().with_phase(PodPhase::Running);
        if filter.phase.is_some_and(|phase| phase != PodPhase::Running) {
            return Ok(Vec::new());
        }
        let theirs = cri::PodSandboxStatsFilter {
            id: filter.id.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default(),
            label_selector: filter.labels.clone().into_iter().collect(),
        };
        let request = cri::ListPodSandboxStatsRequest { filter: Some(theirs) };
        let asked = async {
            match self.client().list_pod_sandbox_stats(cx, request).await {
                Ok(answer) => Ok(answer.stats),
                // One pod that can't be measured is enough for containerd 1.6 to tell of none.
                Err(refusal) if can_be_made_up_for(&refusal) => Ok(Vec::new()),
                Err(refusal) => Err(refusal.into()),
            }
        };
        let (measured, pods) = try_join(asked, self.list(cx, &running)).await?;
        let measured = measured.into_iter().map(stats::pod).map(|stats| (stats.id.clone(), stats));
        let mut measured: HashMap<PodId, PodStats> = measured.collect();
        let each = pods.into_iter().map(|pod| {
            let known = measured.remove(&pod.id);
            async {
                match known {
                    Some(known) => Ok(Some(known)),
                    None => self.stats_of(cx, pod).await,
                }
            }
        });
        let each: Vec<_> = each.collect();
        stream::iter(each)
            .buffer_unordered(AT_ONCE)
            .try_filter_map(async |stats| Ok(stats))
            .try_collect()
            .await
    }

    /// Of one pod, of which a list says that it runs; `None` if it doesn't any more. A runtime that can't measure the pod as a
    /// whole (containerd 1.6 can't without a cgroup parent, others don't know the call) measures its containers.
    async fn stats_of(&self, cx: &Context, pod: PodSummary) -> Result<Option<PodStats>> {
        let id = &pod.id;
        let request = cri::PodSandboxStatsRequest { pod_sandbox_id: id.as_str().to_owned() };
        match self.client().pod_sandbox_stats(cx, request).await {
            Ok(answer) => return Ok(answer.stats.map(stats::pod)),
            Err(refusal) if can_be_made_up_for(&refusal) => {}
            Err(refusal) => return Err(refusal.into()),
        }
        match self.find_pod_status(cx, id.as_str(), false).await? {
            Some((status, _)) if status::pod_phase(status.state) == PodPhase::Running => {}
            _ => return Ok(None),
        }
        let mut stats = PodStats::new(id.clone(), &pod.name, &pod.namespace);
        stats.containers = self.list_of_container_stats(cx, &ContainerFilter::of_pod(id)).await?;
        Ok(Some(stats))
    }

    /// The pods of the containers that fit a filter.
    async fn pods_of(&self, cx: &Context, filter: ContainerFilter) -> Result<HashMap<String, PodId>> {
        let listed = runtime_core::Container::list(self, cx, &filter).await?;
        Ok(listed.into_iter().filter_map(|one| Some((one.id.as_str().to_owned(), one.pod?))).collect())
    }

    /// Finds out why a container was not measured, from how it is.
    async fn why_no_stats(&self, refusal: Refusal, cx: &Context, id: &ContainerId) -> Error {
        if !refusal.is_vague() {
            return refusal.into();
        }
        match self.find_container_status(cx, id.as_str(), false).await {
            Ok(None) => missing(id),
            // One that ends at this moment is still shown as running when its process is gone already.
            Ok(Some((container, _))) if !is_running(&container) || refusal.is_not_found() => not_running(),
            _ => refusal.into(),
        }
    }
}

/// Whether the runtime can't measure pods, or not this one, so that it is worth asking otherwise.
fn can_be_made_up_for(refusal: &Refusal) -> bool {
    refusal.is_vague() || refusal.code == Some(Code::Unimplemented)
}

fn not_running() -> Error {
    Error::new(ErrorKind::InvalidState, "the container is not running")
}

fn pod_not_running() -> Error {
    Error::new(ErrorKind::InvalidState, "the pod is not running")
}
