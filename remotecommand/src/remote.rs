//! The control of a running session, whatever carries it.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use runtime_core::{
    Error, ErrorKind, ExitCause, ExitStatus, Operation, Result, SessionControl, TerminalSize,
    helpers::{remote_status::RemoteStatus, signal::Signal},
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::{Ended, Kill, Link, kill::persistently, link::CLOSE_TIMEOUT};

/// How long it may take to kill a command whose session is gone.
const KILL_TIMEOUT: Duration = Duration::from_secs(30);

/// A running session. What dropping it does to the command, [`SessionControl::end`] does.
pub struct Remote {
    ended: watch::Receiver<Option<Ended>>,
    resize: Option<mpsc::Sender<TerminalSize>>,
    tasks: TaskTracker,
    state: Mutex<State>,
}

struct State {
    link: Option<Link>,
    kill: Option<Arc<dyn Kill>>,
    time_is_up: bool,
    _watch: Option<AbortOnDropHandle<()>>,
}

impl Remote {
    /// `kill` is how the command is ended; an attached container has none, and is only let go. Work that outlives the
    /// session goes to `tasks`.
    #[must_use]
    pub fn new(link: Link, kill: Option<Arc<dyn Kill>>, tasks: TaskTracker) -> Arc<Self> {
        let (ended, resize) = (link.ended.clone(), link.resize.clone());
        let state = State { link: Some(link), kill, time_is_up: false, _watch: None };
        Arc::new(Self { ended, resize, tasks, state: Mutex::new(state) })
    }

    /// Has a task watch the session as long as that lives.
    pub fn watched_by(&self, task: AbortOnDropHandle<()>) {
        self.state()._watch = Some(task);
    }

    /// Ends and signals the command by another way from now on.
    pub fn kill_with(&self, kill: Arc<dyn Kill>) {
        self.state().kill = Some(kill);
    }

    /// The way to the command's process, as long as nobody has ended the session.
    #[must_use]
    pub fn kill(&self) -> Option<Arc<dyn Kill>> {
        self.state().kill.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the command has ended, or its connection.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Waits for how the session ended.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(ended)) => ended.clone(),
            _ => Ended::Lost("the session was given up".to_owned()),
        }
    }

    /// Kills the command, and closes the connection then, which by that time may have told the command's end.
    fn finish(&self) {
        let (link, kill) = {
            let mut state = self.state();
            (state.link.take(), state.kill.take())
        };
        let (Some(link), Ok(runtime)) = (link, Handle::try_current()) else { return };
        let Some(kill) = kill.filter(|_| !is_over(&self.ended.borrow())) else { return };
        let mut ended = self.ended.clone();
        let work = async move {
            let told = async { ended.wait_for(is_over).await.map(drop).ok() };
            tokio::select! {
                biased;
                Some(()) = told => {}
                killed = timeout(KILL_TIMEOUT, persistently(&*kill)) => match killed {
                    Ok(Ok(())) => {
                        // Its end is about to be told, for whoever waits for it.
                        let mut ended = link.ended.clone();
                        drop(timeout(CLOSE_TIMEOUT, ended.wait_for(Option::is_some)).await);
                    }
                    Ok(Err(error)) => tracing::warn!(%error, "a command may go on without its session"),
                    Err(_) => tracing::warn!("a command may go on without its session: killing it took too long"),
                },
            }
            drop(link);
        };
        self.tasks.spawn_on(work, &runtime);
    }
}

/// Whether the command has ended, and not only its connection.
fn is_over(ended: &Option<Ended>) -> bool {
    matches!(ended, Some(Ended::Told(_) | Ended::Untold))
}

#[async_trait]
impl SessionControl for Remote {
    async fn resize(&self, size: TerminalSize) -> Result<()> {
        let Some(resize) = &self.resize else {
            return Err(Error::new(ErrorKind::InvalidState, "there is no terminal"));
        };
        // One that has ended has no size.
        resize.send(size).await.or(Ok(()))
    }

    async fn signal(&self, signal: Signal) -> Result<()> {
        if is_over(&self.ended.borrow()) {
            return Ok(());
        }
        match self.kill() {
            Some(kill) => kill.send(signal).await,
            None => Err(Error::unsupported(Operation::ExecAttach)),
        }
    }

    async fn wait(&self) -> Result<ExitStatus> {
        let ended = self.ended().await;
        if self.state().time_is_up {
            return Ok(ExitStatus::new(ExitCause::DeadlineExceeded));
        }
        match ended {
            Ended::Told(RemoteStatus::Exited(code)) => Ok(ExitStatus::new(ExitCause::Exited(code))),
            Ended::Told(RemoteStatus::Failed(message)) => Err(Error::new(ErrorKind::Failed, message)),
            Ended::Untold => Ok(ExitStatus::new(ExitCause::Unknown)),
            Ended::Lost(why) => {
                tracing::debug!(why, "a session's connection was lost");
                Ok(ExitStatus::new(ExitCause::StreamLost))
            }
        }
    }

    fn end(&self) {
        self.finish();
    }

    fn time_is_up(&self) {
        if !self.has_ended() {
            self.state().time_is_up = true;
            self.finish();
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.finish();
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("ended", &self.has_ended()).finish_non_exhaustive()
    }
}
