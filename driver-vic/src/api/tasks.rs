//! Tasks: what runs in a container. The server wants a body with calls of any method.

use hyper::Method;
use runtime_core::Context;

use super::models::{Handle, OfHandle, OfTask, TaskInspect, TaskJoin};
use crate::{client::Client, error::Refusal, path::Path};

impl Client {
    /// Adds a task: to a container that does not run for good, else for once.
    pub(crate) async fn join_task(&self, cx: &Context, task: &TaskJoin) -> Result<OfTask, Refusal> {
        self.call(cx, Method::POST, Path::of(["tasks"]), Some(task)).await
    }

    /// Makes a task one that is to run.
    pub(crate) async fn bind_task(&self, cx: &Context, handle: &Handle, id: &str) -> Result<Handle, Refusal> {
        let bound: OfHandle =
            self.call(cx, Method::POST, Path::of(["tasks", "binding"]), Some(&of(handle, id))).await?;
        Ok(bound.handle)
    }

    /// How a task is that was added for once. The server crashes over others.
    pub(crate) async fn inspect_task(
        &self,
        cx: &Context,
        handle: &Handle,
        id: &str,
    ) -> Result<TaskInspect, Refusal> {
        self.call(cx, Method::GET, Path::of(["tasks"]), Some(&of(handle, id))).await
    }
}

fn of(handle: &Handle, id: &str) -> OfTask {
    OfTask { handle: handle.clone(), id: id.to_owned() }
}
