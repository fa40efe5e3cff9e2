//! Manifests.

use proptest::prelude::*;
use runtime_core::{
    Capabilities, Capability, Preflight,
    spec::{Bytes, MilliCpu, RestartPolicy, VolumeSource},
};

use crate::{
    options::K8sPodOptions,
    translate::manifest::{from_yaml, to_yaml},
};

const COMMON: &str = r#"
apiVersion: v1
kind: Pod
metadata:
  name: web
  labels: {app: web}
spec:
  restartPolicy: Never
  initContainers:
  - name: prepare
    image: busybox:1
    command: [sh, -c, "echo $HOME > /work/home"]
    volumeMounts:
    - {name: work, mountPath: /work}
  containers:
  - name: main
    image: busybox:1
    args: ["8080"]
    workingDir: /work
    env:
    - {name: A, value: "1"}
    resources:
      requests: {cpu: 0.25}
      limits: {cpu: 500m, memory: 64Mi}
    ports:
    - {containerPort: 8080}
    volumeMounts:
    - {name: work, mountPath: /work, readOnly: true}
    securityContext: {runAsUser: 1000, readOnlyRootFilesystem: true}
  volumes:
  - name: work
    emptyDir: {medium: Memory, sizeLimit: 16Mi}
"#;

#[test]
fn a_common_pod_is_for_any_driver() {
    let spec = from_yaml(COMMON).unwrap();
    assert!(spec.extensions.is_empty());
    assert_eq!((spec.name.as_str(), spec.namespace.as_deref()), ("web", None));
    assert_eq!(spec.restart_policy, RestartPolicy::Never);
    let main = &spec.containers[0];
    assert_eq!(main.resources.requests.cpu, Some(MilliCpu(250)));
    assert_eq!(main.resources.limits.memory, Some(Bytes::mib(64)));
    assert_eq!(main.env[0].value.expose(), "1");
    assert_eq!(main.security.run_as_user, Some(1000));
    assert_eq!(spec.volumes[0].source, VolumeSource::Tmpfs { size_limit: Some(Bytes::mib(16)) });
    assert_eq!(spec.init_containers[0].command[2], "echo $HOME > /work/home");
    let all = Capabilities::none().native(Capability::ALL.iter().copied());
    assert!(Preflight::of(&all, &spec).is_ok());
    assert_eq!(from_yaml(&to_yaml(&spec).unwrap()).unwrap(), spec);
}

#[test]
fn what_only_kubernetes_knows_becomes_options() {
    let yaml = r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: prod}
spec:
  serviceAccountName: builder
  nodeSelector: {kubernetes.io/arch: arm64, disk: ssd}
  tolerations: [{key: dedicated, operator: Exists}]
  terminationGracePeriodSeconds: 5
  containers:
  - name: main
    image: app:1
    args: ["--ip=$(POD_IP)"]
    env:
    - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    envFrom: [{configMapRef: {name: settings}}]
    readinessProbe: {httpGet: {path: /, port: http}}
    ports: [{containerPort: 80, name: http}]
    volumeMounts: [{name: data, mountPath: /data, subPath: web}, {name: logs, mountPath: /logs}]
  volumes:
  - {name: data, persistentVolumeClaim: {claimName: data}}
  - {name: logs, hostPath: {path: /var/log/web}}
"#;
    let spec = from_yaml(yaml).unwrap();
    assert_eq!(spec.restart_policy, RestartPolicy::Always);
    assert_eq!(spec.architecture.map(|architecture| architecture.to_string()).as_deref(), Some("arm64"));
    assert_eq!(spec.containers[0].mounts.len(), 1);
    let options: K8sPodOptions = spec.extensions.get().unwrap();
    assert_eq!(options.node_selector.len(), 1);
    assert_eq!(options.termination_grace_period_seconds, Some(5));
    assert_eq!(options.volumes.len(), 1);
    let main = &options.containers["main"];
    assert!(main.expand && main.readiness_probe.is_some());
    assert_eq!(
        (main.env.len(), main.env_from.len(), main.ports.len(), main.volume_mounts.len()),
        (1, 1, 1, 1)
    );
    assert_eq!(from_yaml(&to_yaml(&spec).unwrap()).unwrap(), spec);
}

/// One row a mistake, and the field that the error must name.
#[test]
fn mistakes_are_named_by_their_path() {
    let change = |from: &str, to: &str| {
        assert!(COMMON.contains(from), "{from}");
        COMMON.replacen(from, to, 1)
    };
    for (yaml, field) in [
        (change("kind: Pod", "kind: Deployment"), "kind"),
        (change("kind: Pod", "sort: Pod"), "kind"),
        (change("apiVersion: v1", "apiVersion: v2"), "apiVersion"),
        (change("  name: web\n", ""), "metadata.name"),
        (change("  name: web\n", "  generateName: web-\n"), "metadata.name"),
        (change("restartPolicy: Never", "restartPolicy: Sometimes"), "spec.restartPolicy"),
        (change("restartPolicy: Never", "restartPolizy: Never"), "spec.restartPolizy"),
        (change("    workingDir:", "    workingDirectory:"), "spec.containers[0].workingDirectory"),
        (change("containerPort: 8080", "containerPort: http"), "spec.containers[0].ports[0].containerPort"),
        (change("containerPort: 8080", "containerPort: 80800"), "spec.containers[0].ports[0].containerPort"),
        (change("memory: 64Mi", "memory: 64MiB"), "spec.containers[0].resources.limits.memory"),
        (change("sizeLimit: 16Mi", "sizeLimit: much"), "spec.volumes[0].emptyDir.sizeLimit"),
        (change("runAsUser: 1000", "runAsUser: -1"), "spec.containers[0].securityContext.runAsUser"),
        (
            change("  restartPolicy", "  ephemeralContainers: [{name: e}]\n  restartPolicy"),
            "spec.ephemeralContainers",
        ),
        (String::new(), "manifest"),
        ("a: [".to_owned(), "manifest"),
        (format!("{COMMON}\n---\n{COMMON}"), "kind"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n---".to_owned() + COMMON, "kind"),
    ] {
        let error = from_yaml(&yaml).unwrap_err();
        assert_eq!(error.field(), Some(field), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever is read can be written, and is the same when it is read again.
    #[test]
    fn a_manifest_with_anything_in_it_is_read_or_refused(
        at in 0..COMMON.len(), length in 0..12usize, text in "[-a-z0-9:{}\\[\\], \n$()\"]{0,12}",
    ) {
        let end = (at + length).min(COMMON.len());
        let yaml = format!("{}{text}{}", &COMMON[..at], &COMMON[end..]);
        if let Ok(spec) = from_yaml(&yaml) && let Ok(written) = to_yaml(&spec) {
            prop_assert_eq!(from_yaml(&written).unwrap(), spec);
        }
    }
}

#[test]
fn a_secret_of_the_wrong_form_is_not_shown() {
    let yaml = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: {hunter2: 1}}\n";
    let error = from_yaml(yaml).unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}
