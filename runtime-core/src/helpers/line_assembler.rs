//! Joins the parts of long log lines, within a bound of memory.

use jiff::Timestamp;

use super::cri_log::LogRecord;
use crate::{LogLine, LogSource};

/// Puts partial lines of a log together again, for each stream by itself.
///
/// A log may never finish its line, so no stream holds more than a given number of bytes: what is longer comes in pieces,
/// all but the last marked as incomplete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineAssembler {
    max_line_bytes: usize,
    stdout: Option<Pending>,
    stderr: Option<Pending>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pending {
    /// That of the first part.
    timestamp: Timestamp,
    content: Vec<u8>,
}

impl LineAssembler {
    /// An assembler that holds up to so many bytes a stream; 0 counts as 1.
    #[must_use]
    pub fn new(max_line_bytes: usize) -> Self {
        Self { max_line_bytes: max_line_bytes.max(1), stdout: None, stderr: None }
    }

    /// Takes the next record of the log and gives what is ready now: nothing after a part, a line after the last of its
    /// parts, several pieces of what is too long. Each has the time of its first byte's part.
    pub fn push(&mut self, record: LogRecord<'_>) -> Vec<LogLine> {
        let LogRecord { timestamp, source, partial, content } = record;
        let max = self.max_line_bytes;
        let slot = self.slot(source);
        let mut ready = Vec::new();
        let mut pending = slot.take().unwrap_or(Pending { timestamp, content: Vec::new() });
        let mut rest = &*content;
        loop {
            let (fits, over) = rest.split_at(rest.len().min(max - pending.content.len()));
            pending.content.extend_from_slice(fits);
            rest = over;
            if rest.is_empty() {
                break;
            }
            ready.push(pending.into_line(source, false));
            pending = Pending { timestamp, content: Vec::new() };
        }
        if partial {
            *slot = Some(pending);
        } else {
            ready.push(pending.into_line(source, true));
        }
        ready
    }

    /// Gives what the log ended in the middle of, marked as incomplete.
    #[must_use]
    pub fn finish(self) -> Vec<LogLine> {
        let sources = [(LogSource::Stdout, self.stdout), (LogSource::Stderr, self.stderr)];
        sources.into_iter().filter_map(|(source, pending)| Some(pending?.into_line(source, false))).collect()
    }

    fn slot(&mut self, source: LogSource) -> &mut Option<Pending> {
        match source {
            LogSource::Stdout => &mut self.stdout,
            LogSource::Stderr => &mut self.stderr,
        }
    }
}

impl Pending {
    fn into_line(self, source: LogSource, complete: bool) -> LogLine {
        let line = LogLine::new(self.timestamp, source, self.content);
        if complete { line } else { line.incomplete() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::cri_log::tests::any_record;
    use super::*;

    fn run(max: usize, log: &str) -> Vec<String> {
        let mut assembler = LineAssembler::new(max);
        let records = log.lines().map(|record| format!("2016-10-06T00:17:0{record}"));
        let mut ready: Vec<LogLine> =
            records.flat_map(|record| assembler.push(LogRecord::parse(record.as_bytes()).unwrap())).collect();
        ready.extend(assembler.finish());
        let shown = ready.into_iter().map(|line| {
            let LogLine { timestamp, source, content, complete } = line;
            let source = source.unwrap();
            let record =
                LogRecord { timestamp, source, partial: !complete, content: content.to_vec().into() };
            String::from_utf8(record.to_bytes()).unwrap()
        });
        shown.map(|line| line["2016-10-06T00:17:0".len()..].trim_end_matches('\n').to_owned()).collect()
    }

    #[test]
    fn parts_are_joined_for_each_stream() {
        let log = "1Z stdout P a\n2Z stderr P x\n3Z stdout P b\n4Z stdout F c\n5Z stderr F y\n6Z stdout F d";
        assert_eq!(run(100, log), ["1Z stdout F abc", "2Z stderr F xy", "6Z stdout F d"]);
    }

    #[test]
    fn what_is_too_long_comes_in_pieces() {
        assert_eq!(run(3, "1Z stdout P ab\n2Z stdout F cd"), ["1Z stdout P abc", "2Z stdout F d"]);
        assert_eq!(run(2, "1Z stdout F abcde"), ["1Z stdout P ab", "1Z stdout P cd", "1Z stdout F e"]);
        assert_eq!(run(2, "1Z stdout P ab\n2Z stdout F "), ["1Z stdout F ab"]);
        assert_eq!(run(0, "1Z stdout F ab"), ["1Z stdout P a", "1Z stdout F b"]);
    }

    #[test]
    fn a_log_that_ends_in_the_middle() {
        assert_eq!(run(9, "1Z stderr P a\n2Z stdout P b"), ["2Z stdout P b", "1Z stderr P a"]);
        assert_eq!(run(9, "1Z stdout F a"), ["1Z stdout F a"]);
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_and_nothing_is_too_long(
            records in prop::collection::vec(any_record(), 0..20), max in 1..30usize,
        ) {
            let mut assembler = LineAssembler::new(max);
            let mut ready = Vec::new();
            for record in &records {
                ready.extend(assembler.push(record.clone()));
                for pending in [&assembler.stdout, &assembler.stderr].into_iter().flatten() {
                    prop_assert!(pending.content.len() <= max);
                }
            }
            ready.extend(assembler.finish());
            prop_assert!(ready.iter().all(|line| line.content.len() <= max));
            for source in [LogSource::Stdout, LogSource::Stderr] {
                let records = || records.iter().filter(|record| record.source == source);
                let lines = || ready.iter().filter(|line| line.source == Some(source));
                let came: Vec<u8> = records().flat_map(|record| record.content.to_vec()).collect();
                let went: Vec<u8> = lines().flat_map(|line| line.content.to_vec()).collect();
                prop_assert_eq!(came, went);
                let ended = records().filter(|record| !record.partial).count();
                prop_assert_eq!(lines().filter(|line| line.complete).count(), ended);
            }
        }
    }
}
