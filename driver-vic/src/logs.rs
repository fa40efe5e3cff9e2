//! What a pod's first container wrote: the port layer keeps no other's.

use futures::{StreamExt, future, stream};
use jiff::Timestamp;
use runtime_core::{Context, Error, LogLine, LogOptions, LogStream, Result};

use crate::{
    api::LogRange,
    driver::VicDriver,
    id::ContainerKey,
    lines::{Line, Lines},
    translate::status::State,
};

/// The longest line that comes in one piece, its time and all.
const MAX_LINE_BYTES: usize = 1 << 20;

impl VicDriver {
    pub(crate) async fn read_logs(
        &self,
        cx: &Context,
        key: &ContainerKey,
        options: &LogOptions,
    ) -> Result<LogStream> {
        let vm = self.vm_of(cx, key).await?;
        if vm.container(&key.name).is_none_or(|(index, _)| index != 0) {
            return Err(Error::unsupported("the log of another container than the pod's first"));
        }
        if State::of(&vm) == State::Created {
            return Ok(stream::empty().boxed());
        }
        let body = self.client().logs(cx, key.pod.as_str(), &range(options)).await?;
        let (since, mut last) = (options.since, Timestamp::UNIX_EPOCH);
        let mut is_begun = false;
        let lines = Lines::new(body, MAX_LINE_BYTES).map(move |line| {
            let line = line.map(|line| log_line(line, &mut last, is_begun));
            is_begun = line.as_ref().is_ok_and(|line| !line.complete);
            line
        });
        let wanted = lines.filter(move |line| {
            future::ready(
                line.as_ref().map_or(true, |line| since.is_none_or(|since| line.timestamp >= since)),
            )
        });
        Ok(cx.bound(wanted))
    }
}

/// What the server is asked for. It knows seconds alone, and which of `since` and tail comes first is its own choice: with
/// both, the tail is counted there, and the rest is done here.
fn range(options: &LogOptions) -> LogRange {
    let since = options.since.filter(|_| options.tail.is_none()).map_or(0, Timestamp::as_second);
    LogRange { follow: options.follow, since: since.max(0), tail: options.tail }
}

/// A line of the log, whose time is before the first space. One without a time is the rest of the one before it.
fn log_line(line: Line, last: &mut Timestamp, is_rest: bool) -> LogLine {
    let end = line.content.iter().position(|byte| *byte == b' ').filter(|_| !is_rest);
    let time =
        end.and_then(|end| std::str::from_utf8(line.content.get(..end)?).ok()?.parse::<Timestamp>().ok());
    let content = match (time, end) {
        (Some(time), Some(end)) => {
            *last = time;
            line.content.slice(end + 1..)
        }
        _ => line.content,
    };
    let complete = LogLine::new(*last, None, content);
    if line.complete { complete } else { complete.incomplete() }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn read(lines: &[(&'static str, bool)]) -> Vec<(i64, String, bool)> {
        let (mut last, mut is_rest) = (Timestamp::UNIX_EPOCH, false);
        let read = lines.iter().map(|(text, complete)| {
            let line = Line { content: Bytes::from_static(text.as_bytes()), complete: *complete };
            let line = log_line(line, &mut last, is_rest);
            is_rest = !line.complete;
            (line.timestamp.as_second(), line.text(), line.complete)
        });
        read.collect()
    }

    #[test]
    fn times_are_taken_off() {
        let read = read(&[
            ("2018-06-04T10:00:00.000000001Z hello  world", true),
            ("2018-06-04T12:00:01.5+02:00 ", true),
            ("no time", true),
            ("2018-06-04T10:00:02Z long", false),
            ("2018-06-04T10:00:09Z is text", true),
        ]);
        let first = 1_528_106_400;
        let expected = [
            (first, "hello  world", true),
            (first + 1, "", true),
            (first + 1, "no time", true),
            (first + 2, "long", false),
            (first + 2, "2018-06-04T10:00:09Z is text", true),
        ];
        assert_eq!(read, expected.map(|(time, text, complete)| (time, text.to_owned(), complete)));
    }

    #[test]
    fn the_tail_is_counted_before_since() {
        let since: Timestamp = "2018-06-04T10:00:00.9Z".parse().unwrap();
        let with = |options: LogOptions| range(&options);
        assert_eq!(with(LogOptions::default()), LogRange { follow: false, since: 0, tail: None });
        assert_eq!(with(LogOptions::follow().with_since(since)).since, 1_528_106_400);
        let both = with(LogOptions::default().with_since(since).with_tail(3));
        assert_eq!(both, LogRange { follow: false, since: 0, tail: Some(3) });
    }
}
