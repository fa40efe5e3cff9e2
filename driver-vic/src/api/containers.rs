//! Containers: handles, commits, states.

use hyper::Method;
use runtime_core::{Context, ErrorKind};

use super::models::{ContainerInfo, CreateConfig, Created, Handle};
use crate::{client::Client, error::Refusal, path::Path};

/// The state that a commit is to bring a container into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Running,
    Stopped,
}

impl Client {
    /// Begins a container. Nothing is there before the commit of its handle.
    pub(crate) async fn create(&self, cx: &Context, config: &CreateConfig) -> Result<Created, Refusal> {
        let created = self.call(cx, Method::POST, Path::of(["containers"]), Some(config)).await;
        // The server says of every failure here that something was not found.
        created.map_err(|refusal: Refusal| match refusal.code {
            Some(404) => refusal.with_kind(ErrorKind::Failed),
            _ => refusal,
        })
    }

    /// Takes a fresh snapshot of a container.
    pub(crate) async fn open(&self, cx: &Context, id: &str) -> Result<Handle, Refusal> {
        self.get(cx, Path::of(["containers", id])).await
    }

    /// Says which state the commit is to bring.
    pub(crate) async fn set_state(
        &self,
        cx: &Context,
        handle: &Handle,
        target: Target,
    ) -> Result<Handle, Refusal> {
        let path = Path::of(["containers", &handle.0, "state"]);
        let name = match target {
            Target::Running => "RUNNING",
            Target::Stopped => "STOPPED",
        };
        self.call(cx, Method::PUT, path, Some(&name)).await
    }

    /// Makes the handle's changes so. `wait_seconds` is how long a stop waits for each of its signals.
    pub(crate) async fn commit(
        &self,
        cx: &Context,
        handle: &Handle,
        wait_seconds: Option<u32>,
    ) -> Result<(), Refusal> {
        let path = Path::of(["containers", &handle.0]);
        let path = match wait_seconds {
            Some(seconds) => path.with("wait_time", seconds),
            None => path,
        };
        self.act(cx, Method::PUT, path).await
    }

    /// Removes a container that is powered off.
    pub(crate) async fn remove(&self, cx: &Context, id: &str) -> Result<(), Refusal> {
        self.act(cx, Method::DELETE, Path::of(["containers", id])).await
    }

    /// A container as it is now; `None` if there is none.
    pub(crate) async fn info(&self, cx: &Context, id: &str) -> Result<Option<ContainerInfo>, Refusal> {
        match self.get(cx, Path::of(["containers", "info", id])).await {
            Ok(info) => Ok(Some(info)),
            Err(refusal) if refusal.is_not_found() => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// All containers.
    pub(crate) async fn list(&self, cx: &Context) -> Result<Vec<ContainerInfo>, Refusal> {
        let list: Option<Vec<_>> = self.get(cx, Path::of(["containers", "list"]).with("all", true)).await?;
        Ok(list.unwrap_or_default())
    }

    /// Sends a signal to the first task. Nine ends the whole VM, if need be by its power.
    pub(crate) async fn signal(&self, cx: &Context, id: &str, signal: i32) -> Result<(), Refusal> {
        self.act(cx, Method::POST, Path::of(["containers", id, "signal"]).with("signal", signal)).await
    }

    /// Waits until a container has stopped. That it has not within so many seconds is a refusal like others.
    pub(crate) async fn wait(&self, cx: &Context, id: &str, seconds: u32) -> Result<ContainerInfo, Refusal> {
        self.get(cx, Path::of(["containers", id, "wait"]).with("timeout", seconds)).await
    }
}
