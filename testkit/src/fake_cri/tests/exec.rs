//! Commands in containers.

use std::time::Instant;

use super::*;

async fn running(bench: &mut Bench) -> String {
    let sandbox = bench.run("a").await;
    let id = bench.create(&sandbox, shell("c", "sleep 1000")).await;
    bench.start(&id).await.unwrap();
    id
}

#[tokio::test]
async fn output_and_exit_code_are_data() {
    let mut bench = Bench::new().await;
    let id = running(&mut bench).await;
    let answer = bench.exec(&id, &["sh", "-c", "echo out; echo err >&2; exit 3"], 10).await.unwrap();
    assert_eq!((answer.stdout.as_slice(), answer.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
    assert_eq!(answer.exit_code, 3);
    assert_eq!(bench.exec(&id, &["sh", "-c", "kill -9 $$"], 10).await.unwrap().exit_code, 137);
    bench.finish().await;
}

#[tokio::test]
async fn what_cannot_be_run() {
    let mut bench = Bench::new().await;
    let id = running(&mut bench).await;
    let start = "failed to exec in container: failed to start exec";
    for (cmd, words) in [
        (vec!["/no/such"], "exec: \"/no/such\": stat /no/such: no such file or directory: unknown"),
        (vec!["no-such-command"], "exec: \"no-such-command\": executable file not found in $PATH: unknown"),
        (vec!["/etc/passwd"], "exec: \"/etc/passwd\": permission denied: unknown"),
        (vec![], "exec failed: args must not be empty: unknown"),
    ] {
        let answer = bench.exec(&id, &cmd, 10).await;
        assert_refused(answer.clone(), Code::Unknown, words);
        assert_refused(answer, Code::Unknown, start);
    }
    bench.finish().await;
}

#[tokio::test]
async fn states_in_which_nothing_runs() {
    let mut bench = Bench::new().await;
    let sandbox = bench.run("a").await;
    let id = bench.create(&sandbox, shell("c", "exit 0")).await;
    let words = "failed to exec in container: container is in CONTAINER_CREATED state";
    assert_refused(bench.exec(&id, &["true"], 5).await, Code::Unknown, words);
    bench.start(&id).await.unwrap();
    bench.exited(&id).await;
    assert_refused(bench.exec(&id, &["true"], 5).await, Code::Unknown, "CONTAINER_EXITED state");
    bench.finish().await;
}

#[tokio::test]
async fn a_timeout_kills() {
    let mut bench = Bench::new().await;
    let id = running(&mut bench).await;
    let start = Instant::now();
    let words = "failed to exec in container: timeout 1s exceeded: context deadline exceeded";
    assert_refused(bench.exec(&id, &["sleep", "100"], 1).await, Code::DeadlineExceeded, words);
    assert!((1..10).contains(&start.elapsed().as_secs()));
    until("the command is gone", || bench.fake.engine().ledger().execs.is_empty()).await;
    bench.finish().await;
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_its_command_along() {
    let mut bench = Bench::new().await;
    let id = running(&mut bench).await;
    let mut runtime = bench.runtime.clone();
    let cmd = vec!["sleep".to_owned(), "1000".to_owned()];
    let call = tokio::spawn(async move {
        runtime.exec_sync(ExecSyncRequest { container_id: id, cmd, timeout: 0 }).await
    });
    until("the command runs", || !bench.fake.engine().ledger().execs.is_empty()).await;
    call.abort();
    until("the command is gone", || bench.fake.engine().ledger().execs.is_empty()).await;
    bench.finish().await;
}

#[tokio::test]
async fn output_over_the_message_limit_is_an_error() {
    let options = FakeCriOptions { max_message_bytes: 1000, ..Default::default() };
    let mut bench = Bench::with(options, Some(Isolation::None)).await;
    let id = running(&mut bench).await;
    assert_eq!(bench.exec(&id, &["head", "-c", "900", "/dev/zero"], 10).await.unwrap().stdout.len(), 900);
    let answer = bench.exec(&id, &["head", "-c", "1000", "/dev/zero"], 10).await;
    assert_refused(
        answer,
        Code::ResourceExhausted,
        "grpc: trying to send message larger than max (1003 vs. 1000)",
    );
    bench.finish().await;
}
