//! Sessions and forwarded ports, over each of the protocols that a runtime may speak.

use std::io;

use runtime_core::{
    AttachOptions, ErrorKind, ExecSession, ExitCause,
    spec::{ExecSpec, PodSpec},
};
use testkit::fake_cri::{FakeCriOptions, StreamingOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bench::{Bench, shell};

/// containerd 1.6 and 1.7; what is to come; one that has neither of what ends an input.
const SPDY: StreamingOptions = StreamingOptions { websocket_v5: false, spdy: true };
const VERSION_5: StreamingOptions = StreamingOptions { websocket_v5: true, spdy: false };
const VERSION_4: StreamingOptions = StreamingOptions { websocket_v5: false, spdy: false };

async fn bench(streaming: StreamingOptions) -> Bench {
    Bench::with(FakeCriOptions { streaming, ..Default::default() }).await
}

/// Writes to `cat`, and reads what comes back until the end of the input came back as well.
async fn echo(mut session: ExecSession) -> io::Result<String> {
    let (mut stdin, mut stdout) = (session.stdin.take().unwrap(), session.stdout.take().unwrap());
    stdin.write_all(b"hello").await?;
    stdin.shutdown().await?;
    let mut echo = String::new();
    stdout.read_to_string(&mut echo).await?;
    assert_eq!(session.wait().await.unwrap().cause, ExitCause::Exited(0));
    Ok(echo)
}

fn count(bench: &Bench, call: &str) -> usize {
    bench.fake.calls().names().iter().filter(|name| **name == call).count()
}

#[tokio::test]
async fn what_a_runtime_speaks_is_learnt_once() {
    for (mode, first, later) in [(SPDY, 2, 1), (VERSION_5, 1, 1)] {
        let bench = bench(mode).await;
        let (_, container) = bench.run_one("sleep 1000").await;
        for tries in [first, later, later] {
            bench.fake.calls().clear();
            let spec = ExecSpec::new(["cat"]).with_stdin();
            let session = bench.exec().start(&bench.cx, &container, &spec).await.unwrap();
            assert_eq!(echo(session).await.unwrap(), "hello", "{mode:?}");
            assert_eq!(count(&bench, "Exec"), tries, "{mode:?}");
        }
        bench.finish().await;
    }
}

#[tokio::test]
async fn a_session_without_input_tells_what_the_next_one_needs() {
    let bench = bench(SPDY).await;
    let (_, container) = bench.run_one("sleep 1000").await;
    let session = bench.exec().start(&bench.cx, &container, &ExecSpec::new(["true"])).await.unwrap();
    assert!(session.wait().await.unwrap().success());
    bench.fake.calls().clear();
    let spec = ExecSpec::new(["cat"]).with_stdin();
    let session = bench.exec().start(&bench.cx, &container, &spec).await.unwrap();
    assert_eq!((echo(session).await.unwrap().as_str(), count(&bench, "Exec")), ("hello", 1));
    bench.finish().await;
}

#[tokio::test]
async fn an_input_that_can_not_end_says_so() {
    let bench = bench(VERSION_4).await;
    let (_, container) = bench.run_one("sleep 1000").await;
    let spec = ExecSpec::new(["head", "-n1"]).with_stdin();
    let mut session = bench.exec().start(&bench.cx, &container, &spec).await.unwrap();
    let mut stdin = session.stdin.take().unwrap();
    stdin.write_all(b"line\n").await.unwrap();
    assert_eq!(stdin.shutdown().await.unwrap_err().kind(), io::ErrorKind::Unsupported);
    let mut line = String::new();
    session.stdout.take().unwrap().read_to_string(&mut line).await.unwrap();
    assert_eq!(line, "line\n");
    assert!(session.wait().await.unwrap().success());
    bench.finish().await;
}

#[tokio::test]
async fn a_lost_connection_is_never_success() {
    for stdin in [false, true] {
        let bench = bench(SPDY).await;
        let (_, container) = bench.run_one("sleep 1000").await;
        let mut spec = ExecSpec::new(["sh", "-c", "echo here; exec sleep 1000"]);
        spec.stdin = stdin;
        let mut session = bench.exec().start(&bench.cx, &container, &spec).await.unwrap();
        let mut stdout = session.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 5]).await.unwrap();
        bench.fake.kill().await;
        assert_eq!(stdout.read(&mut [0; 5]).await.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert_eq!(session.wait().await.unwrap().cause, ExitCause::StreamLost);
        bench.fake.start_again().unwrap();
        drop(session);
        bench.finish().await;
    }
}

#[tokio::test]
async fn attached_sessions_leave_the_input_alone() {
    for mode in [SPDY, VERSION_5] {
        let bench = bench(mode).await;
        let mut container = shell("main", "read line; echo $line; exit 4");
        container.stdin = true;
        let run = bench.run(&PodSpec::new("web").with_container(container)).await.unwrap();
        let id = run.container("main").unwrap();
        let attach = async |options| bench.exec().attach(&bench.cx, id, &options).await.unwrap();
        let mut reading = attach(AttachOptions::default()).await;
        let mut writing = attach(AttachOptions::default().with_stdin()).await;
        writing.stdin.take().unwrap().write_all(b"word\n").await.unwrap();
        let mut text = String::new();
        reading.stdout.take().unwrap().read_to_string(&mut text).await.unwrap();
        assert_eq!((text.as_str(), reading.wait().await.unwrap().code()), ("word\n", Some(4)), "{mode:?}");
        drop((reading, writing));
        bench.finish().await;
    }
}

#[tokio::test]
async fn ports_are_forwarded_over_each_protocol() {
    for mode in [SPDY, VERSION_5, VERSION_4] {
        let bench = bench(mode).await;
        let (pod, _) = bench.run_one("sleep 1000").await;
        // Nobody listens: the network is there, and that is told.
        let mut stream = bench.pods().port_forward(&bench.cx, &pod, 1).await.unwrap();
        let error = stream.read(&mut [0; 8]).await.unwrap_err();
        assert!(error.to_string().contains("refused"), "{mode:?}: {error}");
        let missing = bench.pods().port_forward(&bench.cx, &"0".repeat(64).into(), 1).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        drop(stream);
        bench.finish().await;
    }
}
