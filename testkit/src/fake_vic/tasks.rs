//! Tasks: what a VM runs by itself, and commands that join it while it runs.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{self, Call, filled};
use super::containers::{Machine, Task};
use super::handles::Handle;
use super::port_layer::PortLayer;
use super::reply::{Refusal, Reply, omit_empty};
use crate::engine::random_id;

#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct JoinConfig {
    handle: Value,
    namespace: String,
    id: String,
    path: String,
    args: Vec<String>,
    working_dir: String,
    env: Vec<String>,
    user: String,
    attach: bool,
    open_stdin: bool,
    tty: bool,
    stop_signal: String,
}

impl Default for JoinConfig {
    fn default() -> Self {
        Self {
            handle: Value::Null,
            namespace: String::new(),
            id: String::new(),
            path: String::new(),
            args: Vec::new(),
            working_dir: String::new(),
            env: Vec::new(),
            user: String::new(),
            attach: true,
            open_stdin: false,
            tty: false,
            stop_signal: String::new(),
        }
    }
}

/// A task of a handle's.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Named {
    pub(super) handle: Value,
    pub(super) id: String,
}

impl Named {
    pub(super) fn read(call: &Call) -> Result<(String, String), Refusal> {
        let named: Self = call.body("config")?;
        let key = call::handle(&named.handle)?;
        filled(&named.id, "id")?;
        Ok((key.to_owned(), named.id))
    }
}

impl PortLayer {
    /// On a handle of a VM that is off the task is the VM's own; otherwise it is a command.
    pub(super) fn task_join(&self, call: &Call) -> Result<Reply, Refusal> {
        let config: JoinConfig = call.body("config")?;
        let key = call::handle(&config.handle)?;
        filled(&config.path, "path")?;
        let id = match config.id.as_str() {
            "" => random_id().map_err(|error| Refusal::new(500, error.to_string()))?,
            id => id.to_owned(),
        };
        self.with_handle(key, Refusal::bad_handle(), |handle| {
            if handle.config.task(&id).is_some() {
                return Err(Refusal::new(500, format!("task ID collides: {id}")));
            }
            let task = Task {
                id: id.clone(),
                namespace: config.namespace,
                argv: [vec![config.path], config.args].concat(),
                cwd: config.working_dir,
                env: config.env,
                user: config.user,
                attach: config.attach,
                open_stdin: config.open_stdin,
                tty: config.tty,
                stop_signal: config.stop_signal,
                ..Task::default()
            };
            let tasks =
                if handle.powered_on { &mut handle.config.execs } else { &mut handle.config.sessions };
            tasks.push(task);
            handle.changed = true;
            Ok(Reply::Json(200, json!({"handle": key, "id": id})))
        })
    }

    /// Bound, a task is launched by the guest.
    pub(super) fn task_bind(&self, call: &Call, active: bool) -> Result<Reply, Refusal> {
        let (key, id) = Named::read(call)?;
        self.with_handle(&key, Refusal::bad_handle(), |handle| {
            let is_new = handle.machine.is_none();
            let Some(task) = handle.config.task_mut(&id) else {
                return Err(if is_new {
                    Refusal::new(500, "running tasks not supported for this container")
                } else {
                    no_task(&id)
                });
            };
            task.active = active;
            handle.changed = true;
            Ok(Reply::handle_object(&key))
        })
    }

    pub(super) fn task_remove(&self, call: &Call) -> Result<Reply, Refusal> {
        let (key, id) = Named::read(call)?;
        self.with_handle(&key, Refusal::bad_handle(), |handle| {
            if handle.config.task(&id).is_none() {
                return Err(Refusal::new(500, format!("unknown task ID: {id}")));
            }
            handle.config.sessions.retain(|task| task.id != id);
            handle.config.execs.retain(|task| task.id != id);
            handle.changed = true;
            Ok(Reply::handle_object(&key))
        })
    }

    /// What the handle's copy says of a task: only a new handle says what is so now.
    pub(super) fn task_inspect(&self, call: &Call) -> Result<Reply, Refusal> {
        let (key, id) = Named::read(call)?;
        let panics = self.options.bugs.inspect_of_sessions;
        self.with_handle(&key, Refusal::bad_handle(), |handle| {
            let task = handle.config.task(&id).ok_or_else(|| no_task(&id))?;
            if panics && handle.config.sessions.iter().any(|session| session.id == id) {
                return Err(Refusal::Panic);
            }
            Ok(Reply::Json(200, inspected(task)))
        })
    }

    /// Waits for the end of a task. The statuses that are described for it can't be reached.
    pub(super) async fn task_wait(&self, call: &Call) -> Result<Reply, Refusal> {
        let (key, id) = Named::read(call)?;
        let refusal = |status, why: String| {
            Refusal::new(if self.options.bugs.task_wait_is_500 { 500 } else { status }, why)
        };
        let machine = self.with_handle(&key, Refusal::bad_handle(), |handle| {
            let Handle { config, machine, .. } = handle;
            let task = config.task(&id).ok_or_else(|| refusal(404, format!("Cannot find task {id}")))?;
            let not_running = || refusal(428, format!("task {id} is not running"));
            if task.detail.state() != "running" && task.detail.state() != "stopped" {
                return Err(not_running());
            }
            machine.clone().ok_or_else(not_running)
        })?;
        self.task_ended(&machine, &id).await;
        Ok(Reply::Empty(200))
    }

    async fn task_ended(&self, machine: &Arc<Machine>, id: &str) {
        let ended = machine.until(|live| {
            let runs = live.config.task(id).is_some_and(|task| task.detail.state() == "running");
            (!runs || live.removed || !live.powered_on).then_some(())
        });
        ended.await;
    }
}

fn no_task(id: &str) -> Refusal {
    Refusal::new(404, format!("Cannot find task {id}"))
}

fn inspected(task: &Task) -> Value {
    let mut process = json!({"execPath": task.argv.first(), "execArgs": task.argv, "env": null});
    let state = task.detail.state();
    if state == "failed" {
        process["errorMsg"] = task.detail.started.as_str().into();
    }
    let exit_code = if matches!(state, "stopped" | "failed") { task.detail.exit_code } else { 0 };
    let told = json!({
        "id": task.id,
        "state": state,
        "exitCode": exit_code,
        "processConfig": process,
        "tty": task.tty,
        "user": task.user,
        "openStdin": task.open_stdin,
        "openStdout": task.attach,
        "openStderr": task.attach && !task.tty,
        "pid": 0,
    });
    omit_empty(told, &[])
}
