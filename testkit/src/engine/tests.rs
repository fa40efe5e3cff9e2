//! Tests of the engine as a whole: each starts its own, and proves at its end that nothing was left.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const BUSYBOX: &str = "/bin/busybox";
const LONG: Duration = Duration::from_secs(20);

/// An engine with an image of busybox, and a pod.
struct Bed {
    engine: Engine,
    pod: String,
    image: &'static str,
}

impl Bed {
    /// With walls. `None`, with a printed reason, where that cannot be.
    async fn walled() -> Option<Self> {
        let engine = Engine::start(EngineOptions::default()).await.unwrap();
        if engine.isolation() != Isolation::Chroot {
            println!("skipped: needs root and namespaces");
            return None;
        }
        Self::with_busybox(engine).await
    }

    async fn open() -> Option<Self> {
        let options = EngineOptions { isolation: Some(Isolation::None), ..EngineOptions::default() };
        Self::with_busybox(Engine::start(options).await.unwrap()).await
    }

    async fn with_busybox(engine: Engine) -> Option<Self> {
        if !Path::new(BUSYBOX).exists() {
            println!("skipped: no {BUSYBOX}");
            return None;
        }
        let files = tempfile::tempdir().unwrap();
        let root = files.path();
        for directory in ["bin", "etc", "tmp", "home/app"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(BUSYBOX, root.join("bin/busybox")).unwrap();
        for name in [
            "sh", "sleep", "cat", "echo", "hostname", "id", "ls", "touch", "ps", "mount", "env", "pwd",
            "seq", "dd",
        ] {
            symlink("busybox", root.join("bin").join(name)).unwrap();
        }
        fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n")
            .unwrap();
        fs::write(root.join("etc/group"), "root:x:0:\napp:x:1001:\nwheel:x:10:app\n").unwrap();
        let config = ImageConfig { user: None, ..ImageConfig::default() };
        engine.import_image("localhost/busybox", root, config).await.unwrap();
        let pod = engine.create_pod(pod("one")).await.unwrap().id;
        Some(Self { engine, pod, image: "localhost/busybox" })
    }

    async fn host() -> Self {
        let engine = Engine::start(EngineOptions::default()).await.unwrap();
        let pod = engine.create_pod(pod("one")).await.unwrap().id;
        Self { engine, pod, image: HOST_IMAGE }
    }

    fn launch(&self, argv: &[&str]) -> Launch {
        Launch {
            name: argv.join(" "),
            image: self.image.to_owned(),
            argv: argv.iter().map(ToString::to_string).collect(),
            log_path: Some(self.log()),
            ..Launch::default()
        }
    }

    fn log(&self) -> std::path::PathBuf {
        self.engine.state_dir().join("log")
    }

    async fn start(&self, launch: Launch) -> String {
        let id = self.engine.create_container(&self.pod, launch).await.unwrap().id;
        self.engine.start_container(&id).await.unwrap();
        id
    }

    /// Runs to its end: what it ended with and what it printed.
    async fn run(&self, launch: Launch) -> (Exit, String) {
        let _ = fs::remove_file(self.log());
        let id = self.start(launch).await;
        let exit = tokio::time::timeout(LONG, self.engine.wait_container(&id)).await.unwrap().unwrap();
        assert!(self.engine.remove_container(&id, false).await.unwrap());
        (exit, self.printed())
    }

    async fn sh(&self, script: &str) -> (Exit, String) {
        self.run(self.launch(&["sh", "-c", script])).await
    }

    fn printed(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        log.split_terminator('\n').map(|line| line.splitn(4, ' ').nth(3).unwrap().to_owned() + "\n").collect()
    }

    async fn exec(&self, id: &str, script: &str) -> ExecOutput {
        let output = self.engine.exec(id, exec(&["sh", "-c", script])).await;
        output.unwrap()
    }

    /// Everything gone, and no trace of it on the machine.
    async fn end(self) {
        let directory = self.engine.state_dir().to_path_buf();
        let pids: Vec<i32> = self.engine.ledger().processes.iter().map(|process| process.pid).collect();
        self.engine.shutdown().await.unwrap();
        assert!(self.engine.ledger().is_empty(), "{:?}", self.engine.ledger());
        assert!(!directory.exists());
        for pid in pids {
            assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid} is left");
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(directory.to_str().unwrap()), "{mounts}");
    }
}

fn pod(name: &str) -> PodLaunch {
    PodLaunch { name: name.into(), namespace: "default".into(), uid: "u".into(), ..PodLaunch::default() }
}

fn exec(argv: &[&str]) -> ExecLaunch {
    ExecLaunch { argv: argv.iter().map(ToString::to_string).collect(), ..ExecLaunch::default() }
}

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
async fn exec_joins_the_container() {
    let Some(bed) = Bed::walled().await else { return };
    let mut launch = bed.launch(&["sleep", "1000"]);
    launch.hostname = Some("inside".into());
    launch.env = vec![("A".into(), "1".into()), ("PATH".into(), "/bin".into())];
    let id = bed.start(launch).await;
    let output = bed.exec(&id, "hostname; cat /proc/1/cmdline; echo; echo $A; echo bad >&2; exit 3").await;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "inside\nsleep\u{0}1000\u{0}\n1\n");
    assert_eq!(output.stderr, b"bad\n");
    assert_eq!(output.outcome, Outcome::Code(3));
    let user = User::Name("app".into());
    let whoami = ExecLaunch {
        user: Some(user),
        cwd: Some("/tmp".into()),
        env: vec![("A".into(), "2".into())],
        ..exec(&["sh", "-c", "id; pwd; echo $A; echo $HOME"])
    };
    let output = bed.engine.exec(&id, whoami).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, "uid=1000(app) gid=1001(app) groups=10(wheel),1001(app)\n/tmp\n2\n/home/app\n");
    let missing = bed.engine.exec(&id, exec(&["nope"])).await;
    assert!(matches!(missing, Err(EngineError::NoSuchCommand { .. })), "{missing:?}");
    let denied = bed.engine.exec(&id, exec(&["/etc/passwd"])).await;
    assert!(matches!(denied, Err(EngineError::NotExecutable { .. })), "{denied:?}");
    bed.end().await;
}

#[tokio::test]
async fn a_streaming_exec_ends_with_its_handle() {
    for bed in [Bed::walled().await, Bed::open().await].into_iter().flatten() {
        let id = bed.start(bed.launch(&["sleep", "1000"])).await;
        let launch = ExecLaunch { stdin: true, ..exec(&["sh", "-c", "cat; sleep 1000"]) };
        let mut process = bed.engine.exec_stream(&id, launch).await.unwrap();
        let mut stdin = process.stdin.take().unwrap();
        stdin.write_all(b"hello").await.unwrap();
        drop(stdin);
        let mut echoed = [0; 5];
        process.stdout.as_mut().unwrap().read_exact(&mut echoed).await.unwrap();
        assert_eq!(&echoed, b"hello");
        assert_eq!(bed.engine.ledger().execs.len(), 1);
        let mut stdout = process.stdout.take().unwrap();
        drop(process);
        let mut rest = Vec::new();
        tokio::time::timeout(LONG, stdout.read_to_end(&mut rest)).await.expect("all holders died").unwrap();
        bed.end().await;
    }
}

#[tokio::test]
async fn an_exec_that_takes_too_long_is_killed_and_one_whose_children_linger_is_not_waited_for() {
    for bed in [Bed::walled().await, Bed::open().await].into_iter().flatten() {
        let id = bed.start(bed.launch(&["sleep", "1000"])).await;
        let slow = ExecLaunch {
            timeout: Some(Duration::from_millis(50)),
            ..exec(&["sh", "-c", "sleep 1000; echo"])
        };
        let slow = bed.engine.exec(&id, slow).await;
        assert!(matches!(slow, Err(EngineError::ExecTimeout { .. })), "{slow:?}");
        let lingering =
            ExecLaunch { drain: Duration::from_millis(20), ..exec(&["sh", "-c", "sleep 1000 & echo $!"]) };
        let lingering = tokio::time::timeout(LONG, bed.engine.exec(&id, lingering)).await.unwrap().unwrap();
        let pid: i32 = String::from_utf8(lingering.stdout).unwrap().trim().parse().unwrap();
        let much = ExecLaunch { output_limit_bytes: 10, ..exec(&["seq", "100000"]) };
        let much = bed.engine.exec(&id, much).await.unwrap();
        assert!(much.truncated && much.stdout.len() == 10);
        let walled = bed.engine.isolation() == Isolation::Chroot;
        bed.end().await;
        // With walls, that is a number inside.
        until(|| walled || process::Stat::of(pid).is_none_or(|stat| stat.zombie)).await;
    }
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
    let mount =
        Mount { container_path: "/x".into(), read_only: true, kind: MountKind::Tmpfs { size_bytes: None } };
    let unsupported = [
        Launch { hostname: Some("x".into()), ..sh() },
        Launch { mounts: vec![mount], ..sh() },
        Launch { user: Some(User::Id { uid: 12345, gid: None }), ..sh() },
        Launch { read_only_rootfs: true, ..sh() },
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
async fn everything_dies_with_the_last_handle() {
    for bed in [Bed::walled().await, Bed::open().await, Some(Bed::host().await)].into_iter().flatten() {
        let script = "sleep 1000 & sleep 1000";
        let id = bed.start(bed.launch(&["sh", "-c", script])).await;
        let exec = bed.engine.exec_stream(&id, exec(&["sleep", "1000"])).await.unwrap();
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
    let _exec = engine.exec_stream(&id, exec(&["sleep", "1000"])).await.unwrap();
    fs::write(engine.state_dir().join("ready"), "").unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_sweep_ends_what_sigkill_has_orphaned() {
    let parent = tempfile::tempdir().unwrap();
    let state = parent.path().join("state");
    let mut victim = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "engine::tests::a_victim"])
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
            let output = engine.exec(&id, exec(&["echo", "hi"])).await.unwrap();
            assert_eq!(output.stdout, b"hi\n");
            assert!(engine.remove_pod(&pod).await.unwrap());
        }
    });
    futures::future::join_all(lives).await;
    assert_eq!(bed.engine.ledger().pods.len(), 1);
    assert!(bed.engine.ledger().processes.is_empty());
    bed.end().await;
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
    let mut stdin = bed.engine.take_stdin(&id).unwrap().unwrap();
    stdin.write_all(b"old\n").await.unwrap();
    until(|| bed.printed().ends_with("old\n")).await;
    fs::rename(bed.log(), bed.engine.state_dir().join("log.1")).unwrap();
    bed.engine.reopen_log(&id).await.unwrap();
    stdin.write_all(b"new\n").await.unwrap();
    drop(stdin);
    assert_eq!(bed.engine.wait_container(&id).await.unwrap().outcome, Outcome::Code(0));
    assert_eq!(bed.printed(), "new\n");
    bed.end().await;
}

#[tokio::test]
async fn a_terminal_is_one() {
    for bed in [Bed::walled().await, Bed::open().await].into_iter().flatten() {
        let script = "test -t 0 && test -t 1 && test -t 2 && echo yes; read line; echo got $line";
        let launch = Launch { tty: true, stdin: true, ..bed.launch(&["sh", "-c", script]) };
        let id = bed.start(launch).await;
        let mut stdin = bed.engine.take_stdin(&id).unwrap().unwrap();
        stdin.write_all(b"a line\n").await.unwrap();
        let exit = tokio::time::timeout(LONG, bed.engine.wait_container(&id)).await.unwrap().unwrap();
        assert_eq!(exit.outcome, Outcome::Code(0));
        let printed = bed.printed();
        assert!(printed.contains("yes\r\n") && printed.contains("got a line\r\n"), "{printed:?}");

        let id = bed.start(bed.launch(&["sleep", "1000"])).await;
        let launch = ExecLaunch {
            tty: true,
            stdin: true,
            ..exec(&["sh", "-c", "trap 'exit 4' INT; echo on; while true; do sleep 0.01; done"])
        };
        let mut process = bed.engine.exec_stream(&id, launch).await.unwrap();
        process.resize(TerminalSize { rows: 10, columns: 20 }).unwrap();
        let mut stdout = process.stdout.take().unwrap();
        let mut seen = [0; 2];
        stdout.read_exact(&mut seen).await.unwrap();
        process.stdin.as_mut().unwrap().write_all(&[3]).await.unwrap();
        let outcome = tokio::time::timeout(LONG, process.wait()).await.unwrap();
        assert_eq!(outcome, Outcome::Code(4), "control-C reaches the session of the terminal");
        bed.end().await;
    }
}

/// Polls until something is so.
async fn until(so: impl Fn() -> bool) {
    let mut wait = Duration::from_millis(1);
    let mut waited = Duration::ZERO;
    while !so() {
        assert!(waited < LONG, "it never came to be");
        tokio::time::sleep(wait).await;
        waited += wait;
        wait = (wait * 2).min(Duration::from_millis(50));
    }
}
