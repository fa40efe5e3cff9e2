//! Restarts, failures on demand, and the record of calls.

use std::time::{Duration, Instant};

use super::*;
use crate::engine::{Action, Fault};

#[tokio::test]
async fn a_restart_severs_connections_and_keeps_everything() {
    let mut bench = Bench::new().await;
    let sandbox = bench.run("a").await;
    let id = bench.create(&sandbox, shell("c", "sleep 1000")).await;
    bench.start(&id).await.unwrap();
    let started_at = bench.status(&id).await.started_at;

    let mut runtime = bench.runtime.clone();
    let request =
        ExecSyncRequest { container_id: id.clone(), cmd: vec!["sleep".into(), "1000".into()], timeout: 0 };
    let exec = tokio::spawn(async move { runtime.exec_sync(request).await });
    until("the command runs", || !bench.fake.engine().ledger().execs.is_empty()).await;
    bench.fake.restart().await.unwrap();
    exec.await.unwrap().expect_err("the connection is gone");

    (bench.runtime, bench.images) = connect(&bench.fake).await;
    assert_eq!(bench.status(&id).await.started_at, started_at);
    assert_eq!(bench.exec(&id, &["true"], 5).await.unwrap().exit_code, 0);
    bench.finish().await;
}

#[tokio::test]
async fn faults_hit_methods_by_name() {
    let mut bench = Bench::new().await;
    let faults = bench.fake.engine().faults();
    faults.inject(Fault::fail("Version", "Unavailable", "try again"));
    let version = || VersionRequest::default();
    assert_refused(bench.runtime.version(version()).await, Code::Unavailable, "try again");
    assert_eq!(bench.runtime.version(version()).await.unwrap().into_inner().runtime_name, "containerd");

    faults.inject(Fault::new("Version", Action::Delay(Duration::from_millis(30))));
    let start = Instant::now();
    bench.runtime.version(version()).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(30));

    let hang = faults.inject(Fault::new("Version", Action::Hang));
    let mut runtime = bench.runtime.clone();
    let call = tokio::spawn(async move { runtime.version(version()).await });
    until("the call hangs", || hang.hits() == 1).await;
    bench.runtime.version(version()).await.unwrap();
    assert!(!call.is_finished());
    hang.release();
    call.await.unwrap().unwrap();
    bench.finish().await;
}

#[tokio::test]
async fn a_late_fault_leaves_the_work_done() {
    let mut bench = Bench::new().await;
    bench.fake.engine().faults().inject(Fault::fail("RunPodSandbox", "DeadlineExceeded", "late").late());
    let request = RunPodSandboxRequest { config: Some(bench.sandbox_config("a")), ..Default::default() };
    assert_refused(bench.runtime.run_pod_sandbox(request.clone()).await, Code::DeadlineExceeded, "late");
    let made = bench.fake.engine().pods()[0].id.clone();
    let words = format!("name \"a_ns_uid-a_0\" is reserved for \"{made}\"");
    assert_refused(bench.runtime.run_pod_sandbox(request).await, Code::Unknown, &words);
    bench.finish().await;
}

#[tokio::test]
async fn calls_are_counted_by_name() {
    let mut bench = Bench::new().await;
    bench.run("a").await;
    bench.run("b").await;
    let _ = bench.runtime.get_container_events(GetEventsRequest {}).await;
    let calls = bench.fake.calls();
    assert_eq!(calls.names(), ["RunPodSandbox", "RunPodSandbox", "GetContainerEvents"]);
    assert_eq!((calls.count("RunPodSandbox"), calls.counts()["GetContainerEvents"]), (2, 1));
    calls.clear();
    assert_eq!(calls.names(), Vec::<&str>::new());
    bench.finish().await;
}
