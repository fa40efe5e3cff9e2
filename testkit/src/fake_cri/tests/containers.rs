//! The life of a container, and what its status says.

use super::*;

#[tokio::test]
async fn a_container_lives_and_ends() {
    let mut bench = Bench::new().await;
    let sandbox = bench.run("a").await;
    let id = bench.create(&sandbox, shell("main", "trap 'exit 7' TERM; while :; do sleep 0.01; done")).await;
    assert_eq!(id.len(), 64);
    let status = bench.status(&id).await;
    assert_eq!((status.state(), status.started_at), (ContainerState::ContainerCreated, 0));
    assert_eq!(status.image.unwrap().image, HOST_IMAGE);

    bench.start(&id).await.unwrap();
    let status = bench.status(&id[..8]).await;
    assert_eq!((status.state(), status.finished_at), (ContainerState::ContainerRunning, 0));
    assert!(status.started_at >= status.created_at && status.created_at > 1_700_000_000_000_000_000);

    // Once it answers, the trap is set.
    while bench.exec(&id, &["true"], 5).await.unwrap().exit_code != 0 {}
    bench.stop(&id, 10).await.unwrap();
    bench.stop(&id, 10).await.unwrap();
    let status = bench.status(&id).await;
    assert_eq!(status.state(), ContainerState::ContainerExited);
    assert!(status.finished_at >= status.started_at);
    assert!(matches!((status.exit_code, status.reason.as_str()), (7 | 143, "Error")), "{status:?}");

    bench.remove(&id).await.unwrap();
    bench.remove(&id).await.unwrap();
    assert_refused(bench.try_status(&id).await, Code::NotFound, "not found");
    bench.finish().await;
}

#[tokio::test]
async fn exits_have_reasons() {
    let mut bench = Bench::new().await;
    let sandbox = bench.run("a").await;
    for (name, script, code, reason) in [
        ("zero", "exit 0", 0, "Completed"),
        ("five", "exit 5", 5, "Error"),
        ("kill", "kill -9 $$", 137, "Error"),
        ("term", "kill -15 $$; sleep 5", 143, "Error"),
    ] {
        let status = bench.run_to_end(&sandbox, name, script).await;
        assert_eq!((status.exit_code, status.reason.as_str()), (code, reason), "{name}");
    }
    bench.finish().await;
}

#[tokio::test]
async fn a_missing_command_is_a_start_error() {
    let mut bench = Bench::new().await;
    let sandbox = bench.run("a").await;
    let config = ContainerConfig { command: vec!["/no/such".into()], ..shell("c", "") };
    let id = bench.create(&sandbox, config).await;
    let words = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create \
                 failed: unable to start container process: exec: \"/no/such\": stat /no/such: no such file or \
                 directory: unknown";
    assert_refused(bench.start(&id).await, Code::Unknown, words);
    let status = bench.status(&id).await;
    assert_eq!((status.exit_code, status.reason.as_str(), status.started_at), (128, "StartError", 0));
    assert_eq!(status.message, words);
    assert_refused(bench.start(&id).await, Code::Unknown, "container is in CONTAINER_EXITED state");
    bench.finish().await;
}

#[tokio::test]
async fn logs_are_written_where_status_says_and_can_be_reopened() {
    let mut bench = Bench::new().await;
    let sandbox = bench.run("a").await;
    let dir = tempfile::tempdir().unwrap();
    let go = dir.path().join("go");
    let script =
        format!("echo out; echo err >&2; while [ ! -e {} ]; do sleep 0.01; done; printf end", go.display());
    let id = bench.create(&sandbox, shell("c", &script)).await;
    let path = bench.status(&id).await.log_path;
    assert!(path.ends_with("/a/c.log"), "{path}");
    assert!(!std::path::Path::new(&path).exists());
    let reopen = |id: &str| ReopenContainerLogRequest { container_id: id.into() };
    assert_refused(
        bench.runtime.reopen_container_log(reopen(&id)).await,
        Code::Unknown,
        "container is not running",
    );
    bench.start(&id).await.unwrap();
    until("two lines", || std::fs::read_to_string(&path).unwrap_or_default().lines().count() == 2).await;
    let moved = format!("{path}.1");
    std::fs::rename(&path, &moved).unwrap();
    bench.runtime.reopen_container_log(reopen(&id)).await.unwrap();
    std::fs::write(&go, "").unwrap();
    bench.exited(&id).await;
    let old = std::fs::read_to_string(&moved).unwrap();
    assert!(old.contains(" stdout F out\n") && old.contains(" stderr F err\n"), "{old:?}");
    assert!(std::fs::read_to_string(&path).unwrap().ends_with(" stdout P end\n"));
    bench.remove(&id).await.unwrap();
    assert!(std::path::Path::new(&path).exists(), "the log stays");
    bench.finish().await;
}

#[tokio::test]
async fn removing_a_running_one_kills_it() {
    let mut bench = Bench::new().await;
    let sandbox = bench.run("a").await;
    let id = bench.create(&sandbox, shell("c", "sleep 1000")).await;
    bench.start(&id).await.unwrap();
    bench.remove(&id).await.unwrap();
    assert_eq!(bench.fake.engine().ledger().processes, []);
    bench.finish().await;
}

#[tokio::test]
async fn verbose_status_has_the_pid() {
    let mut bench = Bench::new().await;
    let sandbox = bench.run("a").await;
    let id = bench.create(&sandbox, shell("c", "sleep 1000")).await;
    bench.start(&id).await.unwrap();
    let request = ContainerStatusRequest { container_id: id, verbose: true };
    let info = bench.runtime.container_status(request).await.unwrap().into_inner().info;
    let info: serde_json::Value = serde_json::from_str(&info["info"]).unwrap();
    assert_eq!(info["sandboxID"], sandbox);
    assert_eq!(info["pid"], bench.fake.engine().ledger().processes[0].pid);
    bench.finish().await;
}

#[tokio::test]
async fn the_environment_and_the_image_meet() {
    let mut bench = Bench::new().await;
    let sandbox = bench.run("a").await;
    let mut config = shell("c", "echo \"$A\"; echo \"$PATH\"");
    config.envs = vec![
        KeyValue { key: "A".into(), value: "x=y".into() },
        KeyValue { key: "PATH".into(), value: "/bin:/usr/bin".into() },
    ];
    let id = bench.create(&sandbox, config).await;
    bench.start(&id).await.unwrap();
    let path = bench.exited(&id).await.log_path;
    let log = std::fs::read_to_string(path).unwrap();
    assert!(log.contains(" F x=y\n") && log.contains(" F /bin:/usr/bin\n"), "{log}");
    bench.finish().await;
}
