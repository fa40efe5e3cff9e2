//! Bad input: refused before any IO, naming the field, and nothing is left behind.

use std::time::Duration;

use runtime_core::{
    ContainerFilter, ErrorKind, PodFilter, StopOptions,
    spec::{Bytes, ContainerSpec, EnvVar, ExecSpec, Mount, PodSpec},
};

use crate::conformance::{
    Env, Verdict,
    case::{cases, ensure_eq},
    env::kind_of,
};

cases! { Contract;
    bad_fields_of_a_pod_are_named: proves [], needs [PodRun, ContainerEnv, ContainerMounts, ContainerMemoryLimit];
    bad_image_references_are_refused: proves [], needs [ImagePull, ImageStatus, ImageRemove];
    empty_ids_are_refused: proves [], needs [PodStatus, PodStop, PodRemove, PodList, ContainerStatus, ContainerList, ExecSync];
    a_grace_period_longer_than_the_deadline_is_refused: proves [], needs [PodRun, ContainerStop];
    bad_commands_are_refused: proves [], needs [PodRun, ExecSync];
    driver_options_of_others_are_refused: proves [], needs [PodRun];
}

async fn bad_fields_of_a_pod_are_named(env: &Env) -> Verdict {
    type Change = fn(&mut PodSpec);
    let rows: &[(&str, Change)] = &[
        ("name", |pod| pod.name.clear()),
        ("name", |pod| pod.name = "x".repeat(254)),
        ("name", |pod| pod.name = "a b".to_owned()),
        ("namespace", |pod| pod.namespace = Some(String::new())),
        ("containers[0].name", |pod| pod.containers[0].name.clear()),
        ("containers[0].name", |pod| pod.containers[0].name = "x".repeat(64)),
        ("containers[1].name", |pod| {
            let twin = pod.containers[0].clone();
            pod.containers.push(twin);
        }),
        ("containers[0].image", |pod| pod.containers[0].image = "".into()),
        ("containers[0].image", |pod| pod.containers[0].image = "no spaces:1".into()),
        ("containers[0].image", |pod| pod.containers[0].image = "a@sha256:short".into()),
        ("containers[0].env[0].name", |pod| pod.containers[0].env = vec![EnvVar::new("A=B", "c")]),
        ("containers[0].env[0].name", |pod| pod.containers[0].env = vec![EnvVar::new("A\0B", "c")]),
        ("containers[0].env[0].value", |pod| pod.containers[0].env = vec![EnvVar::new("A", "\0")]),
        ("containers[0].mounts[0].target", |pod| {
            pod.containers[0].mounts = vec![Mount::host("/tmp", "data")]
        }),
        ("containers[0].mounts[0].source", |pod| {
            pod.containers[0].mounts = vec![Mount::host("tmp", "/data")]
        }),
        ("containers[0].resources.limits.memory", |pod| {
            pod.containers[0].resources.limits.memory = Some(Bytes(u64::MAX));
        }),
        ("containers[0].workingDir", |pod| pod.containers[0].working_dir = Some("work".to_owned())),
    ];
    for (field, change) in rows {
        let mut spec = env.pod_running(["pause"]);
        change(&mut spec);
        let error = kind_of(env.client().run_pod(&spec).await, ErrorKind::InvalidArgument)?;
        ensure_eq!(error.field(), Some(*field));
        // The driver by itself refuses as well: it may be used without layers.
        let pods = env.driver().pods().ok_or("no pods")?;
        let cx = runtime_core::Context::background();
        let error = kind_of(pods.run(&cx, &spec, &Default::default()).await, ErrorKind::InvalidArgument)?;
        ensure_eq!(error.field(), Some(*field));
    }
    env.ensure_nothing_left().await
}

async fn bad_image_references_are_refused(env: &Env) -> Verdict {
    let images = env.client().images();
    let long_tag = format!("a:{}", "t".repeat(129));
    for bad in ["", "UPPER", "a b", "a:", ":1", "a@sha256:1234", "a//b", long_tag.as_str()] {
        let pulled = kind_of(images.pull(bad, &Default::default()).await, ErrorKind::InvalidArgument)?;
        ensure_eq!(pulled.field(), Some("image"));
        kind_of(images.status(bad).await, ErrorKind::InvalidArgument)?;
        kind_of(images.remove(bad).await, ErrorKind::InvalidArgument)?;
    }
    Ok(())
}

async fn empty_ids_are_refused(env: &Env) -> Verdict {
    let client = env.client();
    let (pod, container) = (client.pod(""), client.container(""));
    let results = [
        pod.status().await.map(drop),
        pod.stop(&StopOptions::default()).await,
        pod.remove().await,
        container.status().await.map(drop),
        container.exec(&ExecSpec::new(["/guest"])).await.map(drop),
    ];
    for result in results {
        ensure_eq!(kind_of(result, ErrorKind::InvalidArgument)?.field(), Some("id"));
    }
    let mut filter = PodFilter::default();
    filter.id = Some("".into());
    ensure_eq!(
        kind_of(client.list_pods(&filter).await, ErrorKind::InvalidArgument)?.field(),
        Some("filter.id")
    );
    let filter = ContainerFilter::of_pod(&"".into());
    let error = kind_of(client.list_containers(&filter).await, ErrorKind::InvalidArgument)?;
    ensure_eq!(error.field(), Some("filter.pod"));
    Ok(())
}

async fn a_grace_period_longer_than_the_deadline_is_refused(env: &Env) -> Verdict {
    let (pod, container) = env.idle().await?;
    let hasty = env.client().with_timeout(Duration::from_secs(2));
    let options = StopOptions::after(Duration::from_secs(30));
    let of_container = hasty.container(container.id().clone()).stop(&options).await;
    ensure_eq!(kind_of(of_container, ErrorKind::InvalidArgument)?.field(), Some("gracePeriod"));
    let of_pod = hasty.pod(pod.id().clone()).stop(&options).await;
    ensure_eq!(kind_of(of_pod, ErrorKind::InvalidArgument)?.field(), Some("gracePeriod"));
    let phase = container.status().await?.summary.phase;
    ensure_eq!(phase, runtime_core::ContainerPhase::Running);
    Ok(())
}

async fn bad_commands_are_refused(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let empty: [&str; 0] = [];
    for (field, spec) in [
        ("command", ExecSpec::new(empty)),
        ("command", ExecSpec::new([""])),
        ("command[1]", ExecSpec::new(["/guest", "a\0b"])),
    ] {
        let error = kind_of(container.exec(&spec).await, ErrorKind::InvalidArgument)?;
        ensure_eq!(error.field(), Some(field));
    }
    Ok(())
}

async fn driver_options_of_others_are_refused(env: &Env) -> Verdict {
    let mut spec =
        PodSpec::new(env.unique("pod")).with_container(ContainerSpec::new("main", env.image("guest")));
    spec.extensions = serde_json::from_str(r#"{"no-such-driver": {"option": 1}}"#)?;
    let error = kind_of(env.client().run_pod(&spec).await, ErrorKind::Unsupported)?;
    crate::conformance::case::ensure!(error.message().contains("extensions.no-such-driver"), "{error}");
    env.ensure_nothing_left().await
}
