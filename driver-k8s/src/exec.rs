//! Commands in containers.

use async_trait::async_trait;
use remotecommand::Channels;
use runtime_core::{
    AttachOptions, Call, ContainerId, Context, Error, ErrorKind, Exec, ExecOutput, ExecSession, ExitCause,
    Result, SessionControl, spec::ExecSpec,
};

use crate::{capabilities::MAX_OUTPUT_BYTES, driver::K8sDriver, id::ContainerKey, streaming};

#[async_trait]
impl Exec for K8sDriver {
    async fn sync(&self, cx: &Context, id: &ContainerId, spec: &ExecSpec) -> Result<ExecOutput> {
        self.admit(cx, &Call::ExecSync { id, spec })?;
        let session = self.begin(cx, &ContainerKey::parse(id)?, spec).await?;
        let output = cx.run(session.output(MAX_OUTPUT_BYTES)).await?;
        match output.exit.cause {
            ExitCause::DeadlineExceeded => {
                Err(Error::new(ErrorKind::DeadlineExceeded, "the command was killed when its time was up"))
            }
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
        streaming::attach(self, cx, &ContainerKey::parse(id)?, options).await
    }
}

impl K8sDriver {
    /// Starts a command that is admitted.
    async fn begin(&self, cx: &Context, key: &ContainerKey, spec: &ExecSpec) -> Result<ExecSession> {
        // Names are what the server runs commands by: this may be another life's.
        let target = self.running(cx, key).await?;
        let session = match self.helper_for(cx, key, &target, spec).await? {
            Some(helper) => self.start_with(cx, key, spec, helper).await?,
            None => {
                let channels = Channels { stdin: spec.stdin, tty: spec.tty };
                let session = streaming::exec(self, cx, key, &spec.command, (channels, true)).await?;
                if let Some(size) = spec.terminal_size {
                    session.remote().resize(size).await?;
                }
                session.into_session()
            }
        };
        Ok(match spec.timeout {
            Some(timeout) => session.ended_after(timeout),
            None => session,
        })
    }
}

#[cfg(test)]
mod tests;
