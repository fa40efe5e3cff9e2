//! Commands in running containers.

use super::*;

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
        ..command(&["sh", "-c", "id; pwd; echo $A; echo $HOME"])
    };
    let output = bed.engine.exec(&id, whoami).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, "uid=1000(app) gid=1001(app) groups=10(wheel),1001(app)\n/tmp\n2\n/home/app\n");
    let missing = bed.engine.exec(&id, command(&["nope"])).await;
    assert!(matches!(missing, Err(EngineError::NoSuchCommand { .. })), "{missing:?}");
    let denied = bed.engine.exec(&id, command(&["/etc/passwd"])).await;
    assert!(matches!(denied, Err(EngineError::NotExecutable { .. })), "{denied:?}");
    bed.end().await;
}

#[tokio::test]
async fn a_streaming_exec_ends_with_its_handle() {
    for bed in [Bed::walled().await, Bed::open().await].into_iter().flatten() {
        let id = bed.start(bed.launch(&["sleep", "1000"])).await;
        let launch = ExecLaunch { stdin: true, ..command(&["sh", "-c", "cat; sleep 1000"]) };
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
            ..command(&["sh", "-c", "sleep 1000; echo"])
        };
        let slow = bed.engine.exec(&id, slow).await;
        assert!(matches!(slow, Err(EngineError::ExecTimeout { .. })), "{slow:?}");
        let lingering =
            ExecLaunch { drain: Duration::from_millis(20), ..command(&["sh", "-c", "sleep 1000 & echo $!"]) };
        let lingering = tokio::time::timeout(LONG, bed.engine.exec(&id, lingering)).await.unwrap().unwrap();
        let pid: i32 = String::from_utf8(lingering.stdout).unwrap().trim().parse().unwrap();
        let much = ExecLaunch { output_limit_bytes: 10, ..command(&["seq", "100000"]) };
        let much = bed.engine.exec(&id, much).await.unwrap();
        assert!(much.truncated && much.stdout.len() == 10);
        let walled = bed.engine.isolation() == Isolation::Chroot;
        bed.end().await;
        // With walls, that is a number inside.
        until(|| walled || process::Stat::of(pid).is_none_or(|stat| stat.zombie)).await;
    }
}

#[tokio::test]
async fn a_terminal_is_one() {
    for bed in [Bed::walled().await, Bed::open().await].into_iter().flatten() {
        let script = "test -t 0 && test -t 1 && test -t 2 && echo yes; read line; echo got $line";
        let launch = Launch { tty: true, stdin: true, ..bed.launch(&["sh", "-c", script]) };
        let id = bed.start(launch).await;
        let stdin = bed.engine.attach(&id).await.unwrap().stdin.unwrap();
        stdin.write_all(b"a line\n").await.unwrap();
        let exit = tokio::time::timeout(LONG, bed.engine.wait_container(&id)).await.unwrap().unwrap();
        assert_eq!(exit.outcome, Outcome::Code(0));
        let printed = bed.printed();
        assert!(printed.contains("yes\r\n") && printed.contains("got a line\r\n"), "{printed:?}");

        let id = bed.start(bed.launch(&["sleep", "1000"])).await;
        let launch = ExecLaunch {
            tty: true,
            stdin: true,
            ..command(&["sh", "-c", "trap 'exit 4' INT; echo on; while true; do sleep 0.01; done"])
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
