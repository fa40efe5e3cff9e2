//! Following logs.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use runtime_core::{LogLine, LogOptions, LogSource, StopOptions};

use crate::bench::{Bench, shell};

fn texts(lines: &[LogLine]) -> Vec<String> {
    lines.iter().map(LogLine::text).collect()
}

#[tokio::test]
async fn following_ends_after_the_last_line() {
    let bench = Bench::new().await;
    let (_, main) = bench.run_one("for i in 1 2 3; do echo $i; sleep 0.05; done; printf end").await;
    let logs = bench.containers().logs(&bench.cx, &main, &LogOptions::follow()).await.unwrap();
    let lines: Vec<_> = logs.try_collect().await.unwrap();
    assert_eq!(texts(&lines), ["1", "2", "3", "end"]);
    assert!(!lines[3].complete, "it has no line break");
    // Once it has ended there is nothing to wait for.
    let logs = bench.containers().logs(&bench.cx, &main, &LogOptions::follow().with_tail(2)).await.unwrap();
    assert_eq!(texts(&logs.try_collect::<Vec<_>>().await.unwrap()), ["3", "end"]);
    bench.finish().await;
}

#[tokio::test]
async fn lines_come_when_they_are_written_across_a_rotation_too() {
    let bench = Bench::new().await;
    let (_, main) = bench.run_one("sleep 1000").await;
    let status = bench.containers().status(&bench.cx, &main).await.unwrap();
    let mut logs = bench.containers().logs(&bench.cx, &main, &LogOptions::follow()).await.unwrap();
    let path = status.log_path.unwrap();
    let append = |line: &str| {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&path).unwrap();
        writeln!(file, "2024-01-01T00:00:00Z stderr F {line}").unwrap();
    };
    append("one");
    let line = logs.next().await.unwrap().unwrap();
    assert_eq!((line.text(), line.source), ("one".to_owned(), Some(LogSource::Stderr)));
    append("two");
    assert_eq!(logs.next().await.unwrap().unwrap().text(), "two");
    // Rotation: what is still written into the old file comes before the new one.
    let rotated = path.with_file_name("0.log.20240101-000000");
    std::fs::rename(&path, &rotated).unwrap();
    {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().append(true).open(&rotated).unwrap();
        writeln!(file, "2024-01-01T00:00:00Z stdout F three").unwrap();
    }
    append("four");
    assert_eq!(logs.next().await.unwrap().unwrap().text(), "three");
    assert_eq!(logs.next().await.unwrap().unwrap().text(), "four");
    bench.containers().stop(&bench.cx, &main, &StopOptions::now()).await.unwrap();
    assert!(logs.next().await.is_none());
    bench.finish().await;
}

#[tokio::test]
async fn a_container_that_has_not_started_is_followed_from_its_start() {
    let bench = Bench::new().await;
    let (pod, _) = bench.run_one("sleep 1000").await;
    let id = bench
        .containers()
        .create(&bench.cx, &pod, &shell("job", "echo hi"), &Default::default())
        .await
        .unwrap();
    let logs = bench.containers().logs(&bench.cx, &id, &LogOptions::default()).await.unwrap();
    assert!(logs.try_collect::<Vec<_>>().await.unwrap().is_empty());
    let logs = bench.containers().logs(&bench.cx, &id, &LogOptions::follow()).await.unwrap();
    bench.containers().start(&bench.cx, &id).await.unwrap();
    assert_eq!(texts(&logs.try_collect::<Vec<_>>().await.unwrap()), ["hi"]);
    bench.finish().await;
}

#[tokio::test]
async fn since_and_deadline() {
    let bench = Bench::new().await;
    let (_, main) = bench.run_one("echo one; sleep 0.02; echo two; sleep 1000").await;
    let cx = bench.cx.clone().with_timeout(Duration::from_millis(300));
    let logs = bench.containers().logs(&cx, &main, &LogOptions::follow()).await.unwrap();
    let lines: Vec<_> = logs.collect().await;
    assert!(lines.last().unwrap().is_err(), "the deadline is its last item");
    let second = lines[1].as_ref().unwrap().timestamp;
    let logs =
        bench.containers().logs(&bench.cx, &main, &LogOptions::default().with_since(second)).await.unwrap();
    assert_eq!(texts(&logs.try_collect::<Vec<_>>().await.unwrap()), ["two"]);
    bench.finish().await;
}
