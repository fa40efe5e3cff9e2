//! Pods, from run to removal.

use std::time::Duration;

use futures::future::{join, join_all};
use k8s_cri::v1 as cri;
use runtime_core::{
    ContainerFilter, Context, Driver, ErrorKind, PodFilter, PodId, PodPhase, RunOptions, StopOptions,
    WaitFor,
    spec::{ContainerSpec, PodSpec},
};
use testkit::fake_cri::FakeCriOptions;

use crate::bench::{Bench, shell};

#[tokio::test]
async fn a_pod_lives_and_dies() {
    let bench = Bench::new().await;
    let spec = PodSpec::new("web")
        .with_label("app", "web")
        .with_annotation("note", "x")
        .with_init_container(shell("init", "exit 0"))
        .with_container(shell("a", "sleep 1000"))
        .with_container(shell("b", "sleep 1000"));
    let run = bench.run(&spec).await.unwrap();
    assert_eq!(run.containers.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);

    let status = bench.pods().status(&bench.cx, &run.id).await.unwrap();
    assert_eq!(status.summary.phase, PodPhase::Running);
    assert_eq!(status.summary.labels, spec.labels);
    assert_eq!(status.summary.annotations, spec.annotations);
    assert_eq!(status.containers.len(), 3);
    assert_eq!(bench.log_directories().len(), 1);

    bench.pods().stop(&bench.cx, &run.id, &StopOptions::after(Duration::from_millis(1))).await.unwrap();
    let status = bench.pods().status(&bench.cx, &run.id).await.unwrap();
    assert_eq!((status.summary.phase, &*status.system_state), (PodPhase::Stopped, "SANDBOX_NOTREADY"));
    bench.pods().stop(&bench.cx, &run.id, &StopOptions::default()).await.unwrap();

    bench.pods().remove(&bench.cx, &run.id).await.unwrap();
    bench.pods().remove(&bench.cx, &run.id).await.unwrap();
    bench.pods().stop(&bench.cx, &run.id, &StopOptions::default()).await.unwrap();
    let error = bench.pods().status(&bench.cx, &run.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    bench.assert_nothing_left();
    bench.finish().await;
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let bench = Bench::new().await;
    let spec = PodSpec::new("web").with_container(shell("main", "sleep 1000"));
    let other =
        driver_cri::connect(driver_cri::Config::unix(bench.fake.socket()).with_log_root(bench.log_root()))
            .await;
    let other = other.unwrap();
    let options = RunOptions::default();
    let (one, two) = join(bench.run(&spec), other.pods().unwrap().run(&bench.cx, &spec, &options)).await;
    let (run, error) = match (one, two) {
        (Ok(run), Err(error)) | (Err(error), Ok(run)) => (run, error),
        both => panic!("{both:?}"),
    };
    assert_eq!(
        (error.kind(), error.existing_id()),
        (ErrorKind::AlreadyExists, Some(run.id.as_str())),
        "{error}"
    );
    assert!(error.leftovers().is_empty());

    let mut again = spec.clone();
    again.attempt = 1;
    bench.run(&again).await.unwrap();
    let mut third = spec.clone();
    third.uid = Some("other".to_owned());
    bench.run(&third).await.unwrap();
    assert_eq!(bench.pods().list(&bench.cx, &PodFilter::default()).await.unwrap().len(), 3);
    bench.finish().await;
}

#[tokio::test]
async fn filters() {
    let bench = Bench::new().await;
    let (one, two) =
        (PodSpec::new("one").with_label("app", "a"), PodSpec::new("two").with_namespace("other"));
    let ids = join_all([bench.run(&one), bench.run(&two)]).await;
    let ids: Vec<PodId> = ids.into_iter().map(|run| run.unwrap().id).collect();
    bench.pods().stop(&bench.cx, &ids[1], &StopOptions::now()).await.unwrap();
    let list = async |filter: PodFilter| {
        let pods = bench.pods().list(&bench.cx, &filter).await.unwrap();
        pods.into_iter().map(|pod| pod.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(list(PodFilter::default().with_label("app", "a")).await, ["one"]);
    assert_eq!(list(PodFilter::default().with_namespace("other")).await, ["two"]);
    assert_eq!(list(PodFilter::default().with_name("one")).await, ["one"]);
    assert_eq!(list(PodFilter::default().with_phase(PodPhase::Stopped)).await, ["two"]);
    assert!(list(PodFilter::default().with_phase(PodPhase::Failed)).await.is_empty());
    let mut by_id = PodFilter::default();
    by_id.id = Some(ids[0].clone());
    assert_eq!(list(by_id.clone()).await, ["one"]);
    by_id.id = Some(PodId::new(&ids[0].as_str()[..12]));
    assert!(list(by_id).await.is_empty(), "the beginning of an id is not the id");
    bench.finish().await;
}

#[tokio::test]
async fn created_only() {
    let bench = Bench::new().await;
    let spec = PodSpec::new("web").with_container(shell("main", "sleep 1000"));
    let options = RunOptions::default().with_wait_for(WaitFor::Created);
    let run = bench.pods().run(&bench.cx, &spec, &options).await.unwrap();
    let id = run.container("main").unwrap();
    let status = bench.containers().status(&bench.cx, id).await.unwrap();
    assert_eq!(status.system_state, "CONTAINER_CREATED");
    bench.containers().start(&bench.cx, id).await.unwrap();
    bench.finish().await;
}

#[tokio::test]
async fn a_pod_of_another_client_and_process_is_as_good() {
    let bench = Bench::new().await;
    let (pod, _) = bench.run_one("sleep 1000").await;
    let config = driver_cri::Config::unix(bench.fake.socket()).with_log_root("/nowhere");
    let later = driver_cri::connect(config).await.unwrap();
    let spec = shell("more", "echo hi");
    let containers = later.containers().unwrap();
    let id = containers.create(&bench.cx, &pod, &spec, &Default::default()).await.unwrap();
    containers.start(&bench.cx, &id).await.unwrap();
    assert!(containers.wait(&bench.cx, &id).await.unwrap().success());
    let status = containers.status(&bench.cx, &id).await.unwrap();
    assert!(status.log_path.unwrap().starts_with(bench.log_root()), "the pod's own log directory is used");
    bench.finish().await;
}

#[tokio::test]
async fn a_pod_that_wharf_did_not_make_works_too() {
    let bench = Bench::new().await;
    let mut client = bench.raw_client().await;
    let config = cri::PodSandboxConfig {
        metadata: Some(cri::PodSandboxMetadata {
            name: "foreign".to_owned(),
            uid: "u".to_owned(),
            namespace: "n".to_owned(),
            attempt: 0,
        }),
        labels: [("app".to_owned(), "foreign".to_owned())].into(),
        ..Default::default()
    };
    let request = cri::RunPodSandboxRequest { config: Some(config), ..Default::default() };
    let pod = PodId::new(client.run_pod_sandbox(request).await.unwrap().into_inner().pod_sandbox_id);
    let id = bench
        .containers()
        .create(&bench.cx, &pod, &shell("main", "exit 4"), &Default::default())
        .await
        .unwrap();
    bench.containers().start(&bench.cx, &id).await.unwrap();
    assert_eq!(bench.containers().wait(&bench.cx, &id).await.unwrap().code(), Some(4));
    let status = bench.pods().status(&bench.cx, &pod).await.unwrap();
    assert_eq!(status.summary.name, "foreign");
    bench.finish().await;
}

#[tokio::test]
async fn a_list_of_20_000_containers_arrives() {
    let options = FakeCriOptions {
        max_message_bytes: usize::MAX,
        synthetic_containers: 20_000,
        ..FakeCriOptions::default()
    };
    let bench = Bench::with(options).await;
    let containers = bench.containers().list(&bench.cx, &ContainerFilter::default()).await.unwrap();
    assert_eq!(containers.len(), 20_000);
    bench.finish().await;
}

#[tokio::test]
async fn reserved_labels_are_refused_before_anything_is_made() {
    let bench = Bench::new().await;
    let mut container = shell("main", "true");
    container.annotations.insert("wharf.dev/x".to_owned(), String::new());
    bench.fake.calls().clear();
    for (spec, field) in [
        (PodSpec::new("web").with_label("wharf.dev/create", "x"), "labels"),
        (PodSpec::new("web").with_container(container), "containers[0].annotations"),
        (PodSpec::new("web").with_container(ContainerSpec::new("", "image:1")), "containers[0].name"),
    ] {
        let error = bench.run(&spec).await.unwrap_err();
        assert_eq!(error.field(), Some(field), "{error}");
    }
    assert_eq!(bench.fake.calls().names(), Vec::<&str>::new());
    bench.finish().await;
}

#[tokio::test]
async fn a_stop_waits_no_longer_than_the_call() {
    let bench = Bench::new().await;
    let (pod, _) = bench.run_one("sleep 1000").await;
    let cx = Context::background().with_timeout(Duration::from_secs(1));
    let error = bench.pods().stop(&cx, &pod, &StopOptions::default()).await.unwrap_err();
    assert_eq!(error.field(), Some("gracePeriod"));
    bench.finish().await;
}
