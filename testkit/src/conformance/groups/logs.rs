//! What containers wrote.

use std::time::Duration;

use futures::{FutureExt, StreamExt};
use runtime_core::{ContainerHandle, ErrorKind, LogLine, LogOptions, LogSource, PodHandle, StopOptions};

use crate::conformance::{
    Env, Failure, Verdict,
    case::{cases, ensure, ensure_eq},
    ending::stop,
    env::{kind_of, lines, until},
};

cases! { Logs;
    lines_and_times_are_told: proves [ContainerLogs], needs [PodRun, ContainerWait];
    streams_are_told_apart: proves [ContainerLogsStreams], needs [ContainerLogs, PodRun, ContainerWait];
    many_lines_in_order: proves [], needs [ContainerLogs, ContainerLogsFollow, PodRun];
    only_the_last_lines: proves [ContainerLogsTail], needs [ContainerLogs, ContainerLogsFollow, PodRun];
    only_lines_since_a_time: proves [ContainerLogsSince], needs [ContainerLogs, PodRun];
    following_ends_with_the_container: proves [ContainerLogsFollow], needs [ContainerLogs, PodRun];
    following_sees_lines_as_they_come: proves [ContainerLogsFollow], needs [ContainerLogs, PodRun, PodStop];
    following_from_the_last_lines: proves [], needs [ContainerLogsFollow, ContainerLogsTail, ContainerLogs, PodRun, PodStop];
    a_dropped_follower_leaves_the_container_alone: proves [], needs [ContainerLogsFollow, PodRun, ExecSync];
    a_long_line_is_one_line: proves [], needs [ContainerLogs, ContainerLogsFollow, PodRun];
    a_last_line_without_its_end: proves [], needs [ContainerLogs, PodRun, ContainerWait];
    bytes_that_are_not_text: proves [], needs [ContainerLogs, ContainerLogsFollow, PodRun, ContainerRootfs];
    what_never_started_wrote_nothing: proves [], needs [ContainerLogs, ContainerCreate, PodRun];
    logs_go_where_they_are_asked_to: proves [PodLogDirectory, ContainerLogPath], needs [ContainerLogs, PodRun, ContainerWait];
    a_log_goes_on_in_a_new_file: proves [ContainerReopenLog], needs [ContainerLogs, PodRun, ContainerStatus];
    a_follower_misses_nothing_when_the_log_is_rotated: proves [ContainerReopenLog], needs [ContainerLogs, ContainerLogsFollow, PodRun, ContainerStatus];
    no_log_is_opened_of_what_does_not_run: proves [ContainerReopenLog], needs [PodRun, ContainerCreate, ContainerStop];
    logs_are_gone_with_the_container: proves [], needs [ContainerLogs, PodRun, ContainerRemove];
}

fn texts(lines: &[LogLine]) -> Vec<String> {
    lines.iter().map(LogLine::text).collect()
}

fn numbered(range: std::ops::RangeInclusive<u32>) -> Vec<String> {
    range.map(|number| format!("line {number}")).collect()
}

async fn lines_and_times_are_told(env: &Env) -> Verdict {
    let before = jiff::Timestamp::now();
    let (_, container) = env.run(&env.pod_running(["do", "echo", "out", ";;", "err", "wrong"])).await?;
    container.wait().await?;
    let mut lines = lines(&container, &LogOptions::default()).await?;
    lines.sort_by_key(LogLine::text);
    ensure_eq!(texts(&lines), ["out", "wrong"]);
    for line in &lines {
        ensure!(line.complete, "{line:?}");
        let off = line.timestamp.duration_since(before).abs();
        ensure!(off < jiff::SignedDuration::from_mins(5), "written at {}, it is {before}", line.timestamp);
    }
    Ok(())
}

async fn streams_are_told_apart(env: &Env) -> Verdict {
    let (_, container) = env.run(&env.pod_running(["do", "echo", "out", ";;", "err", "wrong"])).await?;
    container.wait().await?;
    let mut lines = lines(&container, &LogOptions::default()).await?;
    lines.sort_by_key(LogLine::text);
    let told: Vec<_> = lines.iter().map(|line| (line.text(), line.source)).collect();
    let expected = [("out", LogSource::Stdout), ("wrong", LogSource::Stderr)];
    ensure_eq!(told, expected.map(|(text, source)| (text.to_owned(), Some(source))));
    Ok(())
}

/// Runs a command of the guest program and waits until all that it wrote is in the log, "ready" last. The container goes on:
/// containerd 1.6 can lose the end of what a process wrote right before it ended.
async fn written(env: &Env, command: &[&str]) -> Result<(PodHandle, ContainerHandle), Failure> {
    let command = ["do"].iter().chain(command).chain(&[";;", "on-term", "bye", "0"]);
    env.run_ready(&env.pod_running(command.copied())).await
}

async fn many_lines_in_order(env: &Env) -> Verdict {
    let (_, container) = written(env, &["lines", "20000"]).await?;
    let lines = lines(&container, &LogOptions::default()).await?;
    ensure_eq!(lines.len(), 20_001);
    let mut numbered = lines.iter().take(20_000).enumerate();
    let wrong = numbered.find(|(index, line)| line.text() != format!("line {}", index + 1));
    ensure!(wrong.is_none(), "{wrong:?}");
    Ok(())
}

async fn only_the_last_lines(env: &Env) -> Verdict {
    let (_, container) = written(env, &["lines", "5000"]).await?;
    let last = |count: u32| {
        let mut expected = numbered(5002 - count..=5000);
        expected.push("ready".to_owned());
        expected
    };
    for (tail, expected) in [(0, vec![]), (1, last(1)), (3, last(3))] {
        ensure_eq!(texts(&lines(&container, &LogOptions::default().with_tail(tail)).await?), expected);
    }
    ensure_eq!(lines(&container, &LogOptions::default().with_tail(1_000_000)).await?.len(), 5001);
    Ok(())
}

async fn only_lines_since_a_time(env: &Env) -> Verdict {
    let (_, container) = env.run(&env.pod_running(["lines", "100000", "5"])).await?;
    // Lines that the runtime read at once have the same time.
    let later_than_first = |lines: &Vec<LogLine>| {
        let first = lines.first().map(|line| line.timestamp);
        lines.iter().position(|line| Some(line.timestamp) > first)
    };
    let read = || async { lines(&container, &LogOptions::default()).await }.boxed();
    let all = until("a line of another time", read, |lines| later_than_first(lines).is_some()).await?;
    let from = later_than_first(&all).ok_or("no line of another time")?;
    let since = LogOptions::default().with_since(all[from].timestamp);
    let found = lines(&container, &since).await?;
    // The container goes on writing.
    ensure_eq!(found.get(..all.len() - from), all.get(from..));
    let later = LogOptions::default().with_since(jiff::Timestamp::now() + Duration::from_secs(3600));
    ensure_eq!(lines(&container, &later).await?.len(), 0);
    Ok(())
}

async fn following_ends_with_the_container(env: &Env) -> Verdict {
    let (_, container) = env.run(&env.pod_running(["lines", "30", "20"])).await?;
    ensure_eq!(texts(&lines(&container, &LogOptions::follow()).await?), numbered(1..=30));
    ensure_eq!(texts(&lines(&container, &LogOptions::follow()).await?), numbered(1..=30));
    Ok(())
}

async fn following_sees_lines_as_they_come(env: &Env) -> Verdict {
    let (pod, container) = env.run(&env.pod_running(["on-term", "bye", "0"])).await?;
    let mut following = container.logs(&LogOptions::follow()).await?;
    let first = following.next().await.ok_or("the stream ended before the container")??;
    ensure_eq!(first.text(), "ready");
    let quiet = tokio::time::timeout(Duration::from_millis(300), following.next()).await;
    ensure!(quiet.is_err(), "a line that nobody wrote: {quiet:?}");
    stop(env, (&pod, &container), &StopOptions::default()).await?;
    let last = following.next().await.ok_or("the stream ended before the last line")??;
    ensure_eq!(last.text(), "bye");
    ensure!(following.next().await.is_none(), "the stream goes on after the end");
    Ok(())
}

async fn following_from_the_last_lines(env: &Env) -> Verdict {
    let (pod, container) = written(env, &["lines", "100"]).await?;
    let (from_the_end, options) = (LogOptions::follow().with_tail(2), StopOptions::default());
    // The follower may start before or after the last line; either way it sees that line once.
    let (lines, stopped) =
        tokio::join!(lines(&container, &from_the_end), stop(env, (&pod, &container), &options));
    stopped?;
    let texts = texts(&lines?);
    ensure!(texts.last().is_some_and(|last| last == "bye"), "{texts:?}");
    ensure!((2..=3).contains(&texts.len()), "{texts:?}");
    Ok(())
}

async fn a_dropped_follower_leaves_the_container_alone(env: &Env) -> Verdict {
    let (_, container) = env.run(&env.pod_running(["lines", "1000", "10"])).await?;
    let mut following = container.logs(&LogOptions::follow()).await?;
    following.next().await.ok_or("no line")??;
    drop(following);
    let output = crate::conformance::env::guest_exec(&container, ["echo", "alive"]).await?;
    ensure_eq!(output.stdout_text(), "alive\n");
    Ok(())
}

async fn a_long_line_is_one_line(env: &Env) -> Verdict {
    let long = "x".repeat(100_000);
    let (_, container) = written(env, &["partial", &long, ";;", "echo", "", ";;", "echo", "next"]).await?;
    let lines = lines(&container, &LogOptions::default()).await?;
    let sizes: Vec<_> = lines.iter().map(|line| line.content.len()).collect();
    ensure_eq!(sizes, [100_000, 4, 5]);
    ensure!(lines.iter().all(|line| line.complete), "{sizes:?}");
    Ok(())
}

async fn a_last_line_without_its_end(env: &Env) -> Verdict {
    let (_, container) = env.run(&env.pod_running(["do", "echo", "whole", ";;", "partial", "half"])).await?;
    container.wait().await?;
    let lines = lines(&container, &LogOptions::default()).await?;
    ensure_eq!(texts(&lines), ["whole", "half"]);
    ensure_eq!(lines.iter().map(|line| line.complete).collect::<Vec<_>>(), [true, false]);
    Ok(())
}

async fn bytes_that_are_not_text(env: &Env) -> Verdict {
    let command = ["do", "cat", "/guest", ";;", "echo", "", ";;", "echo", "end", ";;", "on-term", "bye", "0"];
    let (_, container) = env.run(&env.pod_running(command)).await?;
    let mut following = container.logs(&LogOptions::follow()).await?;
    // The program's own text may hold either word as a line.
    let mut lines: Vec<LogLine> = Vec::new();
    while !texts(&lines[lines.len().saturating_sub(2)..]).eq(&["end", "ready"]) {
        lines.push(following.next().await.ok_or("the stream ended early")??);
    }
    let first = lines.first().ok_or("no lines")?;
    ensure!(first.content.starts_with(b"\x7fELF"), "{:?}", first.content.get(..8));
    ensure_eq!(crate::conformance::env::lines(&container, &LogOptions::default()).await?, lines);
    Ok(())
}

async fn what_never_started_wrote_nothing(env: &Env) -> Verdict {
    let (pod, _) = env.idle().await?;
    let never = pod.create_container(&env.container("never", ["echo", "x"])).await?;
    ensure_eq!(lines(&never, &LogOptions::default()).await?, []);
    Ok(())
}

async fn logs_go_where_they_are_asked_to(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["echo", "here"]);
    let directory = env.directory().join("logs");
    std::fs::create_dir(&directory)?;
    spec.log_directory = Some(directory.clone());
    spec.containers[0].log_path = Some("chosen.log".to_owned());
    let (pod, container) = env.run(&spec).await?;
    container.wait().await?;
    ensure_eq!(texts(&lines(&container, &LogOptions::default()).await?), ["here"]);
    let file = directory.join("chosen.log");
    let written = std::fs::read_to_string(&file)?;
    ensure!(written.contains(" stdout F here"), "{written}");
    ensure_eq!(container.status().await?.log_path, Some(file));
    pod.remove().await?;
    ensure!(directory.exists(), "the caller's own directory was removed with the pod");
    Ok(())
}

async fn logs_are_gone_with_the_container(env: &Env) -> Verdict {
    let (_, container) = env.run(&env.pod_running(["echo", "x"])).await?;
    container.remove().await?;
    kind_of(lines(&container, &LogOptions::default()).await, ErrorKind::NotFound)?;
    Ok(())
}

/// Moves a container's log away, as whoever rotates logs does, and has a new one opened.
async fn rotate(container: &ContainerHandle, number: u32) -> Result<std::path::PathBuf, Failure> {
    let path = container.status().await?.log_path.ok_or("no log path")?;
    let mut moved = path.clone().into_os_string();
    moved.push(format!(".{number}"));
    std::fs::rename(&path, &moved)?;
    container.reopen_log().await?;
    Ok(path)
}

async fn a_log_goes_on_in_a_new_file(env: &Env) -> Verdict {
    let (_, container) = env.run(&env.pod_running(["lines", "100000", "20"])).await?;
    let mut following = container.logs(&LogOptions::follow()).await?;
    following.next().await.ok_or("no line")??;
    let path = rotate(&container, 1).await?;
    ensure!(path.exists(), "{} is not there after the reopening", path.display());
    let size = |path: &std::path::Path| std::fs::metadata(path).map(|file| file.len());
    while size(&path)? == 0 {
        // Lines go on coming, each a reason to look.
        following.next().await.ok_or("the stream ended")??;
    }
    let moved = path.with_file_name(format!("{}.1", path.file_name().ok_or("no name")?.display()));
    let before = size(&moved)?;
    following.next().await.ok_or("the stream ended")??;
    following.next().await.ok_or("the stream ended")??;
    ensure_eq!(size(&moved)?, before);
    container.reopen_log().await?;
    Ok(())
}

async fn a_follower_misses_nothing_when_the_log_is_rotated(env: &Env) -> Verdict {
    const LINES: u32 = 400;
    let (_, container) = env.run(&env.pod_running(["lines", &LINES.to_string(), "5"])).await?;
    let mut following = container.logs(&LogOptions::follow()).await?;
    let mut seen = Vec::new();
    for count in 1..=300 {
        seen.push(following.next().await.ok_or("the stream ended")??.text());
        if count % 100 == 0 {
            rotate(&container, count / 100).await?;
        }
    }
    while seen.len() < LINES as usize {
        seen.push(following.next().await.ok_or("the stream ended early")??.text());
    }
    ensure_eq!(seen, numbered(1..=LINES));
    Ok(())
}

async fn no_log_is_opened_of_what_does_not_run(env: &Env) -> Verdict {
    let (pod, container) = env.idle().await?;
    let fresh = pod.create_container(&env.container("fresh", ["pause"])).await?;
    kind_of(fresh.reopen_log().await, ErrorKind::InvalidState)?;
    container.stop(&StopOptions::now()).await?;
    kind_of(container.reopen_log().await, ErrorKind::InvalidState)?;
    container.remove().await?;
    kind_of(container.reopen_log().await, ErrorKind::NotFound)?;
    kind_of(env.client().container("wharf-conformance-unknown").reopen_log().await, ErrorKind::NotFound)?;
    Ok(())
}
