//! The defaults of pods, and what admission adds to them.

use serde_json::{Value, json};

use super::set;

/// How long a pod stays on a node that is not ready or can't be reached, in seconds.
const NODE_TOLERATION_SECONDS: u32 = 300;

pub(super) fn complete(pod: &mut Value) {
    let spec = &mut pod["spec"];
    if !spec.is_object() {
        *spec = json!({});
    }
    set(spec, "restartPolicy", "Always");
    set(spec, "terminationGracePeriodSeconds", 30);
    set(spec, "dnsPolicy", "ClusterFirst");
    set(spec, "securityContext", json!({}));
    set(spec, "schedulerName", "default-scheduler");
    set(spec, "enableServiceLinks", true);
    set(spec, "priority", 0);
    set(spec, "preemptionPolicy", "PreemptLowerPriority");
    complete_account(spec);
    complete_tolerations(spec);
    let is_on_host = spec["hostNetwork"].as_bool().unwrap_or_default();
    for field in ["initContainers", "containers"] {
        for container in spec[field].as_array_mut().into_iter().flatten() {
            complete_container(container, is_on_host);
        }
    }
    spec["volumes"].as_array_mut().into_iter().flatten().for_each(complete_volume);
    drop_null(spec, &["initContainers", "containers", "volumes", "hostNetwork"]);
}

/// Both names of the account are one.
fn complete_account(spec: &mut Value) {
    let given = [&spec["serviceAccountName"], &spec["serviceAccount"]];
    let name = given.into_iter().filter_map(Value::as_str).find(|name| !name.is_empty()).unwrap_or("default");
    let name = name.to_owned();
    spec["serviceAccountName"] = name.as_str().into();
    spec["serviceAccount"] = name.into();
}

fn complete_tolerations(spec: &mut Value) {
    set(spec, "tolerations", json!([]));
    let Some(tolerations) = spec["tolerations"].as_array_mut() else { return };
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covers = |it: &Value| {
            (it["key"] == key || it["key"].is_null())
                && matches!(it["effect"].as_str(), None | Some("" | "NoExecute"))
        };
        if !tolerations.iter().any(covers) {
            tolerations.push(json!({
                "key": key,
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": NODE_TOLERATION_SECONDS,
            }));
        }
    }
}

fn complete_container(container: &mut Value, is_on_host: bool) {
    let image = container["image"].as_str().unwrap_or_default();
    let policy = if is_latest(image) { "Always" } else { "IfNotPresent" };
    set(container, "imagePullPolicy", policy);
    set(container, "terminationMessagePath", "/dev/termination-log");
    set(container, "terminationMessagePolicy", "File");
    set(container, "resources", json!({}));
    // Who sets a limit and no request asks for as much.
    for (name, amount) in container["resources"]["limits"].as_object().cloned().into_iter().flatten() {
        set(&mut container["resources"]["requests"], &name, amount);
    }
    drop_null(&mut container["resources"], &["limits", "requests"]);
    for port in container["ports"].as_array_mut().into_iter().flatten() {
        set(port, "protocol", "TCP");
        if is_on_host {
            let inside = port["containerPort"].clone();
            set(port, "hostPort", inside);
        }
    }
    for variable in container["env"].as_array_mut().into_iter().flatten() {
        if variable["valueFrom"]["fieldRef"].is_object() {
            set(&mut variable["valueFrom"]["fieldRef"], "apiVersion", "v1");
        }
        drop_null(variable, &["valueFrom"]);
    }
    drop_null(container, &["ports", "env"]);
}

fn complete_volume(volume: &mut Value) {
    const FILE_MODE: u32 = 0o644;
    for kind in ["configMap", "downwardAPI", "projected", "secret"] {
        if volume[kind].is_object() {
            set(&mut volume[kind], "defaultMode", FILE_MODE);
        }
    }
    if volume["hostPath"].is_object() {
        set(&mut volume["hostPath"], "type", "");
    }
    if volume.as_object().is_some_and(|fields| fields.values().filter(|it| !it.is_null()).count() == 1) {
        // Only the name is said.
        volume["emptyDir"] = json!({});
    }
    drop_null(volume, &["configMap", "downwardAPI", "projected", "secret", "hostPath"]);
}

/// Whether an image has the tag `latest`, or neither tag nor digest.
fn is_latest(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let name = image.rsplit('/').next().unwrap_or_default();
    name.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

/// Removes fields that were only looked at: indexing makes them.
fn drop_null(object: &mut Value, fields: &[&str]) {
    let Some(map) = object.as_object_mut() else { return };
    map.retain(|key, value| !value.is_null() || !fields.contains(&key.as_str()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(spec: Value) -> Value {
        let mut pod = json!({"metadata": {"name": "a"}, "spec": spec});
        complete(&mut pod);
        pod["spec"].take()
    }

    #[test]
    fn a_pod_gets_what_the_recorded_one_got() {
        let spec = completed(json!({
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": false,
            "containers": [{"name": "maincontainer", "image": "localhost:5000/e2e-test-images/busybox:1.29-2"}],
        }));
        let toleration = |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
        assert_eq!(
            spec,
            json!({
                "containers": [{
                    "name": "maincontainer",
                    "image": "localhost:5000/e2e-test-images/busybox:1.29-2",
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                    "imagePullPolicy": "IfNotPresent",
                }],
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 1,
                "dnsPolicy": "ClusterFirst",
                "serviceAccountName": "default",
                "serviceAccount": "default",
                "automountServiceAccountToken": false,
                "securityContext": {},
                "schedulerName": "default-scheduler",
                "tolerations": [
                    toleration("node.kubernetes.io/not-ready"),
                    toleration("node.kubernetes.io/unreachable"),
                ],
                "priority": 0,
                "enableServiceLinks": true,
                "preemptionPolicy": "PreemptLowerPriority",
            })
        );
    }

    #[test]
    fn details_are_completed() {
        let spec = completed(json!({
            "hostNetwork": true,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{
                "name": "c", "image": "busybox",
                "ports": [{"containerPort": 80}],
                "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                "resources": {"limits": {"cpu": "1"}},
            }],
            "volumes": [{"name": "e"}, {"name": "s", "secret": {"secretName": "s"}}],
        }));
        let container = &spec["containers"][0];
        assert_eq!(container["imagePullPolicy"], "Always");
        assert_eq!(container["ports"][0], json!({"containerPort": 80, "hostPort": 80, "protocol": "TCP"}));
        assert_eq!(container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"], "v1");
        assert_eq!(container["resources"]["requests"], json!({"cpu": "1"}));
        assert_eq!(spec["tolerations"].as_array().unwrap().len(), 1);
        assert_eq!(spec["volumes"][0], json!({"name": "e", "emptyDir": {}}));
        assert_eq!(spec["volumes"][1]["secret"]["defaultMode"], 420);
    }

    #[test]
    fn tags_decide_how_images_are_pulled() {
        for (image, latest) in [
            ("busybox", true),
            ("localhost:5000/busybox", true),
            ("busybox:latest", true),
            ("busybox:1.29", false),
            ("busybox@sha256:aa", false),
        ] {
            assert_eq!(is_latest(image), latest, "{image}");
        }
    }
}
