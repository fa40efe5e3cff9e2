//! From CRI to wharf's types and back nothing is lost.

mod arbitrary;

use proptest::prelude::*;
use runtime_core::{
    ErrorKind,
    spec::{ContainerSpec, CpuQuota, Mount, NamespaceMode, PodSecurity, PodSpec, SecurityProfile},
};

use super::{container_config, container_spec, pod_config, pod_spec};

proptest! {
    #[test]
    fn a_pod_comes_back_whole(config in arbitrary::pod()) {
        let spec = pod_spec(config.clone()).unwrap();
        prop_assert_eq!(pod_config(&spec).unwrap(), config);
    }

    #[test]
    fn a_container_comes_back_whole(config in arbitrary::container()) {
        let spec = container_spec(config.clone()).unwrap();
        prop_assert_eq!(container_config(&spec, &PodSecurity::default()).unwrap(), config);
    }

    #[test]
    fn specs_survive_being_stored(config in arbitrary::pod()) {
        let spec = pod_spec(config).unwrap();
        let stored = serde_json::to_string(&spec).unwrap();
        prop_assert_eq!(serde_json::from_str::<PodSpec>(&stored).unwrap(), spec);
    }
}

#[test]
fn what_a_container_does_not_say_is_its_pods() {
    let mut pod = PodSecurity::default();
    pod.namespaces.network = NamespaceMode::Node;
    pod.seccomp = Some(SecurityProfile::RuntimeDefault);
    let config = container_config(&ContainerSpec::new("c", "image"), &pod).unwrap();
    let security = config.linux.unwrap().security_context.unwrap();
    assert_eq!(security.namespace_options.unwrap().network, 2);
    assert!(security.seccomp.is_some());
    assert!(security.masked_paths.contains(&"/proc/kcore".to_owned()));
    assert!(security.readonly_paths.contains(&"/proc/sys".to_owned()));
}

#[test]
fn what_a_container_says_wins() {
    let pod = PodSecurity::default();
    let mut spec = ContainerSpec::new("c", "image");
    spec.security.masked_paths = Some(Vec::new());
    spec.security.namespaces = Some(Default::default());
    let config = container_config(&spec, &pod).unwrap();
    let security = config.linux.unwrap().security_context.unwrap();
    assert!(security.masked_paths.is_empty());
    assert_eq!(security.namespace_options.unwrap().pid, 1);
}

#[test]
fn numbers_that_cri_cannot_carry_are_named() {
    let mut spec = ContainerSpec::new("c", "image");
    spec.resources.linux.cpu_quota = Some(CpuQuota::Micros(u64::MAX));
    let error = container_config(&spec, &PodSecurity::default()).unwrap_err();
    assert_eq!(error.field(), Some("resources.linux.cpuQuota"));
}

#[test]
fn volumes_have_no_place_in_cri() {
    let spec = ContainerSpec::new("c", "image").with_mount(Mount::volume("v", "/v"));
    let error = container_config(&spec, &PodSecurity::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn values_that_cri_does_not_define_are_refused() {
    use k8s_cri::v1 as cri;
    let port = |container_port, protocol| cri::PodSandboxConfig {
        port_mappings: vec![cri::PortMapping { container_port, protocol, ..Default::default() }],
        ..Default::default()
    };
    assert_eq!(pod_spec(port(-1, 0)).unwrap_err().field(), Some("ports.containerPort"));
    assert_eq!(pod_spec(port(80, 9)).unwrap_err().field(), Some("ports.protocol"));
}
