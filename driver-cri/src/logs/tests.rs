//! Logs on disk.

use std::{fs, path::Path};

use proptest::prelude::*;
use runtime_core::{LogLine, LogSource};

use super::{
    MAX_LOG_LINE_BYTES, files,
    stream::Reader,
};

const TIME: &str = "2024-05-06T07:08:09.000000001Z";

async fn read(path: &Path, tail: Option<usize>) -> Vec<LogLine> {
    let mut reader = Reader::new(path.to_owned(), files::open(path, tail).unwrap(), None, None);
    let mut lines = Vec::new();
    while let Some(line) = reader.next().await.unwrap() {
        lines.push(line);
    }
    lines
}

fn texts(lines: &[LogLine]) -> Vec<String> {
    lines.iter().map(LogLine::text).collect()
}

fn log(records: &[(&str, &str, &str)]) -> String {
    records.iter().map(|(stream, tag, text)| format!("{TIME} {stream} {tag} {text}\n")).collect()
}

#[tokio::test]
async fn a_log_that_is_not_there_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    assert!(read(&dir.path().join("no").join("0.log"), None).await.is_empty());
    assert!(read(&dir.path().join("0.log"), Some(3)).await.is_empty());
}

#[tokio::test]
async fn rotated_files_come_first_and_compressed_ones_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0.log");
    for (name, text) in [
        ("0.log.20240101-000000.gz", "compressed"),
        ("0.log.20240102-000000", "first"),
        ("0.log.20240103-000000", "second"),
        ("0.log", "third"),
        ("0.log.tmp", "unfinished"),
        ("1.log", "another container"),
    ] {
        fs::write(dir.path().join(name), log(&[("stdout", "F", text)])).unwrap();
    }
    assert_eq!(texts(&read(&path, None).await), ["first", "second", "third"]);
    assert_eq!(texts(&read(&path, Some(2)).await), ["second", "third"]);
    files::remove(&path).await.unwrap();
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["1.log"]);
}

#[tokio::test]
async fn lines_are_joined_across_rotation() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0.log");
    fs::write(dir.path().join("0.log.20240101-000000"), log(&[("stdout", "P", "a"), ("stdout", "P", "b")])).unwrap();
    fs::write(&path, log(&[("stderr", "F", "x"), ("stdout", "F", "c")])).unwrap();
    assert_eq!(texts(&read(&path, None).await), ["x", "abc"]);
    assert_eq!(texts(&read(&path, Some(1)).await), ["abc"]);
}

#[tokio::test]
async fn the_tail_of_a_long_log_is_read_from_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0.log");
    let records: String = (0..200_000).map(|n| format!("{TIME} stdout F line {n}\n")).collect();
    fs::write(&path, &records).unwrap();
    let opened = files::open(&path, Some(3)).unwrap();
    assert!(opened.skip < 5, "{}", opened.skip);
    assert_eq!(texts(&read(&path, Some(3)).await), ["line 199997", "line 199998", "line 199999"]);
    assert_eq!(read(&path, Some(usize::MAX)).await.len(), 200_000);
    assert!(read(&path, Some(0)).await.is_empty());
}

#[tokio::test]
async fn what_is_no_record_is_passed_over_and_a_torn_end_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0.log");
    let good = log(&[("stdout", "F", "good")]);
    fs::write(&path, format!("garbage\n\0\0\n{good}{TIME} stdout F to")).unwrap();
    assert_eq!(texts(&read(&path, None).await), ["good"]);
    assert_eq!(texts(&read(&path, Some(1)).await), ["good"]);
}

#[tokio::test]
async fn a_last_line_without_its_end_is_marked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0.log");
    fs::write(&path, log(&[("stdout", "F", "whole"), ("stdout", "P", "part")])).unwrap();
    let lines = read(&path, Some(1)).await;
    assert_eq!(texts(&lines), ["part"]);
    assert!(!lines[0].complete);
}

#[tokio::test]
async fn a_line_over_the_cap_comes_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0.log");
    let part = "x".repeat(16 << 10);
    let records: String = (0..65).map(|_| format!("{TIME} stdout P {part}\n")).collect();
    fs::write(&path, records + &log(&[("stdout", "F", "end")])).unwrap();
    let lines = read(&path, None).await;
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].content.len(), MAX_LOG_LINE_BYTES);
    assert!(!lines[0].complete && lines[1].complete);
}

fn any_log() -> impl Strategy<Value = Vec<(bool, bool, String)>> {
    proptest::collection::vec((any::<bool>(), any::<bool>(), "[a-z]{0,3}"), 0..24)
}

proptest! {
    #[test]
    fn the_tail_is_the_end_of_the_whole(records in any_log(), cuts in proptest::collection::vec(0..24usize, 0..3), tail in 0..12usize) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(records.len())).collect();
        cuts.sort_unstable();
        cuts.push(records.len());
        let mut start = 0;
        for (index, end) in cuts.iter().enumerate() {
            let text: String = records[start..*end].iter().map(|(stderr, partial, text)| {
                let (stream, tag) = (if *stderr { "stderr" } else { "stdout" }, if *partial { "P" } else { "F" });
                format!("{TIME} {stream} {tag} {text}\n")
            }).collect();
            let name = if index + 1 == cuts.len() { "0.log".to_owned() } else { format!("0.log.2024010{index}-000000") };
            fs::write(dir.path().join(name), text).unwrap();
            start = *end;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let whole = runtime.block_on(read(&path, None));
        let end = runtime.block_on(read(&path, Some(tail)));
        prop_assert_eq!(end.len(), whole.len().min(tail));
        // Lines that have not ended come last when all is read, whenever they began.
        let ended = |lines: &[LogLine]| lines.iter().filter(|line| line.complete).cloned().collect::<Vec<_>>();
        let (whole, end) = (ended(&whole), ended(&end));
        prop_assert_eq!(&whole[whole.len() - end.len()..], &end[..]);
    }
}

#[test]
fn sources_are_numbered_as_the_scan_expects() {
    assert_eq!((LogSource::Stdout as usize, LogSource::Stderr as usize), (0, 1));
}
