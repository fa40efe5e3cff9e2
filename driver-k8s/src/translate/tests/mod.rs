//! From specs to Kubernetes and back nothing is lost, and pods that fail are told at once.

mod arbitrary;
mod failures;
mod fields;
mod manifests;
mod replay;
mod statuses;
mod volumes;

use k8s_openapi::api::core::v1 as k8s;
use proptest::prelude::*;
use runtime_core::{
    ErrorKind,
    compose::Mark,
    helpers::{arch::Architecture, pull_policy::PullPolicy},
    spec::{ContainerSpec, DnsConfig, Mount, PodSpec, RegistryCredentials, Volume, VolumeSource},
};
use serde_json::{Value, json};

use super::{ARCH_LABEL, Objects, objects, pod_spec};
use crate::{
    options::{K8sPodOptions, Toolbox, ToolboxSource},
    strict,
};

/// As it is created, over the wire.
fn made(spec: &PodSpec) -> Objects {
    let mark = Mark::of_pod(spec, spec.attempt).unwrap();
    let namespace = spec.namespace.as_deref().unwrap_or_default();
    let Objects { pod, secret } = objects(spec, namespace, Some(&mark), ARCH_LABEL).unwrap();
    let pod = strict::read(serde_json::to_value(pod).unwrap()).unwrap();
    let secret = secret.map(|secret| strict::read(serde_json::to_value(secret).unwrap()).unwrap());
    Objects { pod, secret }
}

fn back(made: &Objects) -> PodSpec {
    pod_spec(made.pod.clone(), made.secret.as_ref()).unwrap()
}

fn pod_json(spec: &PodSpec) -> Value {
    serde_json::to_value(made(spec).pod).unwrap()
}

fn plain() -> PodSpec {
    PodSpec::new("web").with_container(ContainerSpec::new("main", "image:1"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_spec_comes_back_whole(spec in arbitrary::spec()) {
        prop_assert_eq!(back(&made(&spec)), spec);
    }

    #[test]
    fn a_manifest_comes_back_whole(spec in arbitrary::spec()) {
        let yaml = super::manifest::to_yaml(&spec).unwrap();
        prop_assert_eq!(super::manifest::from_yaml(&yaml).unwrap(), spec);
    }

    #[test]
    fn what_the_api_server_adds_is_not_what_was_said(spec in arbitrary::spec()) {
        let mut made = made(&spec);
        as_server(&mut made.pod);
        prop_assert_eq!(back(&made), spec);
    }
}

/// What an API server and scheduler of 1.36 add to a pod that says nothing of it.
fn as_server(pod: &mut k8s::Pod) {
    pod.metadata.uid = Some("753f9b6e".to_owned());
    pod.metadata.resource_version = Some("598".to_owned());
    pod.metadata.generation = Some(1);
    let spec = pod.spec.as_mut().unwrap();
    for container in spec.init_containers.iter_mut().flatten().chain(&mut spec.containers) {
        container.resources.get_or_insert_default();
        container.termination_message_path.get_or_insert_with(|| "/dev/termination-log".to_owned());
        container.termination_message_policy.get_or_insert_with(|| "File".to_owned());
    }
    spec.dns_policy.get_or_insert_with(|| "ClusterFirst".to_owned());
    spec.enable_service_links.get_or_insert(true);
    spec.node_name.get_or_insert_with(|| "node1".to_owned());
    spec.preemption_policy.get_or_insert_with(|| "PreemptLowerPriority".to_owned());
    spec.priority.get_or_insert(0);
    spec.scheduler_name.get_or_insert_with(|| "default-scheduler".to_owned());
    spec.security_context.get_or_insert_default();
    let account = spec.service_account_name.get_or_insert_with(|| "default".to_owned()).clone();
    spec.service_account = Some(account);
    spec.termination_grace_period_seconds.get_or_insert(30);
    for key in ["not-ready", "unreachable"] {
        spec.tolerations.get_or_insert_default().push(k8s::Toleration {
            key: Some(format!("node.kubernetes.io/{key}")),
            operator: Some("Exists".to_owned()),
            effect: Some("NoExecute".to_owned()),
            toleration_seconds: Some(300),
            value: None,
        });
    }
}

#[test]
fn a_plain_pod_says_no_more_than_it_must() {
    let pod = objects(&plain(), "ns", None, ARCH_LABEL).unwrap().pod;
    assert_eq!(
        serde_json::to_value(pod).unwrap(),
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "web", "namespace": "ns", "annotations": {"wharf.dev/spec": "{}"}},
            "spec": {
                "automountServiceAccountToken": false,
                "containers": [{"name": "main", "image": "image:1", "imagePullPolicy": "Always"}],
                "restartPolicy": "Never",
            },
        })
    );
}

#[test]
fn marks_find_what_was_made_and_are_not_the_callers() {
    let spec = plain().with_label("app", "web").with_pull_secret(RegistryCredentials::basic("r", "me", "x"));
    let made = made(&spec);
    let labels = made.pod.metadata.labels.clone().unwrap();
    assert!(labels.contains_key("wharf.dev/create"));
    let secret = made.secret.as_ref().unwrap();
    assert_eq!(secret.metadata.labels.as_ref().unwrap()["wharf.dev/create"], labels["wharf.dev/create"]);
    assert!(Mark::is_of_pod(made.pod.metadata.annotations.as_ref().unwrap(), &spec, 0).unwrap());
    assert_eq!(back(&made).labels, spec.labels);
}

#[test]
fn neither_credentials_nor_variables_are_in_debug_and_credentials_not_in_the_pod() {
    let mut spec = plain().with_pull_secret(RegistryCredentials::basic("r", "me", "hunter2"));
    spec.containers[0] = spec.containers[0].clone().with_env("A", "hunter3");
    let objects = made(&spec);
    assert!(!format!("{objects:?}").contains("hunter"), "{objects:?}");
    assert!(!pod_json(&spec).to_string().contains("hunter2"));
    assert!(pod_json(&spec).to_string().contains("hunter3"));
    let options = K8sPodOptions { env_secret: true, ..K8sPodOptions::default() };
    spec.extensions.set(&options).unwrap();
    assert!(!pod_json(&spec).to_string().contains("hunter3"));
    assert_eq!(back(&made(&spec)), spec);
}

#[test]
fn without_its_secret_a_pod_is_told_as_it_is() {
    let options = K8sPodOptions { env_secret: true, ..K8sPodOptions::default() };
    let mut spec = plain();
    spec.containers[0] = spec.containers[0].clone().with_env("A", "hunter3");
    spec.extensions.set(&options).unwrap();
    let read = pod_spec(made(&spec).pod, None).unwrap();
    assert!(read.containers[0].env.is_empty());
    let options: K8sPodOptions = read.extensions.get().unwrap();
    assert!(options.containers["main"].env[0].value_from.is_some());
}

#[test]
fn texts_arrive_as_they_are_unless_they_are_to_be_expanded() {
    let mut spec = plain();
    spec.containers[0] = spec.containers[0].clone().with_args(["$(date) $$ $HOME"]).with_env("A", "$(B)");
    let container = pod_json(&spec)["spec"]["containers"][0].clone();
    assert_eq!(container["args"], json!(["$$(date) $$$$ $$HOME"]));
    assert_eq!(container["env"][0]["value"], "$$(B)");
    let mut options = K8sPodOptions::default();
    options.containers.entry("main".to_owned()).or_default().expand = true;
    spec.extensions.set(&options).unwrap();
    assert_eq!(pod_json(&spec)["spec"]["containers"][0]["args"], json!(["$(date) $$ $HOME"]));
}

#[test]
fn arm_versions_share_a_label_and_are_kept_apart() {
    for (architecture, label) in [(Architecture::ArmV6, "arm"), (Architecture::Arm64, "arm64")] {
        let mut spec = plain();
        spec.architecture = Some(architecture);
        assert_eq!(pod_json(&spec)["spec"]["nodeSelector"]["kubernetes.io/arch"], label);
        assert_eq!(back(&made(&spec)), spec);
        let old = objects(&spec, "ns", None, super::OLD_ARCH_LABEL).unwrap();
        assert_eq!(pod_spec(old.pod, None).unwrap().architecture, Some(architecture));
    }
}

#[test]
fn paths_of_the_host_become_volumes_with_names_of_their_own() {
    let mut spec = plain();
    spec.volumes = vec![Volume { name: "host-0".into(), source: VolumeSource::Tmpfs { size_limit: None } }];
    for (path, target) in [("/a", "/x"), ("/b", "/y"), ("/a", "/z")] {
        spec.containers[0].mounts.push(Mount::host(path, target));
    }
    let pod = pod_json(&spec);
    let names: Vec<_> =
        pod["spec"]["volumes"].as_array().unwrap().iter().map(|volume| &volume["name"]).collect();
    assert_eq!(names, ["host-0", "host-1", "host-2"]);
    assert_eq!(back(&made(&spec)), spec);
}

#[test]
fn the_toolbox_comes_before_everything_and_goes_without_trace() {
    for via in [ToolboxSource::InitContainer, ToolboxSource::ImageVolume] {
        let mut spec = plain().with_init_container(ContainerSpec::new("first", "image:1"));
        let toolbox = Some(Toolbox { via, ..Toolbox::new("toolbox:1", "/bin/toolbox") });
        let options = K8sPodOptions { toolbox, ..K8sPodOptions::default() };
        spec.extensions.set(&options).unwrap();
        let pod = pod_json(&spec)["spec"].clone();
        let is_copied = via == ToolboxSource::InitContainer;
        assert_eq!(pod["initContainers"][0]["name"] == "wharf-toolbox", is_copied);
        for container in [&pod["initContainers"][usize::from(is_copied)], &pod["containers"][0]] {
            assert_eq!(container["volumeMounts"][0]["mountPath"], "/.wharf");
            assert_eq!(container["volumeMounts"][0]["readOnly"], true);
        }
        assert_eq!(back(&made(&spec)), spec);
    }
}

/// One row a mistake: what is wrong, its kind, and the field that the error must name.
#[test]
fn what_kubernetes_cannot_carry_is_named() {
    type Change = fn(&mut PodSpec, &mut K8sPodOptions);
    let (unsupported, invalid) = (ErrorKind::Unsupported, ErrorKind::InvalidArgument);
    let rows: &[(ErrorKind, &str, Change)] = &[
        (invalid, "containers", |pod, _| pod.containers.clear()),
        (unsupported, "logDirectory", |pod, _| pod.log_directory = Some("/x".into())),
        (unsupported, "security.runAsUser", |pod, _| pod.security.run_as_user = Some(1)),
        (unsupported, "containers[0].stopSignal", |pod, _| {
            pod.containers[0].stop_signal = Some("SIGINT".into())
        }),
        (unsupported, "containers[0].resources.linux.cpuShares", |pod, _| {
            pod.containers[0].resources.linux.cpu_shares = Some(512);
        }),
        (unsupported, "containers[0].mounts[0].selinuxRelabel", |pod, _| {
            pod.containers[0].mounts = vec![Mount::host("/a", "/b")];
            pod.containers[0].mounts[0].selinux_relabel = true;
        }),
        (invalid, "containers[0].mounts[0].target", |pod, _| {
            pod.containers[0].mounts = vec![Mount::host("/a", "/b:c")];
        }),
        (invalid, "containers[0].mounts[1].target", |pod, _| {
            pod.containers[0].mounts = vec![Mount::host("/a", "/b"), Mount::host("/c", "/b")];
        }),
        (invalid, "annotations", |pod, _| {
            pod.annotations.insert("long".into(), "x".repeat(256 << 10));
        }),
        (unsupported, "containers[1].security.supplementalGroups", |pod, _| {
            pod.containers.push(ContainerSpec::new("second", "image:1"));
            pod.containers[1].security.supplemental_groups = vec![7];
        }),
        (unsupported, "containers[0].security.namespaces", |pod, _| {
            let mut own = pod.security.namespaces.clone();
            own.network = runtime_core::spec::NamespaceMode::Node;
            pod.containers[0].security.namespaces = Some(own);
        }),
        (invalid, "extensions.k8s.containers[\"nobody\"]", |_, options| {
            options.containers.insert("nobody".into(), Default::default());
        }),
        (invalid, "extensions.k8s.containers[\"main\"].volumeMounts", |_, options| {
            let mount = k8s::VolumeMount { name: "none".into(), ..Default::default() };
            options.containers.entry("main".into()).or_default().volume_mounts.push(mount);
        }),
        (invalid, "extensions.k8s.containers[\"main\"].env[0]", |_, options| {
            let plain = k8s::EnvVar { name: "A".into(), value: Some("b".into()), value_from: None };
            options.containers.entry("main".into()).or_default().env.push(plain);
        }),
        (invalid, "extensions.k8s.containers.main.limits[\"nvidia.com/gpu\"]", |_, options| {
            let of = options.containers.entry("main".into()).or_default();
            of.limits.insert(
                "nvidia.com/gpu".into(),
                k8s_openapi::apimachinery::pkg::api::resource::Quantity("one".into()),
            );
        }),
        (invalid, "extensions.k8s.nodeSelector", |_, options| {
            options.node_selector.insert("a b".into(), String::new());
        }),
        (invalid, "extensions.k8s.nodeSelector[\"kubernetes.io/arch\"]", |pod, options| {
            pod.architecture = Some(Architecture::Amd64);
            options.node_selector.insert("kubernetes.io/arch".into(), "arm64".into());
        }),
        (invalid, "extensions.k8s.activeDeadlineSeconds", |_, options| {
            options.active_deadline_seconds = Some(0)
        }),
        (invalid, "extensions.k8s.toolbox.program", |_, options| {
            options.toolbox = Some(Toolbox::new("image:1", "toolbox"));
        }),
    ];
    for (kind, field, change) in rows {
        let (mut spec, mut options) = (plain(), K8sPodOptions::default());
        change(&mut spec, &mut options);
        spec.extensions.set(&options).unwrap();
        let error = objects(&spec, "ns", None, ARCH_LABEL).expect_err(field);
        assert_eq!((error.kind(), error.field()), (*kind, Some(*field)), "{error}");
    }
}

#[test]
fn options_of_the_wrong_form_are_named() {
    for (options, what) in [
        (json!({"tolerationz": []}), "tolerationz"),
        (json!({"tolerations": [{"kee": "a"}]}), "[0].kee"),
        (json!({"containers": {"main": {"livenessProbe": {"httpGet": {"prt": 1}}}}}), "httpGet.prt"),
        (json!({"unschedulableLimit": "soon"}), "soon"),
    ] {
        let extensions =
            serde_json::from_value::<runtime_core::spec::Extensions>(json!({"k8s": options})).unwrap();
        let error = extensions.get::<K8sPodOptions>().unwrap_err();
        assert!(error.message().contains(what), "{error}");
    }
}

#[test]
fn a_pods_user_and_groups_are_its_containers() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
        "securityContext": {"runAsUser": 7, "runAsGroup": 8, "supplementalGroups": [9], "fsGroup": 10},
        "containers": [
            {"name": "a", "image": "i"},
            {"name": "b", "image": "i", "securityContext": {"runAsUser": 1}},
        ],
    }});
    let spec = pod_spec(strict::read(pod).unwrap(), None).unwrap();
    let user = |index: usize| {
        let security = &spec.containers[index].security;
        (security.run_as_user, security.run_as_group, security.supplemental_groups.clone())
    };
    assert_eq!(user(0), (Some(7), Some(8), vec![9]));
    assert_eq!(user(1), (Some(1), Some(8), vec![9]));
    assert_eq!(spec.extensions.get::<K8sPodOptions>().unwrap().security.fs_group, Some(10));
}

#[test]
fn images_are_pulled_each_time_unless_the_spec_says_otherwise() {
    for (said, sent) in [
        (None, "Always"),
        (Some(PullPolicy::Always), "Always"),
        (Some(PullPolicy::IfNotPresent), "IfNotPresent"),
        (Some(PullPolicy::Never), "Never"),
    ] {
        let mut spec = plain();
        spec.containers[0].pull_policy = said;
        assert_eq!(pod_json(&spec)["spec"]["containers"][0]["imagePullPolicy"], sent);
        assert_eq!(back(&made(&spec)), spec);
    }
    let dns = DnsConfig { servers: vec!["10.0.0.1".into()], ..DnsConfig::default() };
    let mut spec = plain();
    spec.dns = Some(dns);
    assert_eq!(pod_json(&spec)["spec"]["dnsPolicy"], "None");
}
