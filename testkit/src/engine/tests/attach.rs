//! Being attached to a container's first process.

use super::*;

async fn rest(stream: &mut Output) -> String {
    let mut text = String::new();
    tokio::time::timeout(LONG, stream.read_to_string(&mut text)).await.expect("it ends").unwrap();
    text
}

#[tokio::test]
async fn everybody_sees_the_output_from_now_on() {
    let bed = Bed::host().await;
    let script = "echo before; while read line; do echo out $line; echo err $line >&2; done";
    let id = bed.start(Launch { stdin: true, ..bed.launch(&["sh", "-c", script]) }).await;
    until(|| bed.printed() == "before\n").await;
    let mut one = bed.engine.attach(&id).await.unwrap();
    one.stdin.as_ref().unwrap().write_all(b"1\n").await.unwrap();
    let mut seen = [0; 6];
    one.stdout.read_exact(&mut seen).await.unwrap();
    assert_eq!(&seen, b"out 1\n");
    one.stderr.as_mut().unwrap().read_exact(&mut seen).await.unwrap();
    let mut two = bed.engine.attach(&id).await.unwrap();
    let stdin = two.stdin.take().unwrap();
    stdin.write_all(b"2\n").await.unwrap();
    stdin.close().await;
    assert_eq!(
        (rest(&mut one.stdout).await, rest(&mut two.stdout).await),
        ("out 2\n".into(), "out 2\n".into())
    );
    assert_eq!(rest(one.stderr.as_mut().unwrap()).await, "err 2\n");
    assert_eq!(rest(two.stderr.as_mut().unwrap()).await, "err 2\n");
    let closed = one.stdin.unwrap().write_all(b"3\n").await;
    assert_eq!(closed.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    bed.engine.wait_container(&id).await.unwrap();
    assert!(matches!(bed.engine.attach(&id).await, Err(EngineError::InvalidState { .. })));
    assert!(matches!(bed.engine.attach("none").await, Err(EngineError::NotFound { .. })));
    assert_eq!(bed.printed().lines().count(), 5, "the log has it all");
    bed.end().await;
}

#[tokio::test]
async fn who_does_not_read_holds_the_process_up_until_it_is_dropped() {
    let bed = Bed::host().await;
    let launch = Launch { stdin: true, ..bed.launch(&["sh", "-c", "read go; seq 1 200000; sleep 1000"]) };
    let id = bed.start(launch).await;
    let silent = bed.engine.attach(&id).await.unwrap();
    let mut read = bed.engine.attach(&id).await.unwrap();
    silent.stdin.as_ref().unwrap().write_all(b"\n").await.unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut count = 0;
    // As much as the silent one may have waiting, and what pipes and pumps hold; then no more.
    while let Ok(Ok(more)) =
        tokio::time::timeout(Duration::from_millis(300), read.stdout.read(&mut buffer)).await
    {
        count += more;
        assert!(count < 1_000_000, "it went on");
    }
    assert!(count > 100_000, "{count}");
    drop(silent);
    let all: usize = (1..=200_000).map(|number: u32| number.to_string().len() + 1).sum();
    while count < all {
        count += tokio::time::timeout(LONG, read.stdout.read(&mut buffer)).await.unwrap().unwrap();
    }
    assert_eq!(count, all);
    bed.end().await;
}

#[tokio::test]
async fn a_slow_reader_gets_all_that_an_ended_process_has_left() {
    let bed = Bed::host().await;
    // More than may wait for a reader, and less than that and what a pipe holds.
    let launch = Launch { stdin: true, ..bed.launch(&["sh", "-c", "read go; seq 1 50000"]) };
    let id = bed.start(launch).await;
    let mut attached = bed.engine.attach(&id).await.unwrap();
    attached.stdin.as_ref().unwrap().write_all(b"\n").await.unwrap();
    bed.engine.wait_container(&id).await.unwrap();
    let text = rest(&mut attached.stdout).await;
    assert_eq!(text.lines().count(), 50000);
    assert!(text.ends_with("50000\n"));
    bed.end().await;
}
