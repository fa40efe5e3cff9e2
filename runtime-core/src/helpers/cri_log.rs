//! Lines of container logs: the CRI format, and Docker's `json-file`.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::LogSource;

/// One record of a container's log file: a line that the container wrote, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRecord<'a> {
    /// When it was written.
    pub timestamp: Timestamp,
    /// On which stream.
    pub source: LogSource,
    /// The line goes on in the next record of its stream.
    pub partial: bool,
    /// What was written, without the newline; any bytes.
    pub content: Cow<'a, [u8]>,
}

impl<'a> LogRecord<'a> {
    /// Reads a line of a CRI log, as `2016-10-06T00:17:09.669794202Z stdout F message`, with or without its newline.
    ///
    /// The third word holds tags with colons between. As for the kubelet, `P` as the first one makes the line partial,
    /// and nothing else does; further tags are passed over.
    ///
    /// # Errors
    /// Says which of the four parts is missing or wrong. The message is never part of it.
    pub fn parse(line: &'a [u8]) -> Result<Self, CriLogError> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let (timestamp, rest) = word(line).ok_or(CriLogError::NoTimestamp)?;
        let timestamp = std::str::from_utf8(timestamp).ok().and_then(|text| text.parse().ok());
        let timestamp = timestamp.ok_or(CriLogError::BadTimestamp)?;
        let (stream, rest) = word(rest).ok_or(CriLogError::NoStream)?;
        let source = match stream {
            b"stdout" => LogSource::Stdout,
            b"stderr" => LogSource::Stderr,
            _ => return Err(CriLogError::BadStream),
        };
        let (tags, content) = word(rest).ok_or(CriLogError::NoTag)?;
        let partial = tags.split(|&byte| byte == b':').next() == Some(b"P");
        Ok(Self { timestamp, source, partial, content: Cow::Borrowed(content) })
    }

    /// The record as a CRI log holds it, with its newline. Content with a newline in it would become two lines, so write
    /// such content line by line.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let tag = if self.partial { 'P' } else { 'F' };
        let stream = match self.source {
            LogSource::Stdout => "stdout",
            LogSource::Stderr => "stderr",
        };
        let mut line = format!("{} {stream} {tag} ", self.timestamp).into_bytes();
        line.extend_from_slice(&self.content);
        line.push(b'\n');
        line
    }

    /// The record, owning its content.
    #[must_use]
    pub fn into_owned(self) -> LogRecord<'static> {
        LogRecord { content: Cow::Owned(self.content.into_owned()), ..self }
    }
}

impl LogRecord<'static> {
    /// Reads a line of Docker's `json-file` log. A line that does not end in a newline is partial.
    ///
    /// # Errors
    /// It is no JSON object with `log`, `stream` and `time`.
    pub fn parse_docker(line: &[u8]) -> Result<Self, CriLogError> {
        #[derive(Deserialize)]
        struct Entry {
            log: String,
            stream: LogSource,
            time: Timestamp,
        }
        let entry: Entry = serde_json::from_slice(line).map_err(|_| CriLogError::BadJson)?;
        let mut content = entry.log.into_bytes();
        let partial = content.pop_if(|last| *last == b'\n').is_none();
        Ok(Self { timestamp: entry.time, source: entry.stream, partial, content: Cow::Owned(content) })
    }
}

/// Why a line can't be read. What processes write may be secret, so no message quotes the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CriLogError {
    /// There is no space after a first word.
    #[error("the log line has no timestamp")]
    NoTimestamp,
    /// The first word is no RFC 3339 time.
    #[error("the log line's timestamp is no RFC 3339 time")]
    BadTimestamp,
    /// There is no space after a second word.
    #[error("the log line has no stream after its timestamp")]
    NoStream,
    /// The second word is something else.
    #[error("the log line's stream is neither stdout nor stderr")]
    BadStream,
    /// There is no space after a third word.
    #[error("the log line has no tag after its stream")]
    NoTag,
    /// Not what Docker writes.
    #[error("the log line is no JSON object with log, stream and time")]
    BadJson,
}

fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = text.iter().position(|&byte| byte == b' ')?;
    Some((&text[..space], &text[space + 1..]))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIME: &str = "2016-10-06T00:17:09.669794202Z";

    /// Any record that a CRI log can hold.
    pub(crate) fn any_record() -> impl Strategy<Value = LogRecord<'static>> {
        let content = prop::collection::vec(any::<u8>().prop_filter("newline", |b| *b != b'\n'), 0..20);
        let time = (0..4_000_000_000i64, 0..1_000_000_000i32);
        (time, any::<bool>(), any::<bool>(), content).prop_map(
            |((seconds, nanos), stdout, partial, content)| LogRecord {
                timestamp: Timestamp::new(seconds, nanos).unwrap(),
                source: if stdout { LogSource::Stdout } else { LogSource::Stderr },
                partial,
                content: Cow::Owned(content),
            },
        )
    }

    #[test]
    fn kubelet_examples() {
        let timestamp: Timestamp = TIME.parse().unwrap();
        for (rest, source, partial, content) in [
            ("stdout F message", LogSource::Stdout, false, "message"),
            ("stderr P part", LogSource::Stderr, true, "part"),
            ("stdout P:TAG1:TAG2 part", LogSource::Stdout, true, "part"),
            ("stdout F:P message", LogSource::Stdout, false, "message"),
            ("stdout NEW message", LogSource::Stdout, false, "message"),
            ("stdout F ", LogSource::Stdout, false, ""),
            ("stdout F  two  spaces ", LogSource::Stdout, false, " two  spaces "),
            ("stdout F carriage\r", LogSource::Stdout, false, "carriage\r"),
        ] {
            let expected =
                LogRecord { timestamp, source, partial, content: Cow::Borrowed(content.as_bytes()) };
            for end in ["", "\n"] {
                let line = format!("{TIME} {rest}{end}");
                assert_eq!(LogRecord::parse(line.as_bytes()), Ok(expected.clone()), "{line:?}");
            }
        }
        let bytes = [TIME.as_bytes(), b" stderr F \xff\xfe\0"].concat();
        assert_eq!(&*LogRecord::parse(&bytes).unwrap().content, b"\xff\xfe\0");
        let offset = LogRecord::parse(b"2016-10-06T02:17:09.669794202+02:00 stdout F x").unwrap();
        assert_eq!(offset.timestamp, timestamp);
    }

    #[test]
    fn refusals_name_the_part_and_not_the_message() {
        for (line, error) in [
            ("", CriLogError::NoTimestamp),
            ("2016-10-06T00:17:09Z", CriLogError::NoTimestamp),
            ("yesterday stdout F hunter2", CriLogError::BadTimestamp),
            (" stdout F x", CriLogError::BadTimestamp),
            ("2016-10-06T00:17:09 stdout F x", CriLogError::BadTimestamp),
            ("2016-10-06T00:17:09Z stdout", CriLogError::NoStream),
            ("2016-10-06T00:17:09Z stdin F x", CriLogError::BadStream),
            ("2016-10-06T00:17:09Z stdout F", CriLogError::NoTag),
        ] {
            assert_eq!(LogRecord::parse(line.as_bytes()), Err(error), "{line:?}");
        }
    }

    #[test]
    fn docker() {
        let line = format!(r#"{{"log":"a \u2713\n","stream":"stderr","time":"{TIME}","attrs":{{}}}}"#);
        let read = LogRecord::parse_docker(line.as_bytes()).unwrap();
        assert_eq!(read.to_bytes(), format!("{TIME} stderr F a ✓\n").as_bytes());
        let line = format!(r#"{{"log":"part","stream":"stdout","time":"{TIME}"}}"#);
        assert!(LogRecord::parse_docker(line.as_bytes()).unwrap().partial);
        for line in ["", "{}", r#"{"log":"x","stream":"stdin","time":"2016-10-06T00:17:09Z"}"#, "[1]"] {
            assert_eq!(LogRecord::parse_docker(line.as_bytes()), Err(CriLogError::BadJson));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(record in any_record()) {
            let bytes = record.to_bytes();
            prop_assert_eq!(LogRecord::parse(&bytes), Ok(record));
        }

        #[test]
        fn nothing_panics(bytes: Vec<u8>) {
            let _ = LogRecord::parse(&bytes);
            let _ = LogRecord::parse_docker(&bytes);
        }
    }
}
