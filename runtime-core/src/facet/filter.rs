//! Which objects a filter means.

use std::collections::BTreeMap;

use super::{ContainerFilter, PodFilter};
use crate::{ContainerSummary, PodSummary};

impl PodFilter {
    /// Whether everything that the filter says is so, for drivers whose system can't filter by all of it.
    #[must_use]
    pub fn matches(&self, pod: &PodSummary) -> bool {
        let Self { id, name, namespace, phase, labels } = self;
        id.as_ref().is_none_or(|id| *id == pod.id)
            && name.as_ref().is_none_or(|name| *name == pod.name)
            && namespace.as_ref().is_none_or(|namespace| *namespace == pod.namespace)
            && phase.is_none_or(|phase| phase == pod.phase)
            && has_all(&pod.labels, labels)
    }
}

impl ContainerFilter {
    /// Whether everything that the filter says is so, for drivers whose system can't filter by all of it.
    #[must_use]
    pub fn matches(&self, container: &ContainerSummary) -> bool {
        let Self { id, pod, name, phase, labels } = self;
        id.as_ref().is_none_or(|id| *id == container.id)
            && pod.as_ref().is_none_or(|pod| Some(pod) == container.pod.as_ref())
            && name.as_ref().is_none_or(|name| *name == container.name)
            && phase.is_none_or(|phase| phase == container.phase)
            && has_all(&container.labels, labels)
    }
}

fn has_all(labels: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ContainerPhase, PodPhase};

    #[test]
    fn everything_that_is_said_must_fit() {
        let mut pod = PodSummary::new("p1".into(), "web", "default", PodPhase::Running);
        pod.labels.insert("app".into(), "web".into());
        let labelled = PodFilter::default().with_label("app", "web");
        for filter in [PodFilter::default(), labelled.clone(), labelled.clone().with_phase(PodPhase::Running)]
        {
            assert!(filter.matches(&pod), "{filter:?}");
        }
        for filter in [
            PodFilter::default().with_label("app", "db"),
            PodFilter::default().with_name("we"),
            PodFilter::default().with_namespace("other"),
            labelled.with_phase(PodPhase::Stopped),
        ] {
            assert!(!filter.matches(&pod), "{filter:?}");
        }
        let mut container = ContainerSummary::new("c1".into(), "app", ContainerPhase::Exited);
        container.pod = Some("p1".into());
        assert!(ContainerFilter::of_pod(&"p1".into()).matches(&container));
        assert!(!ContainerFilter::of_pod(&"p2".into()).matches(&container));
        assert!(!ContainerFilter::default().with_phase(ContainerPhase::Created).matches(&container));
    }
}
