//! Pods that can't start: each a typed error of its own with Kubernetes' reason, as soon as it is known, and nothing is left.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{
    conformance::{Failure, Verdict},
    ensure, ensure_eq,
    registry::{Auth, Credentials},
};
use wharf::{
    Error, ErrorKind, ObjectKind, RunOptions, WaitFor,
    helpers::pull_policy::PullPolicy,
    spec::{Bytes, PodSpec, Resources},
};

use super::own::{Own, on_its_own, promptly};

on_its_own! { Faults;
    an_image_that_is_not_there,
    an_image_that_is_for_others,
    an_image_that_must_not_be_pulled,
    a_variable_from_a_missing_config_map,
    a_variable_from_a_missing_secret,
    a_volume_of_a_missing_config_map,
    a_volume_of_a_missing_secret,
    a_command_that_is_not_there,
    a_crash_before_the_start,
    a_crash_before_it_is_ready,
    a_crash_again_and_again,
    an_init_container_over_its_memory_limit,
    no_node_fits,
    no_node_fits_within_the_limit,
    a_service_account_that_is_not_there,
}

/// How soon a run must fail whose pod can't start: before its deadline, and before a pod without a node is given up. Nothing
/// here takes a cluster long, on a machine that has nothing else to do.
const AT_ONCE: Duration = Duration::from_secs(50);

/// What an error is, as data.
type Told = (ErrorKind, Option<&'static str>, Option<ObjectKind>);

async fn an_image_that_is_not_there(own: &Own<'_>) -> Verdict {
    let mut spec = own.pod(["pause"]);
    let image = own.env.registry().reference(&own.env.unique("image"), "1");
    spec.containers[0].image = image.as_str().into();
    let error =
        fails(own, &spec, (ErrorKind::NotFound, Some("ErrImagePull"), Some(ObjectKind::Image))).await?;
    ensure_eq!(error.object().map(|object| object.id.as_str()), Some(image.as_str()));
    Ok(())
}

async fn an_image_that_is_for_others(own: &Own<'_>) -> Verdict {
    let (image, _) = own.env.own_image()?;
    let path = image.split_once('/').map_or(image.as_str(), |(_, path)| path);
    let repository = path.rsplit_once(':').map_or(path, |(name, _)| name);
    own.env.registry().protect(repository, Auth::Basic(Credentials::new("user", "pass-word-4")));
    let mut spec = own.pod(["pause"]);
    spec.containers[0].image = image.as_str().into();
    let told = (ErrorKind::Unauthenticated, Some("ErrImagePull"), Some(ObjectKind::Image));
    fails(own, &spec, told).await.map(drop)
}

async fn an_image_that_must_not_be_pulled(own: &Own<'_>) -> Verdict {
    let mut spec = own.pod(["pause"]);
    spec.containers[0].image = own.env.own_image()?.0.into();
    spec.containers[0].pull_policy = Some(PullPolicy::Never);
    let told = (ErrorKind::NotFound, Some("ErrImageNeverPull"), Some(ObjectKind::Container));
    fails(own, &spec, told).await.map(drop)
}

async fn a_variable_from_a_missing_config_map(own: &Own<'_>) -> Verdict {
    let variable = json!({"name": "A", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "k"}}});
    let error = fails(own, &with(own, json!({"env": [variable]}))?, NO_CONFIG).await?;
    ensure!(error.message().contains("none"), "it does not say what is missing: {error}");
    Ok(())
}

async fn a_variable_from_a_missing_secret(own: &Own<'_>) -> Verdict {
    let spec = with(own, json!({"envFrom": [{"secretRef": {"name": "none"}}]}))?;
    fails(own, &spec, NO_CONFIG).await.map(drop)
}

const NO_CONFIG: Told = (ErrorKind::Failed, Some("CreateContainerConfigError"), Some(ObjectKind::Container));

async fn a_volume_of_a_missing_config_map(own: &Own<'_>) -> Verdict {
    volume_is_missing(own, json!({"name": "v", "configMap": {"name": "none"}})).await?;
    let source = json!({"configMap": {"name": "none"}});
    volume_is_missing(own, json!({"name": "v", "projected": {"sources": [source]}})).await?;
    // A cluster puts its authority into one of this name, in each namespace.
    let items = json!([{"key": "none", "path": "p"}]);
    volume_is_missing(own, json!({"name": "v", "configMap": {"name": "kube-root-ca.crt", "items": items}}))
        .await
}

async fn a_volume_of_a_missing_secret(own: &Own<'_>) -> Verdict {
    volume_is_missing(own, json!({"name": "v", "secret": {"secretName": "none"}})).await
}

/// A pod with this volume fails, and tells what is missing.
async fn volume_is_missing(own: &Own<'_>, volume: Value) -> Verdict {
    let mut spec = own.pod(["pause"]);
    let mounts = json!({"main": {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}});
    spec.extensions = serde_json::from_value(json!({"k8s": {"volumes": [volume], "containers": mounts}}))?;
    let told = (ErrorKind::Failed, Some("FailedMount"), Some(ObjectKind::Pod));
    let error = fails(own, &spec, told).await?;
    ensure!(error.message().contains("\"none\""), "it does not say what is missing: {error}");
    Ok(())
}

/// A pod with options of its container.
fn with(own: &Own<'_>, options: Value) -> Result<PodSpec, Failure> {
    let mut spec = own.pod(["pause"]);
    spec.extensions = serde_json::from_value(json!({"k8s": {"containers": {"main": options}}}))?;
    Ok(spec)
}

async fn a_command_that_is_not_there(own: &Own<'_>) -> Verdict {
    let mut spec = own.pod(["pause"]);
    spec.containers[0].command = vec!["/no/such".to_owned()];
    let told = (ErrorKind::Failed, Some("StartError"), Some(ObjectKind::Container));
    let error = fails(own, &spec, told).await?;
    ensure!(error.message().contains("/no/such"), "it does not say which command: {error}");
    Ok(())
}

async fn a_crash_before_the_start(own: &Own<'_>) -> Verdict {
    let mut spec = own.pod(["pause"]);
    spec.init_containers = vec![own.env.container("prepare", ["exit", "3"])];
    let error = fails(own, &spec, (ErrorKind::Failed, Some("Error"), Some(ObjectKind::Container))).await?;
    let object = error.object().map(|object| object.id.clone()).unwrap_or_default();
    ensure!(object.ends_with("/prepare"), "{object} is to blame");
    Ok(())
}

async fn a_crash_before_it_is_ready(own: &Own<'_>) -> Verdict {
    let told = (ErrorKind::Failed, Some("Error"), Some(ObjectKind::Container));
    fails_to(own, &never_ready(own)?, WaitFor::Ready, told).await.map(drop)
}

async fn a_crash_again_and_again(own: &Own<'_>) -> Verdict {
    let mut spec = never_ready(own)?;
    spec.restart_policy = wharf::spec::RestartPolicy::Always;
    let told = (ErrorKind::Failed, Some("CrashLoopBackOff"), Some(ObjectKind::Container));
    fails_to(own, &spec, WaitFor::Ready, told).await.map(drop)
}

/// A pod that ends before it is asked whether it is ready.
fn never_ready(own: &Own<'_>) -> Result<PodSpec, Failure> {
    let mut spec = own.pod(["exit", "3"]);
    let probe = json!({"exec": {"command": ["/guest", "cat", "/no/such"]}, "initialDelaySeconds": 3600});
    spec.extensions =
        serde_json::from_value(json!({"k8s": {"containers": {"main": {"readinessProbe": probe}}}}))?;
    Ok(spec)
}

async fn an_init_container_over_its_memory_limit(own: &Own<'_>) -> Verdict {
    if !own.env.shows(wharf::Capability::ContainerMemoryLimit) {
        return Err(Failure::Skipped("the engine can't limit memory here".to_owned()));
    }
    let mut spec = own.pod(["pause"]);
    let mut greedy = own.env.container("prepare", ["alloc", "256"]);
    greedy.resources = Resources::default().with_memory_limit(Bytes::mib(64));
    spec.init_containers = vec![greedy];
    let told = (ErrorKind::ResourceExhausted, Some("OOMKilled"), Some(ObjectKind::Container));
    fails(own, &spec, told).await.map(drop)
}

async fn no_node_fits(own: &Own<'_>) -> Verdict {
    let error = fails(own, &nowhere(own, Duration::ZERO)?, NO_NODE).await?;
    ensure!(error.is_transient(), "another node may come: {error:?}");
    Ok(())
}

async fn no_node_fits_within_the_limit(own: &Own<'_>) -> Verdict {
    let limit = Duration::from_millis(700);
    // The server's clock is no measure of it.
    for offset in [0, 300, -300] {
        own.fake.clock().set_offset_seconds(offset);
        let started = Instant::now();
        fails(own, &nowhere(own, limit)?, NO_NODE).await?;
        ensure!(started.elapsed() >= limit, "failed after {:?}", started.elapsed());
    }
    Ok(())
}

const NO_NODE: Told = (ErrorKind::ResourceExhausted, Some("Unschedulable"), Some(ObjectKind::Pod));

/// A pod that fits no node, and may do so for this long.
fn nowhere(own: &Own<'_>, limit: Duration) -> Result<PodSpec, Failure> {
    let mut spec = own.pod(["pause"]);
    let options =
        json!({"nodeSelector": {"no": "such"}, "unschedulableLimit": format!("{}ms", limit.as_millis())});
    spec.extensions = serde_json::from_value(json!({"k8s": options}))?;
    Ok(spec)
}

async fn a_service_account_that_is_not_there(own: &Own<'_>) -> Verdict {
    let mut spec = own.pod(["pause"]);
    spec.extensions = serde_json::from_value(json!({"k8s": {"serviceAccountName": "none"}}))?;
    // Refused by the server before there is a pod.
    let error = fails(own, &spec, (ErrorKind::PermissionDenied, Some("Forbidden"), None)).await?;
    ensure!(error.message().contains("none"), "{error}");
    Ok(())
}

async fn fails(own: &Own<'_>, spec: &PodSpec, told: Told) -> Result<Error, Failure> {
    fails_to(own, spec, WaitFor::Running, told).await
}

/// Runs a pod, which must fail at once with this error and leave nothing.
async fn fails_to(own: &Own<'_>, spec: &PodSpec, goal: WaitFor, told: Told) -> Result<Error, Failure> {
    let (kind, reason, object) = told;
    let started = Instant::now();
    let options = RunOptions::default().with_wait_for(goal);
    let error = promptly(own.client.run_pod_with(spec, &options)).await?.err().ok_or("it runs")?;
    ensure!(started.elapsed() < AT_ONCE, "it took {:?}: {error:?}", started.elapsed());
    ensure!(error.kind() == kind && error.reason() == reason, "{error:?}");
    if object.is_some() {
        ensure_eq!(error.object().map(|object| object.kind), object);
    }
    ensure!(error.leftovers().is_empty(), "{error:?}");
    own.ensure_empty().await?;
    Ok(error)
}
