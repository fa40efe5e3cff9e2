//! Input that no server would take, or that it would take for something else: refused with the field, before any request.

use serde_json::{Value, json};
use testkit::{
    conformance::{Failure, Verdict},
    ensure, ensure_eq,
};
use wharf::{
    Context, Driver, ErrorKind, RunOptions,
    k8s::K8sDriver,
    spec::{
        Bytes, ContainerSpec, EnvVar, MilliCpu, Mount, PodSpec, RegistryCredentials, Resources, Volume,
        VolumeSource,
    },
};

use super::own::{Own, on_its_own};

on_its_own! { Contract;
    bad_names_are_refused_before_any_request,
    bad_containers_are_refused_before_any_request,
    bad_volumes_are_refused_before_any_request,
    bad_amounts_are_refused_before_any_request,
    bad_options_are_refused_before_any_request,
}

type Change = fn(&mut PodSpec);

async fn bad_names_are_refused_before_any_request(own: &Own<'_>) -> Verdict {
    let rows: &[(&str, Change)] = &[
        ("name", |pod| pod.name = "x".repeat(300)),
        ("name", |pod| pod.name = "Upper".to_owned()),
        ("name", |pod| pod.name = "a_b".to_owned()),
        ("namespace", |pod| pod.namespace = Some("x".repeat(300))),
        ("namespace", |pod| pod.namespace = Some("a.b".to_owned())),
        ("labels", |pod| drop(pod.labels.insert("k".to_owned(), "a b!".to_owned()))),
        ("labels", |pod| drop(pod.labels.insert("k".to_owned(), "x".repeat(64)))),
        ("labels", |pod| drop(pod.labels.insert("a b".to_owned(), "v".to_owned()))),
        ("labels", |pod| drop(pod.labels.insert(format!("{}/k", "x".repeat(300)), "v".to_owned()))),
        ("annotations", |pod| drop(pod.annotations.insert("a/b/c".to_owned(), String::new()))),
        ("annotations", |pod| drop(pod.annotations.insert("k".to_owned(), "x".repeat(300 << 10)))),
        ("hostname", |pod| pod.hostname = Some("a_b".to_owned())),
        ("hostname", |pod| pod.hostname = Some("x".repeat(300))),
    ];
    refused(own, rows).await
}

async fn bad_containers_are_refused_before_any_request(own: &Own<'_>) -> Verdict {
    let rows: &[(&str, Change)] = &[
        ("containers", |pod| pod.containers.clear()),
        ("containers[1].name", |pod| pod.containers.push(pod.containers[0].clone())),
        ("containers[0].name", |pod| pod.init_containers = vec![pod.containers[0].clone()]),
        ("containers[0].name", |pod| pod.containers[0].name = "x".repeat(300)),
        ("containers[0].name", |pod| pod.containers[0].name = "a.b".to_owned()),
        ("containers[0].image", |pod| pod.containers[0].image = "Not An Image".into()),
        ("containers[0].image", |pod| pod.containers[0].image = "".into()),
        ("containers[0].env[0].name", |pod| pod.containers[0].env = vec![EnvVar::new("", "v")]),
        ("containers[0].env[0].name", |pod| pod.containers[0].env = vec![EnvVar::new("A=B", "v")]),
        ("containers[0].workingDir", |pod| pod.containers[0].working_dir = Some("work".to_owned())),
        ("pullSecrets[1].registry", |pod| pod.pull_secrets.push(pod.pull_secrets[0].clone())),
        ("pullSecrets[0].registry", |pod| {
            pod.pull_secrets = vec![RegistryCredentials::basic("", "a", "b")];
        }),
    ];
    refused(own, rows).await
}

async fn bad_volumes_are_refused_before_any_request(own: &Own<'_>) -> Verdict {
    let rows: &[(&str, Change)] = &[
        ("volumes[0].source.sizeLimit", |pod| pod.volumes = vec![tmpfs("v", Some(0))]),
        ("volumes[0].source.sizeLimit", |pod| pod.volumes = vec![tmpfs("v", Some(u64::MAX))]),
        ("volumes[0].name", |pod| pod.volumes = vec![tmpfs("a_b", None)]),
        ("volumes[1].name", |pod| pod.volumes = vec![tmpfs("v", None), tmpfs("v", None)]),
        ("containers[0].mounts[0].source", |pod| {
            pod.containers[0].mounts = vec![Mount::volume("none", "/data")];
        }),
        ("containers[0].mounts[0].target", |pod| mount(pod, &["data"])),
        ("containers[0].mounts[0].target", |pod| mount(pod, &["/da:ta"])),
        ("containers[0].mounts[1].target", |pod| mount(pod, &["/data", "/data"])),
    ];
    refused(own, rows).await
}

async fn bad_amounts_are_refused_before_any_request(own: &Own<'_>) -> Verdict {
    let rows: &[(&str, Change)] = &[
        ("containers[0].resources.limits.memory", |pod| {
            pod.containers[0].resources = Resources::default().with_memory_limit(Bytes(u64::MAX));
        }),
        ("containers[0].resources.requests.cpu", |pod| {
            pod.containers[0].resources =
                Resources::default().with_cpu_limit(MilliCpu(100)).with_cpu_request(MilliCpu(200));
        }),
    ];
    refused(own, rows).await?;
    let amounts = ["lots", "", "1Zi", "1e", "--1", "1 Gi", "1,5"];
    for amount in amounts {
        let options = json!({"containers": {"main": {"limits": {"nvidia.com/gpu": amount}}}});
        with_options(own, "extensions.k8s.containers", options).await?;
        with_options(own, "extensions.k8s.overhead", json!({"overhead": {"cpu": amount}})).await?;
    }
    Ok(())
}

async fn bad_options_are_refused_before_any_request(own: &Own<'_>) -> Verdict {
    for (field, options) in [
        ("extensions.k8s", json!({"nodeSelectr": {}})),
        ("extensions.k8s", json!({"unschedulableLimit": "soon"})),
        ("extensions.k8s.nodeSelector", json!({"nodeSelector": {"a b": "v"}})),
        ("extensions.k8s.nodeSelector", json!({"nodeSelector": {"a": "v w"}})),
        ("extensions.k8s.nodeName", json!({"nodeName": "A_B"})),
        ("extensions.k8s.serviceAccountName", json!({"serviceAccountName": "x".repeat(300)})),
        ("extensions.k8s.activeDeadlineSeconds", json!({"activeDeadlineSeconds": 0})),
        ("extensions.k8s.containers", json!({"containers": {"none": {}}})),
        (
            "extensions.k8s.containers",
            json!({"containers": {"main": {"env": [{"name": "A", "value": "b"}]}}}),
        ),
        ("extensions.k8s.containers", json!({"containers": {"main": {"limits": {"cpu": "1"}}}})),
        ("extensions.k8s.toolbox", json!({"toolbox": {"image": "Not An Image", "program": "/t"}})),
        ("extensions.k8s.toolbox", json!({"toolbox": {"image": "a", "program": "t"}})),
        ("extensions.k8s.volumes", json!({"volumes": [{"name": "a_b", "emptyDir": {}}]})),
        ("extensions.k8s", json!({"volumes": [{"name": "v", "emptyDirr": {}}]})),
    ] {
        with_options(own, field, options).await?;
    }
    Ok(())
}

fn tmpfs(name: &str, size: Option<u64>) -> Volume {
    Volume { name: name.to_owned(), source: VolumeSource::Tmpfs { size_limit: size.map(Bytes) } }
}

fn mount(pod: &mut PodSpec, targets: &[&str]) {
    pod.volumes = vec![tmpfs("v", None)];
    let container: &mut ContainerSpec = &mut pod.containers[0];
    container.mounts = targets.iter().map(|target| Mount::volume("v", *target)).collect();
}

async fn refused(own: &Own<'_>, rows: &[(&str, Change)]) -> Verdict {
    let driver = wharf::k8s::connect(own.config()).await?;
    let mut failures = Vec::new();
    for (field, change) in rows {
        let mut spec = own.pod(["pause"]);
        change(&mut spec);
        if let Err(failure) = refuses(own, &driver, &spec, field).await {
            failures.push(failure);
        }
    }
    ensure!(failures.is_empty(), "{failures:?}");
    Ok(())
}

async fn with_options(own: &Own<'_>, field: &str, options: Value) -> Verdict {
    let driver = wharf::k8s::connect(own.config()).await?;
    let mut spec = own.pod(["pause"]);
    let told = options.to_string();
    spec.extensions = serde_json::from_value(json!({"k8s": options}))?;
    refuses(own, &driver, &spec, field)
        .await
        .map_err(|failure| Failure::Failed(format!("{told}: {failure:?}")))
}

/// The driver by itself names the field, or what is below it, and asks nobody.
async fn refuses(own: &Own<'_>, driver: &K8sDriver, spec: &PodSpec, field: &str) -> Verdict {
    let before = own.fake.requests().total();
    let pods = driver.pods().ok_or("no pods")?;
    let result = pods.run(&Context::background(), spec, &RunOptions::default()).await;
    let requests = own.fake.requests().total() - before;
    let error = result.err().ok_or_else(|| Failure::Failed(format!("{field}: it runs")))?;
    ensure!(
        matches!(error.kind(), ErrorKind::InvalidArgument | ErrorKind::Unsupported),
        "{field}: {error:?}"
    );
    let named = error.field().unwrap_or(error.message());
    ensure!(named.starts_with(field), "{field}: {error:?}");
    ensure_eq!((field, requests), (field, 0));
    Ok(())
}
