//! Events of a watch: one JSON document a line.

use futures::TryStreamExt;
use http_body_util::BodyExt;
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Status};
use kube::client::Body;
use serde::Deserialize;
use tokio::io::{AsyncBufRead, AsyncBufReadExt};
use tokio_util::io::StreamReader;

use crate::error::Refusal;

/// The longest line. Servers take no object above a few MiB.
const MAX_LINE_BYTES: usize = 32 << 20;

/// What a watch says.
#[derive(Debug)]
pub(super) enum Said {
    /// A pod is new, or has changed.
    Applied(Box<Pod>),
    /// A pod has gone, and was last like this.
    Deleted(Box<Pod>),
    /// Everything up to this version has been said.
    UpTo(String),
    /// It ends for this reason.
    Ended(Refusal),
}

/// The lines of a watch as they come.
pub(super) struct Lines {
    reader: Box<dyn AsyncBufRead + Send + Unpin>,
    /// What there is of the next line. Kept here, so that waiting for the rest can be given up.
    line: Vec<u8>,
}

#[derive(Deserialize)]
struct Kind<'l> {
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'l, str>,
}

#[derive(Deserialize)]
struct Event<T> {
    object: T,
}

impl Lines {
    pub(super) fn new(body: Body) -> Self {
        let data = body.into_data_stream().map_err(std::io::Error::other);
        Self { reader: Box::new(StreamReader::new(data)), line: Vec::new() }
    }

    /// The next; `None` at the end. May be dropped and called again.
    ///
    /// # Errors
    /// The connection was lost, or what came is no event.
    pub(super) async fn next(&mut self) -> Result<Option<Said>, Refusal> {
        loop {
            if self.fill().await? {
                let line = std::mem::take(&mut self.line);
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                return said(&line).map(Some);
            }
            // A line that was cut is not one: it is said again by the watch that follows.
            return Ok(None);
        }
    }

    /// Whether there is a whole line now; if not, it is the end.
    async fn fill(&mut self) -> Result<bool, Refusal> {
        loop {
            let chunk = self.reader.fill_buf().await.map_err(|error| Refusal::of_transport(&error))?;
            if chunk.is_empty() {
                return Ok(false);
            }
            let end = chunk.iter().position(|&byte| byte == b'\n');
            let taken = end.map_or(chunk.len(), |end| end + 1);
            self.line.extend_from_slice(&chunk[..taken]);
            self.reader.consume(taken);
            if end.is_some() {
                return Ok(true);
            }
            if self.line.len() > MAX_LINE_BYTES {
                return Err(Refusal::malformed("a line of the watch has no end"));
            }
        }
    }
}

fn said(line: &[u8]) -> Result<Said, Refusal> {
    let kind: Kind<'_> = parsed(line)?;
    Ok(match &*kind.kind {
        "ADDED" | "MODIFIED" => Said::Applied(parsed::<Event<_>>(line)?.object),
        "DELETED" => Said::Deleted(parsed::<Event<_>>(line)?.object),
        "BOOKMARK" => {
            let pod: Event<Pod> = parsed(line)?;
            let version = pod.object.metadata.resource_version;
            Said::UpTo(version.ok_or_else(|| Refusal::malformed("a bookmark without a version"))?)
        }
        "ERROR" => {
            let status = parsed::<Event<Status>>(line)?.object;
            let code = status.code.and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
            Said::Ended(Refusal::told(code, None, &status))
        }
        other => return Err(Refusal::malformed(format!("an event {other:?}"))),
    })
}

fn parsed<'l, T: Deserialize<'l>>(line: &'l [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(line).map_err(Refusal::malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &'static str) -> Lines {
        Lines::new(Body::from(text.as_bytes().to_vec()))
    }

    #[tokio::test]
    async fn events_are_told_apart() {
        let mut lines = lines(concat!(
            r#"{"type":"ADDED","object":{"metadata":{"name":"a"},"spec":{"containers":[]}}}"#,
            "\n\n",
            r#"{"type":"DELETED","object":{"metadata":{"name":"b"},"spec":{"containers":[]}}}"#,
            "\n",
            r#"{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"7"},"spec":{"containers":null}}}"#,
            "\n",
            r#"{"type":"ERROR","object":{"kind":"Status","message":"too old","reason":"Expired","code":410}}"#,
            "\n",
            r#"{"type":"ADDED","object":{"meta"#,
        ));
        assert!(
            matches!(lines.next().await.unwrap(), Some(Said::Applied(pod)) if pod.metadata.name.as_deref() == Some("a"))
        );
        assert!(
            matches!(lines.next().await.unwrap(), Some(Said::Deleted(pod)) if pod.metadata.name.as_deref() == Some("b"))
        );
        assert!(matches!(lines.next().await.unwrap(), Some(Said::UpTo(version)) if version == "7"));
        assert!(matches!(lines.next().await.unwrap(), Some(Said::Ended(refusal)) if refusal.is_expired()));
        assert!(lines.next().await.unwrap().is_none(), "a cut line is none");
    }

    #[tokio::test]
    async fn what_is_no_event_is_an_error() {
        for text in [
            "nonsense\n",
            "{}\n",
            "{\"type\":\"NEW\",\"object\":{}}\n",
            "{\"type\":\"BOOKMARK\",\"object\":{}}\n",
        ] {
            let refusal = lines(text).next().await.unwrap_err();
            assert_eq!(refusal.error.kind(), runtime_core::ErrorKind::Protocol, "{text}");
        }
    }
}
