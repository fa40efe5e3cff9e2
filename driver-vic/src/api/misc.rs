//! The server itself, and streams of what happens.

use hyper::{Method, body::Incoming};
use runtime_core::Context;

use super::models::HostInfo;
use crate::{client::Client, error::Refusal, path::Path};

/// Which part of a log is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LogRange {
    pub(crate) follow: bool,
    /// In seconds since 1970.
    pub(crate) since: i64,
    pub(crate) tail: Option<usize>,
}

impl Client {
    /// Whether the server is there.
    pub(crate) async fn ping(&self, cx: &Context) -> Result<(), Refusal> {
        self.act(cx, Method::GET, Path::of(["_ping"])).await
    }

    /// What the host has.
    pub(crate) async fn host(&self, cx: &Context) -> Result<HostInfo, Refusal> {
        self.get(cx, Path::of(["vch", "info"])).await
    }

    /// What happens to containers from now on: a JSON object a line, without end.
    pub(crate) async fn events(&self, cx: &Context) -> Result<Incoming, Refusal> {
        self.stream(cx, Path::of(["events"])).await
    }

    /// What a container uses: a JSON object a line, without end.
    pub(crate) async fn stats(&self, cx: &Context, id: &str) -> Result<Incoming, Refusal> {
        self.stream(cx, Path::of(["containers", id, "stats"]).with("stream", true)).await
    }

    /// What the first task wrote, each line with its time.
    pub(crate) async fn logs(&self, cx: &Context, id: &str, range: &LogRange) -> Result<Incoming, Refusal> {
        // The server crashes where `since` is missing.
        let path = Path::of(["containers", id, "logs"])
            .with("follow", range.follow)
            .with("since", range.since)
            .with("timestamp", true);
        let path = match range.tail {
            Some(lines) => path.with("taillines", lines),
            None => path,
        };
        self.stream(cx, path).await
    }
}
