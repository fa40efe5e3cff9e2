//! Calls that only CRI has.
//!
//! Not in the common API, since no other system has anything like them. A runtime that doesn't know a call makes it fail with
//! `Unsupported`, which names the call.

use std::{collections::BTreeMap, path::Path, time::Duration};

use jiff::Timestamp;
use k8s_cri::v1 as cri;
use runtime_core::{ContainerId, Context, Error, Health, PodId, Result};
use tonic::Code;

use crate::{
    container::missing,
    driver::{CriDriver, NAME},
    error::Refusal,
    stop::whole_seconds,
    translate::{native, status},
};

/// How a runtime is set up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuntimeConfig {
    /// Who manages cgroups, on Linux.
    pub cgroup_driver: Option<CgroupDriver>,
}

/// Who manages cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CgroupDriver {
    /// systemd: a cgroup parent is the name of a slice.
    Systemd,
    /// The runtime, by the file system: a cgroup parent is a path.
    Cgroupfs,
}

/// All that a runtime says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuntimeDetails {
    /// Who it is and how, as of [`Driver::ping`](runtime_core::Driver::ping).
    pub health: Health,
    /// What else it says, by keys of its own; most values are JSON. containerd puts its configuration there.
    pub info: BTreeMap<String, String>,
    /// The names of its handlers; the one without a name is the default one.
    pub handlers: Vec<String>,
}

/// What a metric is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricDescriptor {
    /// Its name.
    pub name: String,
    /// Its meaning, for a person.
    pub help: String,
    /// The names of its labels.
    pub labels: Vec<String>,
}

/// The metrics of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PodMetrics {
    /// Which pod.
    pub pod: PodId,
    /// Of the pod as a whole.
    pub metrics: Vec<Metric>,
    /// Of its containers.
    pub containers: Vec<(ContainerId, Vec<Metric>)>,
}

/// One value of a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// The descriptor's name.
    pub name: String,
    /// The values of its labels, in the descriptor's order.
    pub labels: Vec<String>,
    /// What sort of number it is.
    pub kind: MetricKind,
    /// The number.
    pub value: Option<u64>,
    /// When it was measured; `None` is now.
    pub measured_at: Option<Timestamp>,
}

/// Sorts of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetricKind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

impl CriDriver {
    /// How the runtime is set up: CRI's `RuntimeConfig`.
    ///
    /// # Errors
    /// `Unsupported` on containerd before 2.0.
    pub async fn runtime_config(&self, cx: &Context) -> Result<RuntimeConfig> {
        let answer = self.client().runtime_config(cx, cri::RuntimeConfigRequest {}).await;
        answer.map(native::runtime_config).map_err(of_call("RuntimeConfig"))
    }

    /// Tells the runtime from which addresses pods get theirs, such as `10.1.0.0/16`: CRI's `UpdateRuntimeConfig`.
    /// Runtimes whose network is configured otherwise ignore it.
    ///
    /// # Errors
    /// `Failed` for what is no such range.
    pub async fn set_pod_cidr(&self, cx: &Context, cidr: &str) -> Result<()> {
        let network_config = Some(cri::NetworkConfig { pod_cidr: cidr.to_owned() });
        let runtime_config = Some(cri::RuntimeConfig { network_config });
        let answer =
            self.client().update_runtime_config(cx, cri::UpdateRuntimeConfigRequest { runtime_config });
        answer.await.map(drop).map_err(of_call("UpdateRuntimeConfig"))
    }

    /// Writes the state of a running container to an archive at `location`, a path on the runtime's host, or a name for an
    /// image where the runtime takes one: CRI's `CheckpointContainer`. The container goes on. `timeout` is in whole seconds,
    /// rounded up; without one it is the runtime's own.
    ///
    /// # Errors
    /// `NotFound`; `InvalidArgument` for a location that is not UTF-8; `Unsupported` on containerd before 2.0 and wherever
    /// checkpoints are switched off.
    pub async fn checkpoint_container(
        &self,
        cx: &Context,
        id: &ContainerId,
        location: &Path,
        timeout: Option<Duration>,
    ) -> Result<()> {
        let location = location.to_str().ok_or_else(|| Error::invalid("location", "is not UTF-8"))?;
        if !self.may_be_container(cx, id.as_str()).await? {
            return Err(missing(id));
        }
        let request = cri::CheckpointContainerRequest {
            container_id: id.as_str().to_owned(),
            location: location.to_owned(),
            timeout: timeout.map_or(0, whole_seconds),
        };
        let answer = self.client().checkpoint_container(cx, request).await;
        answer.map(drop).map_err(of_call("CheckpointContainer"))
    }

    /// Which metrics [`pod_metrics`](Self::pod_metrics) gives: CRI's `ListMetricDescriptors`.
    ///
    /// # Errors
    /// `Unsupported` on containerd before 2.1.
    pub async fn metric_descriptors(&self, cx: &Context) -> Result<Vec<MetricDescriptor>> {
        let answer = self.client().list_metric_descriptors(cx, cri::ListMetricDescriptorsRequest {}).await;
        answer
            .map(|answer| answer.descriptors.into_iter().map(native::descriptor).collect())
            .map_err(of_call("ListMetricDescriptors"))
    }

    /// The metrics of all pods, the runtime's own way: CRI's `ListPodSandboxMetrics`.
    ///
    /// # Errors
    /// `Unsupported` on containerd before 2.1.
    pub async fn pod_metrics(&self, cx: &Context) -> Result<Vec<PodMetrics>> {
        let answer = self.client().list_pod_sandbox_metrics(cx, cri::ListPodSandboxMetricsRequest {}).await;
        answer
            .map(|answer| answer.pod_metrics.into_iter().map(native::pod_metrics).collect())
            .map_err(of_call("ListPodSandboxMetrics"))
    }

    /// All that the runtime says of itself: CRI's `Version` and `Status`, verbosely.
    ///
    /// # Errors
    /// `Unavailable` when it doesn't answer.
    pub async fn runtime_details(&self, cx: &Context) -> Result<RuntimeDetails> {
        let version = self.client().version(cx, cri::VersionRequest { version: String::new() }).await;
        let version = version.map_err(of_call("Version"))?;
        let answer = self.client().status(cx, cri::StatusRequest { verbose: true }).await;
        let mut answer = answer.map_err(of_call("Status"))?;
        Ok(RuntimeDetails {
            info: std::mem::take(&mut answer.info).into_iter().collect(),
            handlers: answer.runtime_handlers.iter().map(|handler| handler.name.clone()).collect(),
            health: status::health(version, answer),
        })
    }
}

/// The error of a call by its name in CRI.
fn of_call(call: &'static str) -> impl Fn(Refusal) -> Error {
    move |refusal| {
        let error = match refusal.code {
            Some(Code::Unimplemented) => Error::unsupported(format_args!("CRI's {call}"))
                .with_context("runtime", refusal.error.message()),
            _ => refusal.into(),
        };
        error.with_driver(NAME).with_context("call", call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime_core::ErrorKind;
    use tonic::Status;

    #[test]
    fn a_call_that_is_not_there_is_named() {
        let error = of_call("RuntimeConfig")(Refusal::new(&Status::unimplemented("unknown method")));
        assert_eq!((error.kind(), error.driver()), (ErrorKind::Unsupported, Some("cri")));
        assert!(error.message().contains("RuntimeConfig"), "{error}");
        let error = of_call("RuntimeConfig")(Refusal::new(&Status::unknown("no")));
        assert_eq!(error.kind(), ErrorKind::Failed);
    }
}
