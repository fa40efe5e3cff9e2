//! The in-memory driver as callers see it: through a client with the default layers.

#![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

use std::time::Duration;

use futures::{FutureExt, StreamExt, TryStreamExt};
use runtime_core::{
    Capability, Client, ContainerFilter, ContainerPhase, Driver, Error, ErrorKind, ExitCause, LogOptions,
    PodFilter, PodPhase, PullOptions, Registry, RunOptions, StopOptions, WaitFor,
    helpers::pull_policy::PullPolicy,
    spec::{Bytes, ContainerSpec, EnvVar, ExecSpec, Mount, PodSpec, Resources},
};
use testkit::{
    engine::{Action, Fault, HOST_IMAGE, Isolation},
    memory::{MemoryDriver, MemoryOptions, connect_url},
};

#[cfg(feature = "full")]
mod images;
mod sessions;

/// A driver and a client of it.
struct Bed {
    driver: MemoryDriver,
    client: Client,
}

impl Bed {
    async fn new() -> Self {
        Self::with(MemoryOptions::default()).await
    }

    async fn with(options: MemoryOptions) -> Self {
        let driver = MemoryDriver::start(options).await.unwrap();
        let client = Client::new(driver.clone());
        Self { driver, client }
    }

    /// Whether containers have walls here.
    fn has(&self, capability: Capability) -> bool {
        self.client.capabilities().has(capability)
    }

    /// Nothing is alive and no log is left.
    async fn is_clean(&self) {
        self.client.settle().await.unwrap();
        let engine = self.driver.engine();
        assert!(engine.ledger().is_empty_except_images(), "{:?}", engine.ledger());
        let logs = std::fs::read_dir(engine.state_dir().join("logs")).into_iter().flatten().count();
        assert_eq!(logs, 0);
    }
}

fn shell(name: &str, script: &str) -> ContainerSpec {
    ContainerSpec::new(name, HOST_IMAGE).with_command(["sh", "-c", script])
}

fn one(script: &str) -> PodSpec {
    PodSpec::new("web").with_container(shell("app", script))
}

async fn text(logs: runtime_core::LogStream) -> Vec<String> {
    logs.map_ok(|line| line.text()).try_collect().await.unwrap()
}

#[tokio::test]
async fn a_pod_runs_logs_and_goes() {
    let bed = Bed::new().await;
    let spec = one("echo $GREETING; echo oops >&2; exit 3");
    let mut spec = spec.with_label("app", "web").with_annotation("note", "x");
    spec.containers[0].env = vec![EnvVar::new("GREETING", "hello=world")];
    let pod = bed.client.run_pod(&spec).await.unwrap();
    let app = pod.container("app").unwrap();
    let exit = app.wait().await.unwrap();
    assert_eq!(exit.cause, ExitCause::Exited(3));
    let mut lines = text(app.logs(&LogOptions::follow()).await.unwrap()).await;
    lines.sort();
    assert_eq!(lines, ["hello=world", "oops"]);

    let status = pod.status().await.unwrap();
    assert_eq!(status.summary.phase, PodPhase::Running);
    assert_eq!(status.summary.labels, spec.labels);
    assert_eq!(status.summary.annotations, spec.annotations);
    assert_eq!(status.containers.len(), 1);
    let status = app.status().await.unwrap();
    assert_eq!((status.summary.phase, status.exit), (ContainerPhase::Exited, Some(exit)));
    assert_eq!((status.summary.image.as_str(), status.summary.labels.len()), (HOST_IMAGE, 0));

    let found = bed.client.list_pods(&PodFilter::default().with_label("app", "web")).await.unwrap();
    assert_eq!(found.len(), 1);
    assert!(
        bed.client.list_pods(&PodFilter::default().with_phase(PodPhase::Stopped)).await.unwrap().is_empty()
    );
    let exited = ContainerFilter::of_pod(pod.id()).with_phase(ContainerPhase::Exited);
    assert_eq!(bed.client.list_containers(&exited).await.unwrap().len(), 1);

    pod.stop(&StopOptions::default()).await.unwrap();
    pod.stop(&StopOptions::default()).await.unwrap();
    assert_eq!(pod.status().await.unwrap().summary.phase, PodPhase::Stopped);
    assert_eq!(text(app.logs(&LogOptions::default().with_tail(1)).await.unwrap()).await.len(), 1);
    let error = pod.create_container(&shell("late", "true")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    pod.remove().await.unwrap();
    pod.remove().await.unwrap();
    app.stop(&StopOptions::now()).await.unwrap();
    for error in [pod.status().await.map(drop).unwrap_err(), app.wait().await.map(drop).unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    bed.is_clean().await;
}

#[tokio::test]
async fn what_exists_is_not_made_again() {
    let bed = Bed::new().await;
    let pod = bed.client.run_pod(&one("sleep 1000")).await.unwrap();
    let error = bed.client.run_pod(&one("true")).await.unwrap_err();
    assert_eq!((error.kind(), error.existing_id()), (ErrorKind::AlreadyExists, Some(pod.id().as_str())));
    let mut other = one("true");
    other.uid = Some("another".into());
    bed.client.run_pod(&other).await.unwrap().remove().await.unwrap();
    let error = pod.create_container(&shell("app", "true")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(error.existing_id(), Some(pod.container("app").unwrap().id().as_str()));
    pod.remove().await.unwrap();
    let again = bed.client.run_pod(&one("sleep 1000")).await.unwrap();
    assert_ne!(again.id(), pod.id());
    assert_eq!(bed.client.adopt_pod(pod.id().clone()).await.unwrap_err().kind(), ErrorKind::NotFound);
    again.remove().await.unwrap();
    bed.is_clean().await;
}

#[tokio::test]
async fn single_containers() {
    let bed = Bed::new().await;
    let pod = bed.client.run_pod(&PodSpec::new("empty")).await.unwrap();
    let made = pod.create_container(&shell("app", "echo up; sleep 1000")).await.unwrap();
    assert_eq!(made.status().await.unwrap().summary.phase, ContainerPhase::Created);
    assert!(text(made.logs(&LogOptions::default()).await.unwrap()).await.is_empty());
    let error = made.exec(&ExecSpec::new(["true"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    made.start().await.unwrap();
    assert_eq!(made.start().await.unwrap_err().kind(), ErrorKind::InvalidState);
    let mut logs = made.logs(&LogOptions::follow()).await.unwrap();
    assert_eq!(logs.next().await.unwrap().unwrap().text(), "up");

    let waiting = tokio::spawn({
        let made = made.clone();
        async move { made.wait().await }
    });
    while !bed.driver.engine().ledger().processes.iter().any(|process| process.owner == made.id().as_str()) {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
    made.remove().await.unwrap();
    let waited = waiting.await.unwrap();
    assert!(waited.as_ref().is_ok_and(|exit| exit.cause == ExitCause::Removed), "{waited:?}");
    assert!(logs.next().await.is_none());

    let broken =
        pod.create_container(&ContainerSpec::new("b", HOST_IMAGE).with_command(["/no/such"])).await.unwrap();
    assert_eq!(broken.start().await.unwrap_err().kind(), ErrorKind::Failed);
    let status = broken.status().await.unwrap();
    assert_eq!(status.reason.as_deref(), Some("StartError"));
    let missing = bed.client.container("0".repeat(64)).start().await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    pod.remove().await.unwrap();
    bed.is_clean().await;
}

#[tokio::test]
async fn ends_have_causes() {
    let bed = Bed::new().await;
    let run = async |script: &str, resources: Resources| {
        let mut spec = one(script);
        spec.containers[0].resources = resources;
        let pod = bed.client.run_pod(&spec).await.unwrap();
        let exit = pod.container("app").unwrap().wait().await.unwrap();
        pod.remove().await.unwrap();
        exit.cause
    };
    assert_eq!(run("exit 0", Resources::default()).await, ExitCause::Exited(0));
    assert_eq!(run("exit 143", Resources::default()).await, ExitCause::Exited(143));
    let limit = Resources::default().with_memory_limit(Bytes::mib(16));
    let hog = "x=0123456789abcdef; while :; do x=$x$x; done";
    assert_eq!(run(hog, limit).await, ExitCause::OomKilled);
    bed.is_clean().await;
}

#[tokio::test]
async fn stop_asks_waits_and_kills() {
    let bed = Bed::new().await;
    let run = async |script: &str| {
        let pod = bed.client.run_pod(&one(script)).await.unwrap();
        let app = pod.container("app").unwrap();
        let mut logs = app.logs(&LogOptions::follow()).await.unwrap();
        assert_eq!(logs.next().await.unwrap().unwrap().text(), "ready");
        (pod, app)
    };
    let (pod, polite) = run("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done").await;
    polite.stop(&StopOptions::after(Duration::from_secs(60))).await.unwrap();
    assert_eq!(polite.wait().await.unwrap().cause, ExitCause::Exited(7));
    polite.stop(&StopOptions::default()).await.unwrap();
    pod.remove().await.unwrap();

    let (pod, deaf) = run("trap '' TERM; echo ready; while :; do sleep 0.01; done").await;
    let grace_period = Duration::from_millis(150);
    let started = std::time::Instant::now();
    deaf.stop(&StopOptions::after(grace_period)).await.unwrap();
    assert!(started.elapsed() >= grace_period);
    assert_eq!(deaf.wait().await.unwrap().cause, ExitCause::Signaled(9));
    pod.remove().await.unwrap();
    bed.is_clean().await;
}

#[tokio::test]
async fn exec_gives_output_and_end() {
    let bed = Bed::new().await;
    let mut spec = one("sleep 1000");
    spec.containers[0].env = vec![EnvVar::new("A", "container"), EnvVar::new("B", "container")];
    let pod = bed.client.run_pod(&spec).await.unwrap();
    let app = pod.container("app").unwrap();
    let exec = |script: &str| ExecSpec::new(["sh", "-c", script]);

    let output =
        app.exec(&exec("echo $A $B; pwd; echo err >&2; exit 5").with_env("A", "a=b").with_cwd("/usr")).await;
    let output = output.unwrap();
    assert_eq!(
        (output.stdout_text(), output.stderr_text()),
        ("a=b container\n/usr\n".into(), "err\n".into())
    );
    assert_eq!(output.exit.cause, ExitCause::Exited(5));
    assert_eq!(app.exec(&exec("kill -9 $$")).await.unwrap().exit.cause, ExitCause::Signaled(9));
    assert_eq!(app.exec(&ExecSpec::new(["/no/such"])).await.unwrap_err().kind(), ErrorKind::Failed);
    let error = app.exec(&exec("sleep 1000").with_timeout(Duration::from_millis(20))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    let error = app.exec(&exec("head -c 17000000 /dev/zero")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
    let output = app.exec(&exec("sleep 1000 & echo done")).await.unwrap();
    assert_eq!(output.stdout_text(), "done\n");
    let mut tty = exec("test -t 1 && echo $TERM");
    tty.tty = true;
    assert_eq!(app.exec(&tty).await.unwrap().stdout_text(), "xterm\r\n");
    if bed.has(Capability::ExecUser) {
        let output = app.exec(&exec("id -u; id -g").with_user("65534:7")).await.unwrap();
        assert_eq!(output.stdout_text(), "65534\n7\n");
    }

    // A caller that goes away takes its command with it.
    {
        let abandoned = exec("sleep 1001");
        let call = app.exec(&abandoned);
        tokio::pin!(call);
        while bed.driver.engine().ledger().execs.is_empty() {
            assert!((&mut call).now_or_never().is_none());
            tokio::task::yield_now().await;
        }
    }
    pod.remove().await.unwrap();
    bed.is_clean().await;
}

#[tokio::test]
async fn init_containers_come_first_and_their_failure_undoes_all() {
    let bed = Bed::new().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("order");
    let append = |text: &str| format!("echo {text} >> {}", file.display());
    let spec = one(&append("app"))
        .with_init_container(shell("first", &append("first")))
        .with_init_container(shell("second", &append("second")));
    let pod = bed.client.run_pod(&spec).await.unwrap();
    pod.container("app").unwrap().wait().await.unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "first\nsecond\napp\n");
    pod.remove().await.unwrap();

    let spec = one("true").with_init_container(shell("broken", "exit 4"));
    let error = bed.client.run_pod(&spec).await.unwrap_err();
    assert_eq!((error.kind(), error.leftovers().len()), (ErrorKind::Failed, 0));
    assert!(error.to_string().contains("broken") && error.to_string().contains("code 4"), "{error}");
    bed.is_clean().await;
}

#[tokio::test]
async fn a_dropped_or_failed_run_leaves_nothing() {
    let bed = Bed::new().await;
    let faults = bed.driver.engine().faults();
    for operation in ["create_pod", "create_container", "start_container"] {
        for late in [false, true] {
            let fault = Fault::fail(operation, "Unavailable", "as asked");
            faults.inject(if late { fault.late() } else { fault });
            let error = bed.client.run_pod(&one("sleep 1000")).await.unwrap_err();
            assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unavailable, true), "{operation}");
            bed.is_clean().await;

            let fault = Fault::new(operation, Action::Hang);
            let hanging = faults.inject(if late { fault.late() } else { fault });
            {
                let spec = one("sleep 1000");
                let run = bed.client.run_pod(&spec);
                tokio::pin!(run);
                while hanging.hits() == 0 {
                    assert!((&mut run).now_or_never().is_none());
                    tokio::task::yield_now().await;
                }
            }
            hanging.release();
            bed.is_clean().await;
        }
    }
}

#[tokio::test]
async fn created_is_not_started() {
    let bed = Bed::new().await;
    let options = RunOptions::default().with_wait_for(WaitFor::Created);
    let pod = bed.client.run_pod_with(&one("true"), &options).await.unwrap();
    let app = pod.container("app").unwrap();
    assert_eq!(app.status().await.unwrap().summary.phase, ContainerPhase::Created);
    app.start().await.unwrap();
    assert!(app.wait().await.unwrap().success());
    pod.remove().await.unwrap();
    bed.is_clean().await;
}

#[tokio::test]
async fn logs_can_be_where_the_caller_wants_them() {
    let bed = Bed::new().await;
    let directory = tempfile::tempdir().unwrap();
    let mut spec = one("echo here");
    spec.log_directory = Some(directory.path().join("logs"));
    spec.containers[0].log_path = Some("deep/app.log".into());
    let pod = bed.client.run_pod(&spec).await.unwrap();
    let app = pod.container("app").unwrap();
    app.wait().await.unwrap();
    let path = directory.path().join("logs/deep/app.log");
    assert_eq!(app.status().await.unwrap().log_path, Some(path.clone()));
    assert!(std::fs::read_to_string(&path).unwrap().ends_with(" stdout F here\n"));
    pod.remove().await.unwrap();
    assert!(!path.exists());
    bed.is_clean().await;
}

#[tokio::test]
async fn without_walls_what_needs_them_is_refused_before_anything_is_made() {
    let bed = Bed::with(MemoryOptions::default().with_isolation(Isolation::None)).await;
    let mut spec = one("true");
    spec.hostname = Some("here".into());
    let mounted =
        PodSpec::new("m").with_container(shell("app", "true").with_mount(Mount::host("/tmp", "/x")));
    for spec in [&spec, &mounted] {
        assert_eq!(bed.client.run_pod(spec).await.unwrap_err().kind(), ErrorKind::Unsupported);
        assert!(!bed.client.preflight(spec).is_ok());
    }
    let pod = bed.client.run_pod(&one("exit 2")).await.unwrap();
    assert_eq!(pod.container("app").unwrap().wait().await.unwrap().cause, ExitCause::Exited(2));
    pod.remove().await.unwrap();
    bed.is_clean().await;
}

#[tokio::test]
async fn the_built_in_image_is_there_for_good() {
    let bed = Bed::new().await;
    let images = bed.client.images();
    let status = images.status(HOST_IMAGE).await.unwrap();
    assert_eq!((status.tags.as_slice(), status.pinned), (&[HOST_IMAGE.to_owned()][..], Some(true)));
    assert_eq!(images.pull(HOST_IMAGE, &PullOptions::default()).await.unwrap(), status.id);
    assert_eq!(images.remove(HOST_IMAGE).await.unwrap_err().kind(), ErrorKind::Unsupported);
    images.remove("127.0.0.1:1/no/such:1").await.unwrap();
    assert_eq!(images.status("127.0.0.1:1/no/such:1").await.unwrap_err().kind(), ErrorKind::NotFound);
    let spec = shell("app", "true").with_pull_policy(PullPolicy::Never);
    bed.client.run_pod(&PodSpec::new("p").with_container(spec)).await.unwrap();
    let absent = ContainerSpec::new("app", "127.0.0.1:1/no/such:1").with_pull_policy(PullPolicy::Never);
    let error = bed.client.run_pod(&PodSpec::new("q").with_container(absent)).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::NotFound, Some("ErrImageNeverPull")));
    let unreachable = images.pull("127.0.0.1:1/no/such:1", &PullOptions::default()).await.unwrap_err();
    assert!(unreachable.kind() == ErrorKind::Unavailable && unreachable.is_transient(), "{unreachable:?}");
}

#[tokio::test]
async fn urls_connect() {
    let drivers = Registry::new().with_driver("memory", connect_url);
    let parent = tempfile::tempdir().unwrap();
    let state = parent.path().join("state");
    let driver = drivers.connect(&format!("memory://?state={}", state.display())).await.unwrap();
    assert!(state.exists());
    assert_eq!((driver.info().name, driver.info().endpoint.as_str()), ("memory", "memory://"));
    let client = Client::new(driver);
    assert!(client.ping().await.unwrap().is_ok());
    let error: Error = drivers.connect("memory://?stat=x").await.unwrap_err();
    assert_eq!(error.field(), Some("url"));
    std::fs::write(parent.path().join("file"), "").unwrap();
    let taken = format!("memory://?state={}", parent.path().display());
    assert!(drivers.connect(&taken).await.unwrap_err().to_string().contains("not empty"));
}

#[tokio::test]
async fn an_engine_that_has_ended_does_not_answer() {
    let bed = Bed::new().await;
    bed.driver.engine().shutdown().await.unwrap();
    let error = bed.client.ping().await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unavailable, false));
    assert_eq!(bed.client.run_pod(&one("true")).await.unwrap_err().kind(), ErrorKind::Unavailable);
}
