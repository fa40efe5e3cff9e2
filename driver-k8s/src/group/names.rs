//! What the objects of a group are called.

use runtime_core::helpers::name::{MAX_LABEL, sanitize_label};

/// Annotation of a `Lease`: which life of the executor renews it.
pub(super) const INSTANCE: &str = "wharf.dev/instance";

/// Annotation of a `Lease`: the tenure that it stands for.
pub(super) const TENURE: &str = runtime_core::marks::TENURE;

/// Annotation of a `ConfigMap`: a lease, as JSON.
pub(super) const LEASE: &str = "wharf.dev/lease";

/// The key of a group's id in its `ConfigMap`.
pub(super) const ID: &str = "id";

/// The `ConfigMap` with the id of the group of this name.
pub(super) fn group(name: &str) -> String {
    format!("wharf-group-{name}")
}

/// The object with the lease of an executor: a DNS subdomain, another one for each group and executor.
pub(super) fn lease(group: &str, executor: &str) -> String {
    format!("wharf-{group}.{}", sanitize_label(executor, MAX_LABEL))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use runtime_core::helpers::name::validate_subdomain;

    use super::*;

    #[test]
    fn every_executor_has_a_name_of_its_own() {
        let long = "a".repeat(63);
        let executors = ["a", "A", "a.b", "a-b", "a_b", "builder-1", long.as_str()];
        let names: BTreeSet<_> = executors.iter().map(|executor| lease("g1", executor)).collect();
        assert_eq!(names.len(), executors.len(), "{names:?}");
        for name in names.iter().chain([&group("builders")]) {
            validate_subdomain(name).unwrap();
        }
        assert_eq!(lease("g1", "builder-1"), "wharf-g1.builder-1");
    }
}
