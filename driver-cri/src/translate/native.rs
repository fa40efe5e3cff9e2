//! Messages of the calls that only CRI has.

use k8s_cri::v1 as cri;
use runtime_core::{ContainerId, PodId};

use super::status::timestamp;
use crate::native::{CgroupDriver, Metric, MetricDescriptor, MetricKind, PodMetrics, RuntimeConfig};

pub(crate) fn runtime_config(answer: cri::RuntimeConfigResponse) -> RuntimeConfig {
    let of_linux = |linux: cri::LinuxRuntimeConfiguration| match cri::CgroupDriver::try_from(
        linux.cgroup_driver,
    )
    .ok()?
    {
        cri::CgroupDriver::Systemd => Some(CgroupDriver::Systemd),
        cri::CgroupDriver::Cgroupfs => Some(CgroupDriver::Cgroupfs),
    };
    RuntimeConfig { cgroup_driver: answer.linux.and_then(of_linux) }
}

pub(crate) fn descriptor(message: cri::MetricDescriptor) -> MetricDescriptor {
    MetricDescriptor { name: message.name, help: message.help, labels: message.label_keys }
}

pub(crate) fn pod_metrics(message: cri::PodSandboxMetrics) -> PodMetrics {
    let of_container =
        |one: cri::ContainerMetrics| (ContainerId::new(one.container_id), metrics(one.metrics));
    PodMetrics {
        pod: PodId::new(message.pod_sandbox_id),
        metrics: metrics(message.metrics),
        containers: message.container_metrics.into_iter().map(of_container).collect(),
    }
}

fn metrics(messages: Vec<cri::Metric>) -> Vec<Metric> {
    let metric = |message: cri::Metric| Metric {
        kind: match message.metric_type() {
            cri::MetricType::Counter => MetricKind::Counter,
            cri::MetricType::Gauge => MetricKind::Gauge,
        },
        name: message.name,
        labels: message.label_values,
        value: message.value.map(|value| value.value),
        measured_at: timestamp(message.timestamp),
    };
    messages.into_iter().map(metric).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_manages_cgroups() {
        let linux = |cgroup_driver| cri::RuntimeConfigResponse {
            linux: Some(cri::LinuxRuntimeConfiguration { cgroup_driver }),
        };
        assert_eq!(runtime_config(linux(0)).cgroup_driver, Some(CgroupDriver::Systemd));
        assert_eq!(runtime_config(linux(1)).cgroup_driver, Some(CgroupDriver::Cgroupfs));
        assert_eq!(runtime_config(linux(9)).cgroup_driver, None);
        assert_eq!(runtime_config(cri::RuntimeConfigResponse { linux: None }).cgroup_driver, None);
    }

    #[test]
    fn metrics_keep_their_labels_and_sort() {
        let metric = cri::Metric {
            name: "usage".into(),
            timestamp: 0,
            metric_type: cri::MetricType::Gauge.into(),
            label_values: vec!["a".into(), "b".into()],
            value: Some(cri::UInt64Value { value: 7 }),
        };
        let told = pod_metrics(cri::PodSandboxMetrics {
            pod_sandbox_id: "p".into(),
            metrics: vec![],
            container_metrics: vec![cri::ContainerMetrics {
                container_id: "c".into(),
                metrics: vec![metric],
            }],
        });
        let (id, metrics) = &told.containers[0];
        assert_eq!((told.pod.as_str(), id.as_str()), ("p", "c"));
        assert_eq!(
            (metrics[0].kind, metrics[0].value, metrics[0].measured_at),
            (MetricKind::Gauge, Some(7), None)
        );
        assert_eq!(metrics[0].labels, ["a", "b"]);
    }
}
