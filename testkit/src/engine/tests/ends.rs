//! Ends: of an engine, of its process, of many containers at once.

use super::*;

#[tokio::test]
async fn everything_dies_with_the_last_handle() {
    for bed in [Bed::walled().await, Bed::open().await, Some(Bed::host().await)].into_iter().flatten() {
        let script = "sleep 1000 & sleep 1000";
        let id = bed.start(bed.launch(&["sh", "-c", script])).await;
        let exec = bed.engine.exec_stream(&id, command(&["sleep", "1000"])).await.unwrap();
        let pids: Vec<i32> = bed.engine.ledger().processes.iter().map(|process| process.pid).collect();
        assert_eq!(pids.len(), 2);
        let directory = bed.engine.state_dir().to_path_buf();
        drop(bed);
        until(|| pids.iter().all(|pid| process::Stat::of(*pid).is_none_or(|stat| stat.zombie))).await;
        until(|| !directory.exists()).await;
        drop(exec);
    }
}

#[tokio::test]
async fn a_sweep_ends_what_a_killed_engine_left() {
    let parent = tempfile::tempdir().unwrap();
    let state = parent.path().join("state");
    let options = EngineOptions { state_dir: Some(state.clone()), ..EngineOptions::default() };
    let engine = Engine::start(options).await.unwrap();
    assert_eq!(sweep(&state).unwrap_err().kind(), std::io::ErrorKind::ResourceBusy);
    let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let start_time = process::Stat::of(pid).unwrap().start_time;
    let left = parent.path().join("left");
    fs::create_dir(&left).unwrap();
    // An owner that is gone, a pid that belongs to somebody else by now, and the one that is left.
    let own = std::process::id();
    fs::write(left.join(process::PROCESS_FILE), format!("{own} 1\n{own} 2\n{pid} {start_time}\n")).unwrap();
    assert_eq!(sweep(&left).unwrap().killed, [pid]);
    assert!(!left.exists());
    child.wait().unwrap();
    assert_eq!(sweep(&left).unwrap(), Swept::default());
    assert_eq!(sweep(parent.path()).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    engine.shutdown().await.unwrap();
}

/// Not a test of its own: the program that the next one kills.
#[tokio::test]
async fn a_victim() {
    let Some(state) = std::env::var_os("ENGINE_TEST_VICTIM") else { return };
    let options = EngineOptions { state_dir: Some(state.into()), ..EngineOptions::default() };
    let engine = Engine::start(options).await.unwrap();
    let pod = engine.create_pod(pod("one")).await.unwrap().id;
    let argv = ["sh", "-c", "sleep 1000 & sleep 1000"].map(str::to_owned).to_vec();
    let launch = Launch { image: HOST_IMAGE.into(), argv, ..Launch::default() };
    let id = engine.create_container(&pod, launch).await.unwrap().id;
    engine.start_container(&id).await.unwrap();
    let _exec = engine.exec_stream(&id, command(&["sleep", "1000"])).await.unwrap();
    fs::write(engine.state_dir().join("ready"), "").unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_sweep_ends_what_sigkill_has_orphaned() {
    let parent = tempfile::tempdir().unwrap();
    let state = parent.path().join("state");
    let mut victim = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "engine::tests::ends::a_victim"])
        .env("ENGINE_TEST_VICTIM", &state)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until(|| state.join("ready").exists()).await;
    let pid = i32::try_from(victim.id()).unwrap();
    let below =
        || -> Vec<i32> { process::descendants(&[pid]).into_iter().filter(|other| *other != pid).collect() };
    // A shell, its two children, an exec.
    until(|| below().len() == 4).await;
    let left = below();
    victim.kill().unwrap();
    victim.wait().unwrap();
    assert_eq!(sweep(&state).unwrap().killed.len(), 2);
    assert!(!state.exists());
    until(|| left.iter().all(|pid| process::Stat::of(*pid).is_none_or(|stat| stat.zombie))).await;
}

#[tokio::test]
async fn a_crowd_comes_and_goes() {
    let Some(bed) = Bed::walled().await else { return };
    let lives = (0..50).map(|at| {
        let engine = bed.engine.clone();
        async move {
            let pod = engine.create_pod(pod(&format!("crowd-{at}"))).await.unwrap().id;
            let argv = vec!["sleep".into(), "1000".into()];
            let launch = Launch { image: "localhost/busybox".into(), argv, ..Launch::default() };
            let id = engine.create_container(&pod, launch).await.unwrap().id;
            engine.start_container(&id).await.unwrap();
            let output = engine.exec(&id, command(&["echo", "hi"])).await.unwrap();
            assert_eq!(output.stdout, b"hi\n");
            assert!(engine.remove_pod(&pod).await.unwrap());
        }
    });
    futures::future::join_all(lives).await;
    assert_eq!(bed.engine.ledger().pods.len(), 1);
    assert!(bed.engine.ledger().processes.is_empty());
    bed.end().await;
}
