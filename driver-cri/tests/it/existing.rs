//! Names that others have, or that nobody seems to have.

use std::time::{Duration, Instant};

use futures::future::join;
use k8s_cri::v1::{PodSandboxConfig, PodSandboxMetadata, RunPodSandboxRequest};
use runtime_core::{
    ContainerPhase, CreateOptions, ErrorKind, ExistingPolicy, PodRun, Result, RunOptions, StopOptions,
    WaitFor, marks, spec::PodSpec,
};
use testkit::engine::{Action, Fault, FaultHandle};
use tokio::task::JoinHandle;

use crate::bench::{Bench, shell, until};

fn web() -> PodSpec {
    PodSpec::new("web").with_container(shell("one", "sleep 1000")).with_container(shell("two", "sleep 1000"))
}

async fn run(bench: &Bench, spec: &PodSpec, policy: ExistingPolicy) -> Result<PodRun> {
    bench.pods().run(&bench.cx, spec, &RunOptions::default().with_existing(policy)).await
}

/// A sandbox of the name of [`web`] that the runtime goes on making for somebody.
async fn being_made(bench: &Bench) -> (FaultHandle, JoinHandle<()>) {
    let hang = bench.fake.engine().faults().inject(Fault::new("create_pod", Action::Hang));
    let metadata = PodSandboxMetadata {
        name: "web".to_owned(),
        namespace: "default".to_owned(),
        uid: marks::default_uid("default", "web"),
        attempt: 0,
    };
    let config = PodSandboxConfig { metadata: Some(metadata), ..Default::default() };
    let mut client = bench.raw_client().await;
    let task = tokio::spawn(async move {
        let request = RunPodSandboxRequest { config: Some(config), ..Default::default() };
        let _ = client.run_pod_sandbox(request).await;
    });
    until("it is being made", || hang.hits() == 1).await;
    (hang, task)
}

#[tokio::test]
async fn a_pod_of_the_same_spec_is_taken_over() {
    let bench = Bench::new().await;
    let first = run(&bench, &web(), ExistingPolicy::Adopt).await.unwrap();
    assert!(!first.adopted && first.containers.iter().all(|container| !container.adopted));
    let again = run(&bench, &web(), ExistingPolicy::Adopt).await.unwrap();
    assert!(again.adopted && again.containers.iter().all(|container| container.adopted));
    assert_eq!((&again.id, again.container("one")), (&first.id, first.container("one")));

    for other in [web().with_label("a", "b"), web().with_container(shell("three", "true"))] {
        let error = run(&bench, &other, ExistingPolicy::Adopt).await.unwrap_err();
        assert_eq!((error.kind(), error.existing_id()), (ErrorKind::AlreadyExists, Some(first.id.as_str())));
    }
    bench.pods().stop(&bench.cx, &first.id, &StopOptions::now()).await.unwrap();
    let error = run(&bench, &web(), ExistingPolicy::Adopt).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    bench.finish().await;
}

#[tokio::test]
async fn what_a_crash_left_half_made_is_finished_or_left_as_it_was() {
    let bench = Bench::new().await;
    let (cx, containers) = (&bench.cx, bench.containers());
    let options = RunOptions::default().with_wait_for(WaitFor::Created);
    let half = bench.pods().run(cx, &web(), &options).await.unwrap();
    containers.start(cx, half.container("one").unwrap()).await.unwrap();
    containers.remove(cx, half.container("two").unwrap()).await.unwrap();

    bench.fake.engine().faults().inject(Fault::fail("StartContainer", "Unavailable", "down"));
    let error = run(&bench, &web(), ExistingPolicy::Adopt).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.leftovers().is_empty(), "{error}");
    let left = containers.list(cx, &Default::default()).await.unwrap();
    assert_eq!(left.iter().map(|one| &one.id).collect::<Vec<_>>(), [half.container("one").unwrap()]);

    let whole = run(&bench, &web(), ExistingPolicy::Adopt).await.unwrap();
    assert_eq!(whole.id, half.id);
    assert_eq!(whole.containers.iter().map(|one| one.adopted).collect::<Vec<_>>(), [true, false]);
    for container in &whole.containers {
        let status = containers.status(cx, &container.id).await.unwrap();
        assert_eq!(status.summary.phase, ContainerPhase::Running);
    }
    bench.finish().await;
}

#[tokio::test]
async fn init_containers_that_ended_are_not_run_again() {
    let bench = Bench::new().await;
    let log = bench.log_root().join("ran");
    let spec = web().with_init_container(shell("init", &format!("echo x >> {}", log.display())));
    let options = RunOptions::default().with_wait_for(WaitFor::Created);
    bench.pods().run(&bench.cx, &spec, &options).await.unwrap();
    run(&bench, &spec, ExistingPolicy::Adopt).await.unwrap();
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "x\n");
    std::fs::remove_file(log).unwrap();
    bench.finish().await;
}

#[tokio::test]
async fn the_last_replacement_stays() {
    let bench = Bench::new().await;
    let first = run(&bench, &web(), ExistingPolicy::Replace).await.unwrap();
    let second = run(&bench, &web().with_label("a", "b"), ExistingPolicy::Replace).await.unwrap();
    assert_ne!(first.id, second.id);
    assert!(!second.adopted);
    let spec = web();
    let both = join(run(&bench, &spec, ExistingPolicy::Replace), run(&bench, &spec, ExistingPolicy::Replace));
    let both = <[_; 2]>::from(both.await);
    assert!(both.iter().any(Result::is_ok), "{both:?}");
    let left = bench.pods().list(&bench.cx, &Default::default()).await.unwrap();
    assert_eq!(left.len(), 1, "{both:?}");
    assert!(both.iter().flatten().any(|run| run.id == left[0].id), "{both:?}");
    bench.finish().await;
}

#[tokio::test]
async fn containers_are_taken_over_and_replaced() {
    let bench = Bench::new().await;
    let (pod, _) = bench.run_one("sleep 1000").await;
    let (cx, containers) = (&bench.cx, bench.containers());
    let spec = shell("more", "sleep 1000");
    let adopt = CreateOptions::default().with_existing(ExistingPolicy::Adopt);
    let first = containers.create(cx, &pod, &spec, &adopt).await.unwrap();
    assert_eq!(containers.create(cx, &pod, &spec, &adopt).await.unwrap(), first);
    let error = containers.create(cx, &pod, &shell("more", "true"), &adopt).await.unwrap_err();
    assert_eq!((error.kind(), error.existing_id()), (ErrorKind::AlreadyExists, Some(first.as_str())));
    containers.start(cx, &first).await.unwrap();
    let replace = CreateOptions::default().with_existing(ExistingPolicy::Replace);
    let second = containers.create(cx, &pod, &shell("more", "true"), &replace).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(containers.status(cx, &first).await.unwrap_err().kind(), ErrorKind::NotFound);
    bench.finish().await;
}

#[tokio::test]
async fn a_name_that_is_held_is_waited_for() {
    let bench = Bench::new().await;
    let (hang, task) = being_made(&bench).await;
    let release = async {
        until("it waits", || bench.fake.calls().count("RunPodSandbox") > 4).await;
        hang.release();
        task.await.unwrap();
    };
    let (error, ()) = join(run(&bench, &web(), ExistingPolicy::Fail), release).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::AlreadyExists);
    let (hang, task) = being_made_by_none(&bench).await;
    let give_up = async {
        until("it waits", || bench.fake.calls().count("RunPodSandbox") > 4).await;
        task.abort();
    };
    let (run, ()) = join(run(&bench, &web(), ExistingPolicy::Fail), give_up).await;
    assert_eq!(bench.pods().status(&bench.cx, &run.unwrap().id).await.unwrap().summary.attempt, Some(0));
    hang.release();
    bench.finish().await;
}

#[tokio::test]
async fn a_name_that_becomes_a_pods_while_it_is_looked_at() {
    let bench = Bench::new().await;
    let (making, task) = being_made(&bench).await;
    // Each refusal is followed by two lists: for a pod of the mark, and for one of the name.
    let second_look = Fault::new("ListPodSandbox", Action::Hang).after(3);
    let looking = bench.fake.engine().faults().inject(second_look);
    let release = async {
        until("it looks again", || looking.hits() == 1).await;
        making.release();
        task.await.unwrap();
        looking.release();
    };
    let (error, ()) = join(run(&bench, &web(), ExistingPolicy::Fail), release).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::AlreadyExists);
    run(&bench, &web(), ExistingPolicy::Replace).await.unwrap();
    bench.finish().await;
}

/// The same after the pods of before are gone.
async fn being_made_by_none(bench: &Bench) -> (FaultHandle, JoinHandle<()>) {
    for pod in bench.pods().list(&bench.cx, &Default::default()).await.unwrap() {
        bench.pods().remove(&bench.cx, &pod.id).await.unwrap();
    }
    bench.fake.calls().clear();
    being_made(bench).await
}

#[tokio::test]
async fn a_name_that_is_held_for_ever_is_gone_round() {
    let bench = Bench::new().await;
    let (hang, task) = being_made(&bench).await;
    let began = Instant::now();
    let error = run(&bench, &web(), ExistingPolicy::Fail).await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unavailable, true), "{error}");
    assert!(error.to_string().contains("has not ended"), "{error}");
    assert!(error.leftovers().is_empty(), "{error}");
    assert!(began.elapsed() < Duration::from_secs(20));

    let made = run(&bench, &web(), ExistingPolicy::Replace).await.unwrap();
    assert_eq!(bench.pods().status(&bench.cx, &made.id).await.unwrap().summary.attempt, Some(1));
    let found = run(&bench, &web(), ExistingPolicy::Adopt).await.unwrap();
    assert_eq!((found.id, found.adopted), (made.id, true));
    task.abort();
    hang.release();
    let replaced = run(&bench, &web(), ExistingPolicy::Replace).await.unwrap();
    assert_eq!(bench.pods().status(&bench.cx, &replaced.id).await.unwrap().summary.attempt, Some(0));
    assert_eq!(bench.pods().list(&bench.cx, &Default::default()).await.unwrap().len(), 1);
    bench.finish().await;
}

#[tokio::test]
async fn a_spec_that_cannot_work_is_not_waited_for() {
    let bench = Bench::new().await;
    let began = Instant::now();
    let mut spec = web();
    spec.hostname = Some("h".repeat(64));
    spec.sysctls.insert("kernel.nope".to_owned(), "1".to_owned());
    for policy in [ExistingPolicy::Fail, ExistingPolicy::Replace, ExistingPolicy::Adopt] {
        let error = run(&bench, &spec, policy).await.unwrap_err();
        assert_ne!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    bench.finish().await;
}
