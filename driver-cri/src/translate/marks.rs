//! Annotations that only this driver writes, beside the marks that all do.

use std::collections::HashMap;

use runtime_core::{Error, Result, spec::PodSpec};

/// Annotation of a pod: its spec as JSON, without containers and secrets. CRI wants the whole sandbox configuration again
/// whenever a container is added, maybe by another process than the one that made the pod.
pub(crate) const SPEC: &str = "wharf.dev/spec";

/// Annotation of a pod: its log directory was made by wharf and goes with it.
pub(crate) const LOG_DIRECTORY: &str = "wharf.dev/log-directory";

/// Annotation of a container: its image as the caller named it.
pub(crate) const IMAGE: &str = "wharf.dev/image";

/// The pod's spec for [`SPEC`].
pub(crate) fn to_json(spec: &PodSpec) -> Result<String> {
    let mut spec = spec.clone();
    spec.containers.clear();
    spec.init_containers.clear();
    spec.pull_secrets.clear();
    serde_json::to_string(&spec).map_err(|error| Error::invalid("spec", error))
}

/// The pod's spec from its annotations; `None` if wharf didn't make it.
pub(crate) fn from_json(annotations: &HashMap<String, String>) -> Option<PodSpec> {
    serde_json::from_str(annotations.get(SPEC)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime_core::spec::{ContainerSpec, RegistryCredentials};

    #[test]
    fn the_stored_spec_has_no_secrets() {
        let spec = PodSpec::new("p")
            .with_label("a", "b")
            .with_container(ContainerSpec::new("c", "image:1").with_env("A", "hunter2"))
            .with_init_container(ContainerSpec::new("i", "image:1").with_env("A", "hunter2"))
            .with_pull_secret(RegistryCredentials::basic("registry", "me", "hunter2"));
        let json = to_json(&spec).unwrap();
        assert!(!json.contains("hunter2"), "{json}");
        let back = from_json(&HashMap::from([(SPEC.to_owned(), json)])).unwrap();
        assert_eq!(back, PodSpec::new("p").with_label("a", "b"));
    }
}
