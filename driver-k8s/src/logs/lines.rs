//! Lines out of the bytes of a log that was asked for with timestamps.

use std::collections::VecDeque;

use jiff::Timestamp;
use runtime_core::{Error, ErrorKind, LogLine, Result, log_file::MAX_LINE_BYTES};

/// The longest timestamp that is taken; Kubernetes' have 30 bytes.
const MAX_TIMESTAMP_BYTES: usize = 64;

/// How much of a line is quoted that has no timestamp. It comes from the kubelet, which so tells why it has no log.
const MAX_QUOTED_BYTES: usize = 256;

/// Cuts bytes into lines, however they arrive. It holds [`MAX_LINE_BYTES`] at most; a line that is longer comes in pieces, all
/// but the last marked as incomplete.
#[derive(Debug, Default)]
pub(super) struct Lines {
    state: State,
    ready: VecDeque<Result<LogLine>>,
}

#[derive(Debug)]
enum State {
    /// Before the space that ends the timestamp.
    Timestamp(Vec<u8>),
    Content(Timestamp, Vec<u8>),
    /// In a line without a timestamp: what is quoted of it.
    Garbage(Vec<u8>),
}

impl Default for State {
    fn default() -> Self {
        Self::Timestamp(Vec::new())
    }
}

impl Lines {
    /// Takes the next bytes.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match std::mem::take(&mut self.state) {
                State::Timestamp(text) => self.timestamp(text, bytes),
                State::Content(timestamp, content) => self.content(timestamp, content, bytes),
                State::Garbage(quoted) => self.garbage(quoted, bytes),
            };
        }
    }

    /// The next line that is whole, or a piece of one that is too long; an error of the kind `Protocol` for one without a
    /// timestamp, after which the others go on.
    pub(super) fn next(&mut self) -> Option<Result<LogLine>> {
        self.ready.pop_front()
    }

    /// The log has ended: a last line without its end is marked as incomplete.
    pub(super) fn finish(&mut self) {
        match std::mem::take(&mut self.state) {
            State::Timestamp(text) if text.is_empty() => {}
            State::Content(timestamp, content) => {
                self.ready.push_back(Ok(line(timestamp, content).incomplete()))
            }
            State::Timestamp(text) | State::Garbage(text) => self.ready.push_back(Err(no_timestamp(&text))),
        }
    }

    /// What is left of `bytes`, as with the others.
    fn timestamp<'b>(&mut self, mut text: Vec<u8>, bytes: &'b [u8]) -> &'b [u8] {
        let end = bytes.iter().position(|byte| matches!(byte, b' ' | b'\n'));
        let room = MAX_TIMESTAMP_BYTES - text.len();
        let (taken, rest) = bytes.split_at(end.unwrap_or(bytes.len()).min(room));
        text.extend_from_slice(taken);
        let (state, rest) = match rest.split_first() {
            None if text.len() < MAX_TIMESTAMP_BYTES => (State::Timestamp(text), rest),
            Some((b' ', content)) => match parse(&text) {
                Some(timestamp) => (State::Content(timestamp, Vec::new()), content),
                None => (State::Garbage(text), rest),
            },
            _ => (State::Garbage(text), rest),
        };
        self.state = state;
        rest
    }

    fn content<'b>(&mut self, timestamp: Timestamp, mut content: Vec<u8>, bytes: &'b [u8]) -> &'b [u8] {
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let room = MAX_LINE_BYTES - content.len();
        let length = end.unwrap_or(bytes.len());
        if length > room {
            let (taken, rest) = bytes.split_at(room);
            content.extend_from_slice(taken);
            self.ready.push_back(Ok(line(timestamp, content).incomplete()));
            self.state = State::Content(timestamp, Vec::new());
            return rest;
        }
        let (taken, rest) = bytes.split_at(length);
        content.extend_from_slice(taken);
        match rest.split_first() {
            Some((_, next)) => {
                self.ready.push_back(Ok(line(timestamp, content)));
                next
            }
            None => {
                self.state = State::Content(timestamp, content);
                rest
            }
        }
    }

    fn garbage<'b>(&mut self, mut quoted: Vec<u8>, bytes: &'b [u8]) -> &'b [u8] {
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let (taken, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        let room = MAX_QUOTED_BYTES.saturating_sub(quoted.len());
        quoted.extend_from_slice(taken.get(..room).unwrap_or(taken));
        match rest.split_first() {
            Some((_, next)) => {
                self.ready.push_back(Err(no_timestamp(&quoted)));
                next
            }
            None => {
                self.state = State::Garbage(quoted);
                rest
            }
        }
    }
}

fn parse(text: &[u8]) -> Option<Timestamp> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn line(timestamp: Timestamp, content: Vec<u8>) -> LogLine {
    LogLine::new(timestamp, None, content)
}

fn no_timestamp(text: &[u8]) -> Error {
    let message = format!("a line of the log has no timestamp: {:?}", String::from_utf8_lossy(text));
    Error::new(ErrorKind::Protocol, message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T: &str = "2026-11-20T21:11:30.434986117Z";

    fn run<'b>(pieces: impl IntoIterator<Item = &'b [u8]>) -> Vec<Result<LogLine>> {
        let mut lines = Lines::default();
        pieces.into_iter().for_each(|piece| lines.push(piece));
        lines.finish();
        std::iter::from_fn(|| lines.next()).collect()
    }

    fn shown(lines: &[Result<LogLine>]) -> Vec<String> {
        let show = |line: &Result<LogLine>| match line {
            Ok(line) => {
                format!("{} {}{}", line.timestamp, line.text(), if line.complete { "" } else { "..." })
            }
            Err(error) => format!("{:?}: {}", error.kind(), error.message()),
        };
        lines.iter().map(show).collect()
    }

    #[test]
    fn lines_as_recorded() {
        let log = format!("{T} err 4\n{T} \n{T} a  b \r\n{T} half");
        let expected =
            [format!("{T} err 4"), format!("{T} "), format!("{T} a  b \r"), format!("{T} half...")];
        assert_eq!(shown(&run([log.as_bytes()])), expected);
    }

    #[test]
    fn what_has_no_timestamp_is_told_and_passed_over() {
        let log = format!(
            "unable to retrieve container logs for containerd://1\n{T} next\n\n{}\n{T}",
            "x".repeat(999)
        );
        let lines = shown(&run([log.as_bytes()]));
        assert!(
            lines[0].ends_with("no timestamp: \"unable to retrieve container logs for containerd://1\""),
            "{lines:?}"
        );
        assert_eq!(lines[1], format!("{T} next"));
        assert_eq!(lines[2], "Protocol: a line of the log has no timestamp: \"\"");
        assert!(lines[3].len() < 350 && lines[3].contains("xxx"), "{lines:?}");
        assert!(lines.len() == 5 && lines[4].starts_with("Protocol"), "{lines:?}");
    }

    #[test]
    fn a_line_that_is_too_long_comes_in_pieces() {
        let log = format!("{T} {}\n{T} next\n", "x".repeat(2 * MAX_LINE_BYTES + 1));
        let lines: Vec<_> = run(log.as_bytes().chunks(32 << 10)).into_iter().map(Result::unwrap).collect();
        let sizes: Vec<_> = lines.iter().map(|line| (line.content.len(), line.complete)).collect();
        assert_eq!(sizes, [(MAX_LINE_BYTES, false), (MAX_LINE_BYTES, false), (1, true), (4, true)]);
    }

    proptest! {
        /// Wherever the bytes are cut, also within a character: the lines are the same.
        #[test]
        fn cuts_change_nothing(
            contents in prop::collection::vec("[a-zü\u{1F600} ]{0,9}", 0..6),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let log: String = contents.iter().map(|content| format!("{T} {content}\n")).collect();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(log.len() + 1)).collect();
            cuts.extend([0, log.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|cut| &log.as_bytes()[cut[0]..cut[1]]);
            let expected: Vec<_> = contents.iter().map(|content| format!("{T} {content}")).collect();
            prop_assert_eq!(shown(&run(pieces)), expected);
        }
    }
}
