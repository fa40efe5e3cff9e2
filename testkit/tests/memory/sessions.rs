//! Commands, containers and ports that are talked to.

use std::time::Duration;

use runtime_core::{
    AttachOptions, ContainerHandle, ErrorKind, ExitCause, PodHandle, StopOptions, TerminalSize,
    helpers::signal::Signal, spec::ExecSpec,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::*;

/// A pod that idles, and its container.
async fn idle(bed: &Bed) -> (PodHandle, ContainerHandle) {
    let pod = bed.client.run_pod(&one("exec sleep 1000")).await.unwrap();
    let app = pod.container("app").unwrap();
    (pod, app)
}

fn script(script: &str) -> ExecSpec {
    ExecSpec::new(["sh", "-c", script])
}

#[tokio::test]
async fn a_session_has_streams_and_an_end() {
    let bed = Bed::new().await;
    let (pod, app) = idle(&bed).await;
    let mut session = app.start_exec(&script("cat; echo done >&2; exit 7").with_stdin()).await.unwrap();
    let mut stdin = session.stdin.take().unwrap();
    stdin.write_all(b"to and fro").await.unwrap();
    let mut back = [0; 10];
    session.stdout.as_mut().unwrap().read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"to and fro");
    stdin.shutdown().await.unwrap();
    let mut rest = String::new();
    session.stderr.as_mut().unwrap().read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "done\n");
    for _ in 0..2 {
        assert_eq!(session.wait().await.unwrap().cause, ExitCause::Exited(7));
    }
    let error = session.resize(TerminalSize::new(80, 24)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    session.signal(Signal::TERM).await.unwrap();
    // Without input its end comes at once.
    let output = app.start_exec(&script("cat; echo end")).await.unwrap().output(100).await.unwrap();
    assert_eq!((output.stdout_text().as_str(), output.exit.success()), ("end\n", true));
    pod.remove().await.unwrap();
    bed.is_clean().await;
}

#[tokio::test]
async fn a_session_that_is_dropped_or_late_ends_its_command() {
    let bed = Bed::new().await;
    let (pod, app) = idle(&bed).await;
    let mut session = app.start_exec(&script("echo up; sleep 1000; echo late")).await.unwrap();
    let mut stdout = session.stdout.take().unwrap();
    let mut up = [0; 3];
    stdout.read_exact(&mut up).await.unwrap();
    assert_eq!(bed.driver.engine().ledger().execs.len(), 1);
    drop(session);
    assert_eq!(stdout.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    // Nobody reads what it writes, and still its time is up.
    let endless = script("yes").with_timeout(Duration::from_millis(50));
    let session = app.start_exec(&endless).await.unwrap();
    assert_eq!(session.wait().await.unwrap().cause, ExitCause::DeadlineExceeded);
    let session = app.start_exec(&script("exec sleep 1000")).await.unwrap();
    session.signal(Signal::INT).await.unwrap();
    assert_eq!(session.output(0).await.unwrap().exit.cause, ExitCause::Signaled(2));
    // What it leaves in the background holds its output.
    let session = app.start_exec(&script("sleep 1000 & echo here")).await.unwrap();
    let output = session.output(100).await.unwrap();
    assert_eq!((output.stdout_text().as_str(), output.exit.success()), ("here\n", true));
    pod.remove().await.unwrap();
    bed.is_clean().await;
}

#[tokio::test]
async fn a_terminal_has_a_size_from_the_start() {
    let bed = Bed::new().await;
    let (pod, app) = idle(&bed).await;
    let script = "stty size; trap 'stty size; exit 3' WINCH; echo ready; while :; do sleep 0.01; done";
    let spec = self::script(script).with_stdin().with_terminal_size(TerminalSize::new(101, 33));
    let mut session = app.start_exec(&spec).await.unwrap();
    assert!(session.stderr.is_none());
    let mut stdout = BufReader::new(session.stdout.take().unwrap()).lines();
    assert_eq!(stdout.next_line().await.unwrap().unwrap().trim(), "33 101");
    assert_eq!(stdout.next_line().await.unwrap().unwrap().trim(), "ready");
    session.resize(TerminalSize::new(55, 44)).await.unwrap();
    assert_eq!(stdout.next_line().await.unwrap().unwrap().trim(), "44 55");
    assert_eq!(stdout.next_line().await.unwrap(), None);
    assert_eq!(session.wait().await.unwrap().cause, ExitCause::Exited(3));
    pod.remove().await.unwrap();
    bed.is_clean().await;
}

#[tokio::test]
async fn attached_one_hears_the_container_and_talks_to_it() {
    let bed = Bed::new().await;
    let mut spec = one("echo early; while read line; do echo \"heard $line\"; done; echo over >&2; exit 4");
    spec.containers[0].stdin = true;
    let pod = bed.client.run_pod(&spec).await.unwrap();
    let app = pod.container("app").unwrap();
    let dropped = app.attach(&AttachOptions::default().with_stdin()).await.unwrap();
    let mut session = app.attach(&AttachOptions::default().with_stdin()).await.unwrap();
    // Who lets go leaves the container and its input as they are.
    drop(dropped);
    let mut stdin = session.stdin.take().unwrap();
    stdin.write_all(b"one\n").await.unwrap();
    let mut stdout = BufReader::new(session.stdout.take().unwrap()).lines();
    let mut line = stdout.next_line().await.unwrap().unwrap();
    if line == "early" {
        line = stdout.next_line().await.unwrap().unwrap();
    }
    assert_eq!(line, "heard one");
    let error = session.resize(TerminalSize::new(80, 24)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    stdin.shutdown().await.unwrap();
    assert_eq!(stdout.next_line().await.unwrap(), None);
    let mut said = String::new();
    session.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "over\n");
    drop(stdout);
    assert_eq!(session.wait().await.unwrap().cause, ExitCause::Exited(4));
    let error = app.attach(&AttachOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    let deaf = pod.create_container(&shell("deaf", "exec sleep 1000")).await.unwrap();
    deaf.start().await.unwrap();
    let error = deaf.attach(&AttachOptions::default().with_stdin()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    let session = deaf.attach(&AttachOptions::default()).await.unwrap();
    // The first process of a container doesn't end by a signal that it has no handler for, but by this one.
    session.signal(Signal::KILL).await.unwrap();
    assert_eq!(deaf.wait().await.unwrap().cause, ExitCause::Signaled(9));
    drop(session);
    pod.remove().await.unwrap();
    bed.is_clean().await;
}

#[tokio::test]
async fn a_port_of_a_pod_is_one_of_the_host() {
    let bed = Bed::new().await;
    let (pod, _) = idle(&bed).await;
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    let echo = tokio::spawn(async move {
        for _ in 0..2 {
            let (mut stream, _) = server.accept().await.unwrap();
            let (mut read, mut write) = stream.split();
            tokio::io::copy(&mut read, &mut write).await.unwrap();
        }
    });
    for text in ["one", "another"] {
        let mut stream = pod.port_forward(port).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut back = String::new();
        stream.read_to_string(&mut back).await.unwrap();
        assert_eq!(back, text);
    }
    echo.await.unwrap();
    let error = pod.port_forward(port).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    pod.stop(&StopOptions::now()).await.unwrap();
    assert_eq!(pod.port_forward(port).await.unwrap_err().kind(), ErrorKind::InvalidState);
    pod.remove().await.unwrap();
    assert_eq!(pod.port_forward(port).await.unwrap_err().kind(), ErrorKind::NotFound);
    bed.is_clean().await;
}
