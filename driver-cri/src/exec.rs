//! Commands in containers.

use std::time::Duration;

use async_trait::async_trait;
use k8s_cri::v1 as cri;
use runtime_core::{
    AttachOptions, Call, ContainerId, Context, Error, ErrorKind, Exec, ExecOutput, ExecSession, ExitCause,
    ExitStatus, Result, SessionControl, emulation::emulated_field, spec::ExecSpec,
};
use tonic::Code;

use crate::{
    container::{is_running, missing},
    driver::CriDriver,
    error::Refusal,
    stop::whole_seconds,
    streaming::{self, Wanted},
};

/// The most output of a command, both streams together. Runtimes cut each stream at 16 MiB without a word, and containerd's
/// answer may have 16 MiB in all; a few bytes of it are not output.
pub(crate) const MAX_OUTPUT_BYTES: u64 = (16 << 20) - 64;

/// How much later than the command's timeout the call ends: a second for the rounding, and one for the runtime.
const TIMEOUT_MARGIN: Duration = Duration::from_secs(2);

#[async_trait]
impl Exec for CriDriver {
    async fn sync(&self, cx: &Context, id: &ContainerId, spec: &ExecSpec) -> Result<ExecOutput> {
        self.admit(cx, &Call::ExecSync { id, spec })?;
        if !self.may_be_container(cx, id.as_str()).await? {
            return Err(missing(id));
        }
        if spec.tty || emulated_field(spec).is_some() {
            // CRI's own call knows none of these.
            return self.collect(cx, id, spec).await;
        }
        let request = cri::ExecSyncRequest {
            container_id: id.as_str().to_owned(),
            cmd: spec.command.clone(),
            // None is no limit. At the call's own deadline the runtime kills the command as well.
            timeout: spec.timeout.map_or(0, whole_seconds),
        };
        // containerd 1.6 keeps to the timeout until the command has ended, but then waits without end for background children
        // that hold its output.
        let cx = &match spec.timeout {
            Some(timeout) => cx.clone().with_timeout(timeout.saturating_add(TIMEOUT_MARGIN)),
            None => cx.clone(),
        };
        let answer = match self.client().exec_sync(cx, request).await {
            Ok(answer) => answer,
            Err(refusal) => return Err(self.why_no_exec(refusal, cx, id).await),
        };
        if (answer.stdout.len() + answer.stderr.len()) as u64 > MAX_OUTPUT_BYTES {
            return Err(too_much());
        }
        let exit = ExitStatus::new(ExitCause::Exited(answer.exit_code));
        Ok(ExecOutput::new(answer.stdout, answer.stderr, exit))
    }

    async fn start(&self, cx: &Context, id: &ContainerId, spec: &ExecSpec) -> Result<ExecSession> {
        self.admit(cx, &Call::ExecStart { id, spec })?;
        if !self.may_be_container(cx, id.as_str()).await? {
            return Err(missing(id));
        }
        self.begin(cx, id, spec).await
    }

    async fn attach(&self, cx: &Context, id: &ContainerId, options: &AttachOptions) -> Result<ExecSession> {
        self.admit(cx, &Call::ExecAttach { id, options })?;
        streaming::attach(self, cx, id, options).await
    }
}

impl CriDriver {
    /// Starts a command that is admitted, in a container that is there.
    async fn begin(&self, cx: &Context, id: &ContainerId, spec: &ExecSpec) -> Result<ExecSession> {
        let session = match self.helper_for(cx, id, spec).await? {
            Some(helper) => self.start_with(cx, id, spec, helper).await?,
            None => {
                let wanted = Wanted { stdin: spec.stdin, stdin_ends: true, tty: spec.tty, has_kill: false };
                let session = streaming::exec(self, cx, id, &spec.command, wanted).await?;
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

    /// Runs a command to its end over a session.
    async fn collect(&self, cx: &Context, id: &ContainerId, spec: &ExecSpec) -> Result<ExecOutput> {
        let session = self.begin(cx, id, spec).await?;
        let output = cx.run(session.output(MAX_OUTPUT_BYTES)).await?;
        match output.exit.cause {
            ExitCause::DeadlineExceeded => Err(killed()),
            ExitCause::StreamLost => {
                Err(Error::new(ErrorKind::Unavailable, "the connection to the command was lost").transient())
            }
            _ => Ok(output),
        }
    }

    /// Finds out why a command gave no output, from how its container is.
    pub(crate) async fn why_no_exec(&self, refusal: Refusal, cx: &Context, id: &ContainerId) -> Error {
        match refusal.code {
            Some(Code::ResourceExhausted | Code::OutOfRange) => too_much(),
            Some(Code::DeadlineExceeded) => killed(),
            _ if refusal.is_vague() => match self.find_container_status(cx, id.as_str(), false).await {
                Ok(None) => missing(id),
                // One that ends at this moment is still shown as running when its process is gone already.
                Ok(Some((container, _))) if !is_running(&container) || refusal.is_not_found() => {
                    Error::new(ErrorKind::InvalidState, "the container is not running")
                }
                _ => refusal.into(),
            },
            _ => refusal.into(),
        }
    }
}

fn killed() -> Error {
    Error::new(ErrorKind::DeadlineExceeded, "the command was killed when its time was up")
}

fn too_much() -> Error {
    Error::new(ErrorKind::ResourceExhausted, format!("the command wrote more than {MAX_OUTPUT_BYTES} bytes"))
}
