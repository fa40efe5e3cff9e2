//! Commands in containers, and attaching.
//!
//! A command is a task that is joined to a VM that runs, then bound with its streams, each by a commit of its own. The port layer
//! has no signal to such a task, and no way to end one: what is dropped loses its input, and goes on if it does not mind.

use std::sync::Arc;

use async_trait::async_trait;
use runtime_core::{
    AttachOptions, Call, ContainerId, Context, Error, ErrorKind, Exec, ExecOutput, ExecSession, ExitCause,
    Result,
    persist::{Setback, persist},
    spec::ExecSpec,
};

use crate::{
    api::Handle,
    capabilities::MAX_OUTPUT_BYTES,
    driver::VicDriver,
    ending::Ending,
    id::ContainerKey,
    patience::{self, of_handle},
    session::Session,
    translate::{annotations::Vm, config::TaskPlan, status::State},
};

#[async_trait]
impl Exec for VicDriver {
    async fn sync(&self, cx: &Context, id: &ContainerId, spec: &ExecSpec) -> Result<ExecOutput> {
        self.admit(cx, &Call::ExecSync { id, spec })?;
        let session = self.begin(cx, &ContainerKey::parse(id)?, spec).await?;
        let output = cx.run(session.output(MAX_OUTPUT_BYTES)).await?;
        match output.exit.cause {
            ExitCause::StreamLost => {
                Err(Error::new(ErrorKind::Unavailable, "the connection to the command was lost").transient())
            }
            _ => Ok(output),
        }
    }

    async fn start(&self, cx: &Context, id: &ContainerId, spec: &ExecSpec) -> Result<ExecSession> {
        self.admit(cx, &Call::ExecStart { id, spec })?;
        self.begin(cx, &ContainerKey::parse(id)?, spec).await
    }

    async fn attach(&self, cx: &Context, id: &ContainerId, options: &AttachOptions) -> Result<ExecSession> {
        self.admit(cx, &Call::ExecAttach { id, options })?;
        let key = ContainerKey::parse(id)?;
        let vm = self.running(cx, &key).await?;
        let (_, container) = vm.container(&key.name).ok_or_else(|| key.missing())?;
        if options.stdin && !container.stdin {
            return Err(Error::new(ErrorKind::InvalidState, "the container has no input"));
        }
        let task = vm.task(container).to_owned();
        persist(cx, patience::conflicts(), |cx| {
            let (key, task) = (&key, &task);
            async move {
                let _turn = self.turns().of(key.pod.as_str()).await;
                let handle = self.open_running(&cx, key).await?;
                let handle = self.client().bind_interaction(&cx, &handle, task).await.map_err(of_handle)?;
                self.client().commit(&cx, &handle, None).await.map_err(of_handle)
            }
        })
        .await?;
        let session = Session {
            driver: self.clone(),
            stdin: options.stdin,
            closes_stdin: container.stdin_once && !container.tty,
            tty: container.tty,
            ending: Arc::new(Ending::Container(key.clone())),
            task,
        };
        session.open(cx).await
    }
}

impl VicDriver {
    /// Starts a command that is admitted.
    async fn begin(&self, cx: &Context, key: &ContainerKey, spec: &ExecSpec) -> Result<ExecSession> {
        let vm = self.running(cx, key).await?;
        let (_, container) = vm.container(&key.name).ok_or_else(|| key.missing())?;
        let plan = TaskPlan::of_exec(spec, container);
        let task = persist(cx, patience::conflicts(), |cx| {
            let plan = &plan;
            async move {
                let _turn = self.turns().of(key.pod.as_str()).await;
                let handle = self.open_running(&cx, key).await?;
                let task = self.client().join_task(&cx, &plan.join(handle, None)?).await;
                let task = task.map_err(of_handle)?;
                self.client().commit(&cx, &task.handle, None).await.map_err(of_handle)?;
                Ok::<_, Setback>(task.id)
            }
        })
        .await?;
        persist(cx, patience::conflicts(), |cx| {
            let task = &task;
            async move {
                let _turn = self.turns().of(key.pod.as_str()).await;
                let handle = self.open_running(&cx, key).await?;
                let handle = self.client().bind_task(&cx, &handle, task).await.map_err(of_handle)?;
                let handle = self.client().bind_interaction(&cx, &handle, task).await.map_err(of_handle)?;
                self.client().commit(&cx, &handle, None).await.map_err(of_handle)
            }
        })
        .await?;
        let session = Session {
            driver: self.clone(),
            stdin: spec.stdin,
            closes_stdin: true,
            tty: spec.tty,
            ending: Arc::new(Ending::Task { key: key.clone(), task: task.clone() }),
            task,
        };
        let session = session.open(cx).await?;
        if let Some(size) = spec.terminal_size {
            session.resize(size).await?;
        }
        Ok(session)
    }

    /// The VM of a container that runs. One that is starting is waited for.
    async fn running(&self, cx: &Context, key: &ContainerKey) -> Result<Vm> {
        persist(cx, patience::conflicts(), |cx| async move {
            let vm = self.vm_of(&cx, key).await?;
            match State::of(&vm) {
                State::Running => Ok(vm),
                State::Starting => Err(Setback::passing(not_running(key))),
                _ => Err(not_running(key).into()),
            }
        })
        .await
    }

    /// A fresh snapshot of a VM that ran a moment ago.
    async fn open_running(&self, cx: &Context, key: &ContainerKey) -> Result<Handle, Setback> {
        match self.client().open(cx, key.pod.as_str()).await {
            Ok(handle) => Ok(handle),
            Err(refusal) if refusal.is_not_found() && self.vm(cx, &key.pod).await?.is_none() => {
                Err(key.missing().into())
            }
            Err(refusal) => Err(of_handle(refusal)),
        }
    }
}

fn not_running(key: &ContainerKey) -> Error {
    let object = runtime_core::Object::container(key.id().as_str());
    Error::new(ErrorKind::InvalidState, "the container does not run").with_object(object)
}

#[cfg(test)]
mod tests;
