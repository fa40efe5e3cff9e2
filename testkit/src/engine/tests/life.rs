//! Containers and pods from their beginning to their end.

use super::*;

#[tokio::test]
async fn the_host_image_runs_at_once() {
    let bed = Bed::host().await;
    let (exit, printed) = bed.sh("echo out; exit 7").await;
    assert_eq!(exit.outcome, Outcome::Code(7));
    assert_eq!(printed, "out\n");
    bed.end().await;
}

#[tokio::test]
async fn a_container_has_its_own_root_host_name_and_processes() {
    let Some(bed) = Bed::walled().await else { return };
    let mut launch = bed.launch(&[
        "sh",
        "-c",
        "hostname; echo $$; ls /; cat /proc/self/mountinfo | grep -c /proc/sys; touch /x; pwd; echo $HOME",
    ]);
    launch.hostname = Some("inside".into());
    launch.cwd = Some("/made/here".into());
    let (exit, printed) = bed.run(launch).await;
    assert_eq!(exit.outcome, Outcome::Code(0));
    assert!(printed.starts_with("inside\n1\nbin\n"), "{printed}");
    assert!(printed.ends_with("/made/here\n/root\n"), "{printed}");
    let (_, again) = bed.sh("ls /").await;
    assert!(!again.contains('x'), "a container starts from the image: {again}");
    bed.end().await;
}

#[tokio::test]
async fn mounts_are_where_they_should_be() {
    let Some(bed) = Bed::walled().await else { return };
    let host = tempfile::tempdir().unwrap();
    fs::write(host.path().join("file"), "from the host").unwrap();
    let bind = |path: &str, read_only, host_path| Mount {
        container_path: path.into(),
        read_only,
        kind: MountKind::Bind { host_path },
        propagation: Propagation::Private,
    };
    let mut launch = bed.launch(&["sh", "-c", "cat /in/file /one; echo; touch /in/new || echo refused; echo x > /out/y; touch /root-file || echo read-only; touch /scratch/z && echo ok; dd if=/dev/zero of=/scratch/big bs=1k count=200 2>/dev/null || echo full; cat /sys/fs/cgroup/memory/memory.limit_in_bytes"]);
    launch.mounts = vec![
        bind("/in", true, host.path().to_path_buf()),
        bind("/out", false, host.path().to_path_buf()),
        bind("/one", true, host.path().join("file")),
        Mount {
            container_path: "/scratch".into(),
            read_only: false,
            kind: MountKind::Tmpfs { size_bytes: Some(65536) },
            propagation: Propagation::Private,
        },
    ];
    launch.read_only_rootfs = true;
    launch.cgroup =
        vec![CgroupFile { path: "memory/memory.limit_in_bytes".into(), content: "1048576\n".into() }];
    let (exit, printed) = bed.run(launch).await;
    let lines: Vec<_> = printed.lines().filter(|line| !line.starts_with("touch:")).collect();
    assert_eq!(
        lines,
        [
            "from the hostfrom the host".to_owned() + "",
            "refused".into(),
            "read-only".into(),
            "ok".into(),
            "full".into(),
            "1048576".into()
        ],
        "{exit:?}"
    );
    assert_eq!(fs::read_to_string(host.path().join("y")).unwrap(), "x\n");
    let mut launch = bed.launch(&["sh"]);
    launch.mounts = vec![bind("/in", true, host.path().join("missing"))];
    let id = bed.engine.create_container(&bed.pod, launch).await.unwrap().id;
    let refused = bed.engine.start_container(&id).await;
    assert!(matches!(refused, Err(EngineError::InvalidArgument { field: "mounts", .. })), "{refused:?}");
    bed.end().await;
}

#[tokio::test]
async fn too_much_memory_is_the_end() {
    for bed in [Bed::walled().await, Bed::open().await].into_iter().flatten() {
        let mut launch = bed.launch(&["sh", "-c", "x=0123456789; while true; do x=$x$x; done"]);
        launch.memory_limit_bytes = Some(32 << 20);
        let (exit, _) = bed.run(launch).await;
        assert!(exit.oom_killed, "{exit:?}");
        assert_eq!(exit.outcome, Outcome::Signal(9));
        bed.end().await;
    }
}

#[tokio::test]
async fn a_stop_asks_before_it_kills() {
    for bed in [Bed::walled().await, Bed::open().await].into_iter().flatten() {
        let polite = "trap 'echo bye; exit 5' TERM; echo ready; while true; do sleep 0.01; done";
        let id = bed.start(bed.launch(&["sh", "-c", polite])).await;
        until(|| bed.printed().contains("ready")).await;
        bed.engine.stop_container(&id, None, LONG).await.unwrap();
        let exit = bed.engine.wait_container(&id).await.unwrap();
        assert_eq!(exit.outcome, Outcome::Code(5));
        assert!(bed.printed().ends_with("bye\n"));
        bed.engine.stop_container(&id, None, LONG).await.unwrap();

        let stubborn = "trap '' TERM; echo armed; while true; do sleep 0.01; done";
        let id = bed.start(bed.launch(&["sh", "-c", stubborn])).await;
        until(|| bed.printed().contains("armed")).await;
        bed.engine.stop_container(&id, None, Duration::from_millis(30)).await.unwrap();
        let exit = bed.engine.wait_container(&id).await.unwrap();
        assert_eq!(exit.outcome, Outcome::Signal(9));
        assert_eq!(exit.outcome.code(), 137);
        bed.end().await;
    }
}

#[tokio::test]
async fn a_missing_command_is_an_end_of_its_own() {
    for bed in [Bed::walled().await, Bed::open().await, Some(Bed::host().await)].into_iter().flatten() {
        let id = bed.engine.create_container(&bed.pod, bed.launch(&["no-such-command"])).await.unwrap().id;
        let failed = bed.engine.start_container(&id).await;
        assert!(matches!(failed, Err(EngineError::NoSuchCommand { .. })), "{failed:?}");
        let exit = bed.engine.wait_container(&id).await.unwrap();
        assert_eq!((exit.outcome, exit.started_at), (Outcome::Code(128), None));
        assert!(exit.start_error.unwrap().contains("no-such-command"));
        let again = bed.engine.start_container(&id).await;
        assert!(matches!(again, Err(EngineError::InvalidState { .. })), "{again:?}");
        bed.end().await;
    }
}

#[tokio::test]
async fn names_are_taken_once_and_states_are_kept() {
    let bed = Bed::host().await;
    let again = bed.engine.create_pod(pod("one")).await;
    assert!(matches!(again, Err(EngineError::NameTaken { existing, .. }) if existing == bed.pod));
    let id = bed.start(bed.launch(&["sleep", "1000"])).await;
    let twin = bed.engine.create_container(&bed.pod, bed.launch(&["sleep", "1000"])).await;
    assert!(matches!(twin, Err(EngineError::NameTaken { existing, .. }) if existing == id));
    let running = bed.engine.remove_container(&id, false).await;
    assert!(matches!(running, Err(EngineError::InvalidState { .. })));
    assert!(bed.engine.remove_container(&id, true).await.unwrap());
    assert!(!bed.engine.remove_container(&id, true).await.unwrap());
    bed.engine.stop_pod(&bed.pod, Duration::ZERO).await.unwrap();
    let late = bed.engine.create_container(&bed.pod, bed.launch(&["true"])).await;
    assert!(matches!(late, Err(EngineError::InvalidState { object: Object::Pod, .. })));
    assert!(bed.engine.remove_pod(&bed.pod).await.unwrap());
    assert!(!bed.engine.remove_pod(&bed.pod).await.unwrap());
    assert!(bed.engine.ledger().is_empty_except_images());
    bed.end().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_refused() {
    let options = EngineOptions { isolation: Some(Isolation::None), ..EngineOptions::default() };
    let engine = Engine::start(options).await.unwrap();
    let pod = engine.create_pod(pod("p")).await.unwrap().id;
    let sh = || Launch { image: HOST_IMAGE.into(), argv: vec!["sh".into()], ..Launch::default() };
    let mount = Mount {
        container_path: "/x".into(),
        read_only: true,
        kind: MountKind::Tmpfs { size_bytes: None },
        propagation: Propagation::Private,
    };
    let unsupported = [
        Launch { hostname: Some("x".into()), ..sh() },
        Launch { mounts: vec![mount], ..sh() },
        Launch { user: Some(User::Id { uid: 12345, gid: None }), ..sh() },
        Launch { read_only_rootfs: true, ..sh() },
        Launch { masked_paths: vec!["/proc/keys".into()], ..sh() },
        Launch { privileges: Privileges { no_new_privs: true, ..Privileges::default() }, ..sh() },
        Launch { pids: PidSpace::Target(pod.clone()), ..sh() },
    ];
    for launch in unsupported {
        let refused = engine.create_container(&pod, launch).await;
        assert!(matches!(refused, Err(EngineError::Unsupported { .. })), "{refused:?}");
    }
    let invalid = [
        Launch { argv: vec![], ..sh() },
        Launch { env: vec![("a=b".into(), String::new())], ..sh() },
        Launch { env: vec![("a".into(), "\0".into())], ..sh() },
        Launch { cwd: Some("relative".into()), ..sh() },
        Launch { stop_signal: Some("SIGNOPE".into()), ..sh() },
        Launch { cgroup: vec![CgroupFile { path: "../x".into(), content: String::new() }], ..sh() },
    ];
    for launch in invalid {
        let refused = engine.create_container(&pod, launch).await;
        assert!(matches!(refused, Err(EngineError::InvalidArgument { .. })), "{refused:?}");
    }
    assert!(engine.ledger().containers.is_empty());
    engine.shutdown().await.unwrap();
    let late = engine.create_pod(PodLaunch::default()).await;
    assert!(matches!(late, Err(EngineError::ShutDown)));
}

#[tokio::test]
async fn faults_hit_as_they_are_told() {
    let bed = Bed::host().await;
    let faults = bed.engine.faults();
    let fault = faults.inject(Fault::fail("create_pod", "INTERNAL", "no").after(1).times(2));
    bed.engine.create_pod(pod("a")).await.unwrap();
    for _ in 0..2 {
        let failed = bed.engine.create_pod(pod("b")).await;
        assert!(
            matches!(failed, Err(EngineError::Injected { ref code, .. }) if code == "INTERNAL"),
            "{failed:?}"
        );
    }
    bed.engine.create_pod(pod("b")).await.unwrap();
    assert_eq!(fault.hits(), 2);
    faults.inject(Fault::fail("create_pod", "", "too late").late());
    bed.engine.create_pod(pod("c")).await.unwrap_err();
    assert_eq!(bed.engine.pods().len(), 4, "a late fault comes after the effect");
    let hang = faults.inject(Fault::new("remove_pod", Action::Hang));
    let mut removal = Box::pin(bed.engine.remove_pod(&bed.pod));
    assert!(futures::poll!(&mut removal).is_pending());
    hang.release();
    assert!(removal.await.unwrap());
    bed.end().await;
}

#[tokio::test]
async fn events_tell_the_story() {
    let bed = Bed::host().await;
    let mut events = bed.engine.subscribe();
    bed.sh("true").await;
    bed.engine.remove_pod(&bed.pod).await.unwrap();
    let mut kinds = Vec::new();
    while let Ok(event) = events.try_recv() {
        kinds.push((matches!(event.subject, Subject::Pod { .. }), event.kind));
    }
    use EventKind::{Created, Deleted, Started, Stopped};
    let want = [
        (false, Created),
        (false, Started),
        (false, Stopped),
        (false, Deleted),
        (true, Stopped),
        (true, Deleted),
    ];
    assert_eq!(kinds, want);
    bed.end().await;
}

#[tokio::test]
async fn the_log_is_complete_at_the_exit_and_can_be_moved() {
    let bed = Bed::host().await;
    let (_, printed) = bed.sh("seq 1 20000; echo end >&2").await;
    let lines: Vec<_> = printed.lines().filter(|line| *line != "end").collect();
    assert_eq!(lines.len(), 20000);
    assert_eq!(lines.last(), Some(&"20000"));

    let launch = Launch { stdin: true, ..bed.launch(&["cat"]) };
    let id = bed.start(launch).await;
    let stdin = bed.engine.attach(&id).await.unwrap().stdin.unwrap();
    stdin.write_all(b"old\n").await.unwrap();
    until(|| bed.printed().ends_with("old\n")).await;
    fs::rename(bed.log(), bed.engine.state_dir().join("log.1")).unwrap();
    bed.engine.reopen_log(&id).await.unwrap();
    stdin.write_all(b"new\n").await.unwrap();
    stdin.close().await;
    assert_eq!(bed.engine.wait_container(&id).await.unwrap().outcome, Outcome::Code(0));
    assert_eq!(bed.printed(), "new\n");
    bed.end().await;
}
