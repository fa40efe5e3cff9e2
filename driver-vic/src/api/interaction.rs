//! Streams of tasks, and logging.

use std::io;

use bytes::Bytes;
use futures::Stream;
use hyper::{Method, body::Incoming};
use runtime_core::{Context, TerminalSize};

use super::models::{Handle, OfHandle, OfTask};
use crate::{client::Client, error::Refusal, path::Path};

/// What input begins with: the server waits for the first bytes, and takes these out.
pub(crate) const PRIMER: &[u8] = b"v1c#>";

/// An output of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Stdout,
    Stderr,
}

impl Client {
    /// Makes the streams of a container's tasks something that can be had.
    pub(crate) async fn join_interaction(&self, cx: &Context, handle: &Handle) -> Result<Handle, Refusal> {
        self.of_handle(cx, &["interaction"], handle).await
    }

    /// Has the first task's output kept.
    pub(crate) async fn join_logging(&self, cx: &Context, handle: &Handle) -> Result<Handle, Refusal> {
        self.of_handle(cx, &["logging"], handle).await
    }

    /// Connects the streams of a task.
    pub(crate) async fn bind_interaction(
        &self,
        cx: &Context,
        handle: &Handle,
        task: &str,
    ) -> Result<Handle, Refusal> {
        let body = OfTask { handle: handle.clone(), id: task.to_owned() };
        let path = Path::of(["interaction", "binding"]);
        let bound: OfHandle = self.call(cx, Method::POST, path, Some(&body)).await?;
        Ok(bound.handle)
    }

    /// Reads what a task writes. The server waits for the guest first.
    pub(crate) async fn output(&self, cx: &Context, task: &str, output: Output) -> Result<Incoming, Refusal> {
        let name = match output {
            Output::Stdout => "stdout",
            Output::Stderr => "stderr",
        };
        self.stream(cx, Path::of(["interaction", task, name])).await
    }

    /// Writes what a task reads, until the bytes end. The task's input stays open.
    pub(crate) async fn input(
        &self,
        cx: &Context,
        task: &str,
        bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), Refusal> {
        self.upload(cx, Path::of(["interaction", task, "stdin"]), "application/raw-stream", bytes).await
    }

    /// Ends what a task reads.
    pub(crate) async fn close_input(&self, cx: &Context, task: &str) -> Result<(), Refusal> {
        self.act(cx, Method::DELETE, Path::of(["interaction", task, "stdin"])).await
    }

    /// Tells a task's terminal its size.
    pub(crate) async fn resize(&self, cx: &Context, task: &str, size: TerminalSize) -> Result<(), Refusal> {
        let path =
            Path::of(["interaction", task, "resize"]).with("height", size.rows).with("width", size.columns);
        self.act(cx, Method::POST, path).await
    }

    async fn of_handle(&self, cx: &Context, path: &[&str], handle: &Handle) -> Result<Handle, Refusal> {
        let body = OfHandle { handle: handle.clone() };
        let answer: OfHandle =
            self.call(cx, Method::POST, Path::of(path.iter().copied()), Some(&body)).await?;
        Ok(answer.handle)
    }
}
