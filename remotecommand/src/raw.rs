//! From a connection to the session that a caller holds.

use std::{fmt, sync::Arc};

use runtime_core::{
    Context, ExecSession, Result, SessionControl,
    emulation::{self, Helper, Nonce, RunInContainer, Signaller},
    spec::ExecSpec,
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::{
    ByHelper, Channels, Input, Kill, Output, Parts, Remote, terminal_input::TerminalInput, unread::Traffic,
};

/// A running command. When it is dropped, the command is ended.
pub struct RawSession {
    stdin: Option<Input>,
    stdout: Output,
    stderr: Option<Output>,
    remote: Arc<Remote>,
    traffic: Option<Arc<Traffic>>,
}

impl RawSession {
    /// The session with what the caller `wanted`, of which `parts` has [what was asked for](Channels::to_ask_for). `kill` and
    /// `tasks` are for [`Remote::new`].
    #[must_use]
    pub fn new(parts: Parts, wanted: Channels, kill: Option<Arc<dyn Kill>>, tasks: TaskTracker) -> Self {
        let Parts { stdin, stdout, stderr, link } = parts;
        let traffic = link.traffic.clone();
        let stdin = match stdin {
            Some(stdin) if wanted.tty => {
                let stdin = TerminalInput::new(stdin, link.ended.clone());
                // Dropped, it ends at once.
                wanted.stdin.then(|| Box::pin(stdin) as Input)
            }
            stdin => stdin,
        };
        Self { stdin, stdout, stderr, remote: Remote::new(link, kill, tasks), traffic }
    }

    /// Its control.
    #[must_use]
    pub fn remote(&self) -> &Arc<Remote> {
        &self.remote
    }

    /// The session for the caller.
    #[must_use]
    pub fn into_session(self) -> ExecSession {
        let remote = Arc::clone(&self.remote);
        self.with_control(remote)
    }

    /// The session for the caller, steered by another control.
    #[must_use]
    pub fn with_control(self, control: impl SessionControl) -> ExecSession {
        let mut session = ExecSession::new(control).with_stdout(self.stdout);
        if let Some(stdin) = self.stdin {
            session = session.with_stdin(stdin);
        }
        if let Some(stderr) = self.stderr {
            session = session.with_stderr(stderr);
        }
        session
    }

    /// Tells the helper's [wrapper](Helper::wrapper) that runs here what to become. `runner` runs commands beside it, by which
    /// the command is signalled and ended from then on. Over a WebSocket it also shows whether a command has ended that left
    /// input unread, whose end systems may not tell. `cx` is for the beginning.
    ///
    /// # Errors
    /// Why there is no command, see [`emulation::begin`]; the context's end.
    pub async fn begin<R: RunInContainer>(
        self,
        cx: &Context,
        spec: &ExecSpec,
        nonce: &Nonce,
        (helper, runner): (Helper, R),
    ) -> Result<ExecSession> {
        if let Some(size) = spec.terminal_size {
            self.remote.resize(size).await?;
        }
        let (remote, traffic) = (Arc::clone(&self.remote), self.traffic.clone());
        let (session, process) = cx.run(emulation::begin(self.into_session(), spec, nonce)).await?;
        remote.kill_with(Arc::new(ByHelper::new(Signaller::new(runner, helper, process))));
        if let Some(traffic) = traffic.filter(|_| spec.stdin) {
            let session = Arc::downgrade(&remote);
            let watch = tokio::spawn(async move { traffic.watch(session).await });
            remote.watched_by(AbortOnDropHandle::new(watch));
        }
        Ok(session)
    }
}

impl fmt::Debug for RawSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawSession").field("remote", &self.remote).finish_non_exhaustive()
    }
}
