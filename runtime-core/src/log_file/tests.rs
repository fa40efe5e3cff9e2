//! A log on disk, read and followed while it is written and rotated.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use futures::{FutureExt, StreamExt};
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use crate::{ErrorKind, LogOptions, LogStream};

/// A directory with one log in it.
struct Log {
    directory: TempDir,
    file: File,
}

impl Log {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = create(&directory.path().join("0.log"));
        Self { directory, file }
    }

    /// Records `SECOND STREAM TAG TEXT`, one a line.
    fn with(records: &[&str]) -> Self {
        let mut log = Self::new();
        records.iter().for_each(|record| log.write(record));
        log
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("0.log")
    }

    fn write(&mut self, record: &str) {
        writeln!(self.file, "2026-01-01T00:00:0{}", record.replacen(' ', "Z ", 1)).unwrap();
    }

    fn move_aside(&self, suffix: &str) {
        fs::rename(self.path(), self.directory.path().join(format!("0.log.{suffix}"))).unwrap();
    }

    fn rotate(&mut self, suffix: &str) {
        self.move_aside(suffix);
        self.file = create(&self.path());
    }

    async fn read(&self, options: LogOptions) -> Vec<String> {
        all(read(self.path(), &options, std::future::pending())).await
    }

    fn follow(&self, options: LogOptions) -> (LogStream, oneshot::Sender<()>) {
        follow(self.path(), options)
    }
}

fn create(path: &Path) -> File {
    File::options().create_new(true).append(true).open(path).unwrap()
}

fn follow(path: PathBuf, mut options: LogOptions) -> (LogStream, oneshot::Sender<()>) {
    options.follow = true;
    let (end, ended) = oneshot::channel::<()>();
    (read(path, &options, ended.map(drop)), end)
}

async fn all(lines: LogStream) -> Vec<String> {
    tokio::time::timeout(Duration::from_secs(10), lines.map(show).collect()).await.unwrap()
}

async fn next(lines: &mut LogStream) -> String {
    show(tokio::time::timeout(Duration::from_secs(10), lines.next()).await.unwrap().unwrap())
}

/// `out`, `err` or `ERROR`, the text, and `…` where the line was not ended.
fn show(line: crate::Result<crate::LogLine>) -> String {
    let line = match line {
        Ok(line) => line,
        Err(error) => return format!("ERROR {:?}", error.kind()),
    };
    let source = if line.source == Some(crate::LogSource::Stdout) { "out" } else { "err" };
    format!("{source} {}{}", line.text(), if line.complete { "" } else { "…" })
}

#[tokio::test]
async fn lines_are_joined_and_filtered() {
    let log = Log::with(&["1 stdout F a", "2 stderr P b", "3 stdout F c", "4 stderr F d", "5 stdout P e"]);
    assert_eq!(log.read(LogOptions::default()).await, ["out a", "out c", "err bd", "out e…"]);
    let since = LogOptions::default().with_since("2026-01-01T00:00:03Z".parse().unwrap());
    assert_eq!(log.read(since.clone()).await, ["out c", "out e…"]);
    assert_eq!(log.read(since.with_tail(1)).await, ["out e…"]);
}

#[tokio::test]
async fn what_is_missing_empty_or_unreadable() {
    let log = Log::new();
    assert!(log.read(LogOptions::default()).await.is_empty());
    assert!(log.read(LogOptions::default().with_tail(3)).await.is_empty());
    let gone = log.directory.path().join("no/such.log");
    assert!(all(read(gone, &LogOptions::default(), std::future::pending())).await.is_empty());
    let directory = log.directory.path().to_path_buf();
    let shown = all(read(directory, &LogOptions::default(), std::future::pending())).await;
    assert_eq!(shown, ["ERROR Unexpected"]);
}

#[tokio::test]
async fn bytes_that_are_no_text_and_lines_that_are_no_records() {
    let mut log = Log::with(&["1 stdout F a"]);
    log.file.write_all(b"2026-01-01T00:00:02Z stdout F \xff\xfe\0\nwhat is this\n").unwrap();
    log.write("3 stdout F b");
    let lines: Vec<_> = read(log.path(), &LogOptions::default(), std::future::pending()).collect().await;
    assert_eq!(&lines[1].as_ref().unwrap().content[..], b"\xff\xfe\0");
    let error = lines[2].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(!error.to_string().contains("what is"), "{error}");
    assert_eq!(lines[3].as_ref().unwrap().text(), "b");
}

#[tokio::test]
async fn a_tail_is_the_end_of_the_whole_log() {
    let records: Vec<String> = (0..5000).map(|n| format!("1 stdout F {n} {}", "x".repeat(n % 100))).collect();
    let mut log = Log::new();
    for (index, record) in records.iter().enumerate() {
        log.write(record);
        if index == 1000 || index == 4000 {
            log.rotate(&format!("2026010{index}"));
        }
    }
    let whole = log.read(LogOptions::default()).await;
    assert_eq!(whole.len(), records.len());
    for tail in [0, 1, 2, 998, 999, 1000, 3999, 4999, 5000, 9999] {
        let expected = &whole[whole.len().saturating_sub(tail)..];
        assert_eq!(log.read(LogOptions::default().with_tail(tail)).await, expected, "{tail}");
    }
}

#[tokio::test]
async fn a_tail_takes_lines_whole_and_each_stream_by_itself() {
    let log = Log::with(&[
        "1 stdout F a",
        "2 stderr P b",
        "3 stdout P c",
        "4 stdout F d",
        "5 stderr P e",
        "6 stdout F f",
        "7 stderr F g",
    ]);
    for (tail, expected) in [
        (1, &["err beg"][..]),
        (2, &["out f", "err beg"]),
        (3, &["out cd", "out f", "err beg"]),
        (4, &["out a", "out cd", "out f", "err beg"]),
    ] {
        assert_eq!(log.read(LogOptions::default().with_tail(tail)).await, expected, "{tail}");
    }
    let log = Log::with(&["1 stderr F a", "2 stdout P b", "3 stderr F c", "4 stdout P d"]);
    assert_eq!(log.read(LogOptions::default().with_tail(1)).await, ["out bd…"]);
    let log = Log::with(&["1 stdout P a", "2 stderr F b", "3 stderr F c"]);
    assert_eq!(log.read(LogOptions::default().with_tail(1)).await, ["err c"]);
}

#[tokio::test]
async fn a_line_beyond_the_cap_comes_in_pieces() {
    let mut log = Log::new();
    log.write(&format!("1 stdout F {}", "x".repeat(2 * MAX_LINE_BYTES + 7)));
    log.write("2 stdout F after");
    for tail in [None, Some(2)] {
        let options = LogOptions { tail, ..LogOptions::default() };
        let lines: Vec<_> = read(log.path(), &options, std::future::pending()).collect().await;
        let shape =
            lines.iter().map(|line| line.as_ref().unwrap()).map(|line| (line.content.len(), line.complete));
        let expected = [(MAX_LINE_BYTES, false), (MAX_LINE_BYTES, false), (7, true), (5, true)];
        assert_eq!(shape.collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn following_gives_lines_as_they_come_and_ends_after_the_last() {
    let mut log = Log::with(&["1 stdout F a", "1 stdout F b"]);
    let (mut lines, end) = log.follow(LogOptions::default().with_tail(1));
    assert_eq!(next(&mut lines).await, "out b");
    assert!(lines.next().now_or_never().is_none());
    log.write("2 stdout F c");
    assert_eq!(next(&mut lines).await, "out c");
    log.file.write_all(b"2026-01-01T00:00:03Z stdout F in two").unwrap();
    assert!(lines.next().now_or_never().is_none());
    log.file.write_all(b" writes\n").unwrap();
    assert_eq!(next(&mut lines).await, "out in two writes");
    log.write("4 stdout F last");
    log.write("5 stderr P words");
    end.send(()).unwrap();
    assert_eq!(all(lines).await, ["out last", "err words…"]);
}

#[tokio::test]
async fn following_waits_for_a_file_and_for_its_directories() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("pod/container/0.log");
    let (mut lines, _end) = follow(path.clone(), LogOptions::default());
    assert!(lines.next().now_or_never().is_none());
    let (go, gone) = oneshot::channel();
    let writer = tokio::spawn(async move {
        fs::create_dir(root.path().join("pod")).unwrap();
        tokio::task::yield_now().await;
        fs::create_dir(root.path().join("pod/container")).unwrap();
        tokio::task::yield_now().await;
        create(&path).write_all(b"2026-01-01T00:00:01Z stdout F hello\n").unwrap();
        gone.await.unwrap();
        drop(root);
    });
    assert_eq!(next(&mut lines).await, "out hello");
    go.send(()).unwrap();
    writer.await.unwrap();
}

#[tokio::test]
async fn a_file_that_never_comes_ends_with_the_container() {
    let root = tempfile::tempdir().unwrap();
    let (lines, end) = follow(root.path().join("0.log"), LogOptions::default());
    end.send(()).unwrap();
    assert!(all(lines).await.is_empty());
}

#[tokio::test]
async fn rotation_loses_nothing() {
    let mut log = Log::with(&["1 stdout F a"]);
    let (mut lines, end) = log.follow(LogOptions::default());
    assert_eq!(next(&mut lines).await, "out a");
    // Moved aside, and the runtime still writes to the old file.
    log.move_aside("1");
    log.write("2 stdout F b");
    assert_eq!(next(&mut lines).await, "out b");
    // The new one is there, and the last words still go to the old one.
    let new = create(&log.path());
    log.write("3 stdout P c");
    assert!(lines.next().now_or_never().is_none());
    log.file = new;
    log.write("4 stdout F d");
    assert_eq!(next(&mut lines).await, "out cd");
    // Several at once, more than the reader sees one by one; the last one stays empty.
    for (index, text) in ["e", "f", "g"].into_iter().enumerate() {
        log.write(&format!("5 stdout F {text}"));
        log.rotate(&format!("2-{index}"));
    }
    end.send(()).unwrap();
    assert_eq!(all(lines).await, ["out e", "out f", "out g"]);
    assert_eq!(log.read(LogOptions::default()).await.len(), 6);
}

#[tokio::test]
async fn what_was_compressed_is_left_out_and_the_rest_is_not_read_twice() {
    let mut log = Log::with(&["1 stdout F a"]);
    log.rotate("1");
    log.write("2 stdout F b");
    let (mut lines, end) = log.follow(LogOptions::default());
    assert_eq!((next(&mut lines).await, next(&mut lines).await), ("out a".into(), "out b".into()));
    log.move_aside("2");
    fs::rename(log.directory.path().join("0.log.2"), log.directory.path().join("0.log.2.gz")).unwrap();
    log.write("3 stdout F c");
    assert_eq!(next(&mut lines).await, "out c");
    end.send(()).unwrap();
    assert!(all(lines).await.is_empty());
    assert_eq!(log.read(LogOptions::default()).await, ["out a"]);
}

#[tokio::test]
async fn a_file_emptied_in_place_begins_again() {
    let mut log = Log::with(&["1 stdout F a long first line"]);
    let (mut lines, _end) = log.follow(LogOptions::default());
    next(&mut lines).await;
    assert!(lines.next().now_or_never().is_none());
    log.file.set_len(0).unwrap();
    log.write("2 stdout F b");
    assert_eq!(next(&mut lines).await, "out b");
}

#[tokio::test]
async fn a_torn_record_at_the_end_is_given_as_far_as_it_can_be_read() {
    let mut log = Log::with(&["1 stdout F a"]);
    log.file.write_all(b"2026-01-01T00:00:02Z stdout F tor").unwrap();
    assert_eq!(log.read(LogOptions::default()).await, ["out a", "out tor…"]);
    let mut log = Log::with(&["1 stdout F a"]);
    log.file.write_all(b"2026-01-01T00:0").unwrap();
    assert_eq!(log.read(LogOptions::default()).await, ["out a"]);
}

#[tokio::test]
async fn a_reader_far_behind_gets_every_line() {
    let mut log = Log::new();
    let (lines, end) = log.follow(LogOptions::default());
    let writer = std::thread::spawn(move || {
        for number in 0..20_000 {
            log.write(&format!("1 stdout F {number}"));
            if number % 7_000 == 6_999 {
                log.rotate(&number.to_string());
            }
        }
        end.send(()).unwrap();
        log
    });
    let lines = all(lines).await;
    assert_eq!(lines.len(), 20_000);
    assert!(lines.iter().enumerate().all(|(number, line)| *line == format!("out {number}")));
    drop(writer.join().unwrap());
}
