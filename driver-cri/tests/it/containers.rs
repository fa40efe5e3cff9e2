//! Single containers and commands in them.

use std::time::Duration;

use futures::future::join;
use runtime_core::{
    ContainerFilter, ContainerId, ContainerPhase, Driver, ErrorKind, ExitCause, PodId, StopOptions,
    helpers::pull_policy::PullPolicy,
    spec::{ContainerSpec, ExecSpec, PodSpec},
};
use testkit::engine::{Action, Fault};

use crate::bench::{Bench, shell, until};

#[tokio::test]
async fn a_container_lives_and_dies() {
    let bench = Bench::new().await;
    let (pod, _) = bench.run_one("sleep 1000").await;
    let (cx, containers) = (&bench.cx, bench.containers());
    let id = containers
        .create(cx, &pod, &shell("job", "echo out; exit 7").with_label("a", "b"), &Default::default())
        .await
        .unwrap();
    let status = containers.status(cx, &id).await.unwrap();
    assert_eq!((status.summary.phase, status.summary.pod.as_ref()), (ContainerPhase::Created, Some(&pod)));
    assert_eq!(status.summary.image, testkit::engine::HOST_IMAGE);
    assert_eq!(status.summary.labels.len(), 1);
    assert!(status.summary.annotations.is_empty());

    containers.start(cx, &id).await.unwrap();
    let exit = containers.wait(cx, &id).await.unwrap();
    assert_eq!(exit.cause, ExitCause::Exited(7));
    assert!(exit.finished_at.is_some());
    let error = containers.start(cx, &id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
    containers.stop(cx, &id, &StopOptions::now()).await.unwrap();

    let log = containers.status(cx, &id).await.unwrap().log_path.unwrap();
    assert!(log.exists());
    containers.remove(cx, &id).await.unwrap();
    assert!(!log.exists());
    containers.remove(cx, &id).await.unwrap();
    containers.stop(cx, &id, &StopOptions::default()).await.unwrap();
    for error in [
        containers.status(cx, &id).await.unwrap_err(),
        containers.start(cx, &id).await.unwrap_err(),
        containers.wait(cx, &id).await.unwrap_err(),
        containers.logs(cx, &id, &Default::default()).await.err().unwrap(),
        bench.exec().sync(cx, &id, &ExecSpec::new(["true"])).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
    bench.finish().await;
}

#[tokio::test]
async fn a_start_that_nobody_waits_for_is_not_cut() {
    let bench = Bench::new().await;
    let (pod, _) = bench.run_one("sleep 1000").await;
    let containers = bench.containers();
    let faults = bench.fake.engine().faults();
    for (name, hasty) in [("dropped", false), ("late", true)] {
        let spec = shell(name, "sleep 1000");
        let id = containers.create(&bench.cx, &pod, &spec, &Default::default()).await.unwrap();
        // The fake drops what it does for a caller that hangs up, as containerd does.
        let held = faults.inject(Fault::new("StartContainer", Action::Hang));
        let cx = match hasty {
            true => bench.cx.clone().with_timeout(Duration::from_millis(300)),
            false => bench.cx.clone(),
        };
        tokio::select! {
            biased;
            ended = containers.start(&cx, &id) => {
                assert!(hasty);
                assert_eq!(ended.unwrap_err().kind(), ErrorKind::DeadlineExceeded);
            }
            () = until("the start", || held.hits() > 0 && !hasty) => {}
        }
        assert_eq!(held.hits(), 1);
        held.release();
        bench.driver.settle(&bench.cx).await.unwrap();
        let status = containers.status(&bench.cx, &id).await.unwrap();
        assert_eq!(status.summary.phase, ContainerPhase::Running, "{name}");
        containers.remove(&bench.cx, &id).await.unwrap();
    }
    // With a whole pod.
    let held = faults.inject(Fault::new("StartContainer", Action::Hang));
    let spec = PodSpec::new("dropped").with_container(shell("main", "sleep 1000"));
    tokio::select! {
        biased;
        _ = bench.run(&spec) => unreachable!("it waits"),
        () = until("the start", || held.hits() > 0) => {}
    }
    bench.fake.calls().clear();
    held.release();
    bench.driver.settle(&bench.cx).await.unwrap();
    assert!(bench.fake.calls().names().contains(&"RemovePodSandbox"));
    assert_eq!(bench.pods().list(&bench.cx, &Default::default()).await.unwrap().len(), 1);
    bench.finish().await;
}

#[tokio::test]
async fn why_a_container_is_not_made() {
    let bench = Bench::new().await;
    let (pod, main) = bench.run_one("sleep 1000").await;
    let (cx, containers) = (&bench.cx, bench.containers());
    let error = containers.create(cx, &pod, &shell("main", "true"), &Default::default()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.existing_id()),
        (ErrorKind::AlreadyExists, Some(main.as_str())),
        "{error}"
    );
    let spec = ContainerSpec::new("other", "127.0.0.1:1/nope:1").with_pull_policy(PullPolicy::Never);
    assert_eq!(
        containers.create(cx, &pod, &spec, &Default::default()).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let error = containers
        .create(cx, &PodId::new("nope"), &shell("x", "true"), &Default::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let created = containers.create(cx, &pod, &shell("never", "true"), &Default::default()).await.unwrap();
    bench.pods().stop(cx, &pod, &StopOptions::now()).await.unwrap();
    let error = containers.start(cx, &created).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
    let error = containers.create(cx, &pod, &shell("x", "true"), &Default::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
    assert_eq!(containers.list(cx, &ContainerFilter::of_pod(&pod)).await.unwrap().len(), 2);
    bench.finish().await;
}

#[tokio::test]
async fn a_name_in_a_pod_is_taken_once() {
    let bench = Bench::new().await;
    let (pod, _) = bench.run_one("sleep 1000").await;
    let (spec, options) = (shell("more", "true"), Default::default());
    let create = || bench.containers().create(&bench.cx, &pod, &spec, &options);
    let (id, error) = match join(create(), create()).await {
        (Ok(id), Err(error)) | (Err(error), Ok(id)) => (id, error),
        both => panic!("{both:?}"),
    };
    assert_eq!((error.kind(), error.existing_id()), (ErrorKind::AlreadyExists, Some(id.as_str())), "{error}");
    bench.finish().await;
}

#[tokio::test]
async fn a_command_that_cannot_be_run_has_its_reason() {
    let bench = Bench::new().await;
    let (pod, _) = bench.run_one("sleep 1000").await;
    let (cx, containers) = (&bench.cx, bench.containers());
    let id = containers
        .create(cx, &pod, &shell("bad", "").with_command(["/no/such"]), &Default::default())
        .await
        .unwrap();
    let error = containers.start(cx, &id).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Failed, Some("StartError")), "{error}");
    assert_eq!(containers.status(cx, &id).await.unwrap().reason.as_deref(), Some("StartError"));
    bench.finish().await;
}

#[tokio::test]
async fn waiting_ends_with_the_container_or_its_removal() {
    let bench = Bench::new().await;
    let (pod, main) = bench.run_one("sleep 1000").await;
    let (cx, containers) = (&bench.cx, bench.containers());
    let (exit, stopped) =
        join(containers.wait(cx, &main), containers.stop(cx, &main, &StopOptions::now())).await;
    stopped.unwrap();
    assert_eq!(exit.unwrap().cause, ExitCause::Exited(137));

    let created = containers.create(cx, &pod, &shell("never", "true"), &Default::default()).await.unwrap();
    let waiting = containers.wait(cx, &created);
    let remove = async {
        bench.fake.calls().clear();
        until("it waits", || bench.fake.calls().count("ContainerStatus") > 0).await;
        containers.remove(cx, &created).await
    };
    let (exit, removed) = join(waiting, remove).await;
    removed.unwrap();
    assert_eq!(exit.unwrap().cause, ExitCause::Removed);
    bench.finish().await;
}

#[tokio::test]
async fn commands() {
    let bench = Bench::new().await;
    let (pod, main) = bench.run_one("sleep 1000").await;
    let (cx, exec) = (&bench.cx, bench.exec());
    let output =
        exec.sync(cx, &main, &ExecSpec::new(["sh", "-c", "echo out; echo err >&2; exit 3"])).await.unwrap();
    assert_eq!((output.stdout_text(), output.stderr_text()), ("out\n".to_owned(), "err\n".to_owned()));
    assert_eq!(output.exit.cause, ExitCause::Exited(3));

    let error = exec.sync(cx, &main, &ExecSpec::new(["/no/such"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed, "{error}");
    let slow = ExecSpec::new(["sleep", "1000"]).with_timeout(Duration::from_millis(10));
    assert_eq!(exec.sync(cx, &main, &slow).await.unwrap_err().kind(), ErrorKind::DeadlineExceeded);
    let output = exec.sync(cx, &main, &ExecSpec::new(["pwd"]).with_cwd("/tmp")).await.unwrap();
    assert_eq!(output.stdout_text(), "/tmp\n");

    let created =
        bench.containers().create(cx, &pod, &shell("never", "true"), &Default::default()).await.unwrap();
    let error = exec.sync(cx, &created, &ExecSpec::new(["true"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
    bench.finish().await;
}

#[tokio::test]
async fn output_is_whole_or_an_error() {
    let bench = Bench::new().await;
    let (_, main) = bench.run_one("sleep 1000").await;
    let limit = (16 << 20) - 64;
    let write = |bytes: usize| {
        ExecSpec::new(["head".to_owned(), "-c".to_owned(), bytes.to_string(), "/dev/zero".to_owned()])
    };
    let output = bench.exec().sync(&bench.cx, &main, &write(limit)).await.unwrap();
    assert_eq!(output.stdout.len(), limit);
    for bytes in [limit + 1, 17 << 20] {
        let error = bench.exec().sync(&bench.cx, &main, &write(bytes)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
    }
    bench.finish().await;
}

#[tokio::test]
async fn the_beginning_of_an_id_is_not_the_id() {
    let bench = Bench::new().await;
    let (_, main) = bench.run_one("sleep 1000").await;
    let (cx, containers) = (&bench.cx, bench.containers());
    let short = ContainerId::new(&main.as_str()[..8]);
    assert_eq!(containers.status(cx, &short).await.unwrap_err().kind(), ErrorKind::NotFound);
    let error = bench.exec().sync(cx, &short, &ExecSpec::new(["true"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    containers.stop(cx, &short, &StopOptions::now()).await.unwrap();
    containers.remove(cx, &short).await.unwrap();
    assert_eq!(containers.status(cx, &main).await.unwrap().summary.phase, ContainerPhase::Running);
    bench.finish().await;
}
