//! Which objects a filter means.

use std::collections::BTreeMap;

use runtime_core::{ContainerFilter, ContainerSummary, PodFilter, PodSummary};

/// Whether everything that the filter says is so.
pub(in super::super) fn pod_fits(filter: &PodFilter, pod: &PodSummary) -> bool {
    filter.id.as_ref().is_none_or(|id| *id == pod.id)
        && filter.name.as_ref().is_none_or(|name| *name == pod.name)
        && filter.namespace.as_ref().is_none_or(|namespace| *namespace == pod.namespace)
        && filter.phase.is_none_or(|phase| phase == pod.phase)
        && has_all(&pod.labels, &filter.labels)
}

/// Whether everything that the filter says is so.
pub(in super::super) fn container_fits(filter: &ContainerFilter, container: &ContainerSummary) -> bool {
    filter.id.as_ref().is_none_or(|id| *id == container.id)
        && filter.pod.as_ref().is_none_or(|pod| Some(pod) == container.pod.as_ref())
        && filter.name.as_ref().is_none_or(|name| *name == container.name)
        && filter.phase.is_none_or(|phase| phase == container.phase)
        && has_all(&container.labels, &filter.labels)
}

fn has_all(labels: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime_core::{ContainerPhase, PodPhase};

    #[test]
    fn everything_that_is_said_must_fit() {
        let mut pod = PodSummary::new("p1".into(), "web", "default", PodPhase::Running);
        pod.labels.insert("app".into(), "web".into());
        let labelled = PodFilter::default().with_label("app", "web");
        for filter in [PodFilter::default(), labelled.clone(), labelled.clone().with_phase(PodPhase::Running)]
        {
            assert!(pod_fits(&filter, &pod), "{filter:?}");
        }
        for filter in [
            PodFilter::default().with_label("app", "db"),
            PodFilter::default().with_name("we"),
            PodFilter::default().with_namespace("other"),
            labelled.with_phase(PodPhase::Stopped),
        ] {
            assert!(!pod_fits(&filter, &pod), "{filter:?}");
        }
        let mut container = ContainerSummary::new("c1".into(), "app", ContainerPhase::Exited);
        container.pod = Some("p1".into());
        assert!(container_fits(&ContainerFilter::of_pod(&"p1".into()), &container));
        assert!(!container_fits(&ContainerFilter::of_pod(&"p2".into()), &container));
        assert!(!container_fits(&ContainerFilter::default().with_phase(ContainerPhase::Created), &container));
    }
}
