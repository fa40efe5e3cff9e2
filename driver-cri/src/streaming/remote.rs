//! The control of a running session, whatever carries it.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use runtime_core::{
    Error, ErrorKind, ExitCause, ExitStatus, Operation, Result, SessionControl, TerminalSize,
    helpers::{remote_status::RemoteStatus, signal::Signal},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    runtime::Handle,
    sync::{mpsc, watch},
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::untold::Untold;

/// The longest status that is taken.
pub(super) const MAX_STATUS_BYTES: usize = 64 << 10;

/// How many sizes of the terminal may wait for the socket.
pub(super) const WAITING_SIZES: usize = 4;

/// How long it may take to kill a command whose session is gone.
const KILL_TIMEOUT: Duration = Duration::from_secs(30);

/// How soon it is tried again where the runtime can't be reached, doubling.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// How long a connection that is given up may take to say goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) type Input = Pin<Box<dyn AsyncWrite + Send>>;
pub(super) type Output = Pin<Box<dyn AsyncRead + Send>>;

/// What a session consists of to the runtime, beside its output.
#[derive(Debug, Clone, Copy)]
pub(super) struct Channels {
    pub(super) stdin: bool,
    /// There are sizes, and no standard error.
    pub(super) tty: bool,
}

/// What a carrier makes of a connection.
pub(super) struct Parts {
    pub(super) stdin: Option<Input>,
    pub(super) stdout: Output,
    pub(super) stderr: Option<Output>,
    pub(super) link: Link,
}

/// How a session ended.
#[derive(Debug, Clone)]
pub(super) enum Ended {
    /// As the runtime says.
    Told(RemoteStatus),
    /// Before the runtime said.
    Lost(String),
    /// The command has ended, and the runtime never says how.
    Untold,
}

/// What keeps a connection. Dropping it closes the connection.
pub(super) struct Link {
    pub(super) ended: watch::Receiver<Option<Ended>>,
    /// Where outputs have ends of their own, and an input can keep the runtime from telling more.
    pub(super) untold: Option<Untold>,
    /// There is one with a terminal.
    pub(super) resize: Option<mpsc::Sender<TerminalSize>>,
    /// Its streams would hold it open as long as the caller has them.
    pub(super) spdy: Option<spdy::Connection>,
    pub(super) _tasks: Vec<AbortOnDropHandle<()>>,
}

impl Drop for Link {
    fn drop(&mut self) {
        if let (Some(connection), Ok(runtime)) = (self.spdy.take(), Handle::try_current()) {
            runtime.spawn(async move { tokio::time::timeout(CLOSE_TIMEOUT, connection.close()).await });
        }
    }
}

/// A way to a command's process other than its connection: runtimes don't end a command whose connection ends.
#[async_trait]
pub(crate) trait Kill: Send + Sync + 'static {
    /// Sends a signal. A command that has ended is `Ok`.
    async fn send(&self, signal: Signal) -> Result<()>;

    /// Whether the command has ended. An error means that it can't be known, perhaps at the moment.
    async fn has_ended(&self) -> Result<bool>;
}

/// A running session. What dropping it does to the command, [`SessionControl::end`] does.
pub(crate) struct Remote {
    ended: watch::Receiver<Option<Ended>>,
    resize: Option<mpsc::Sender<TerminalSize>>,
    tasks: TaskTracker,
    state: Mutex<State>,
}

struct State {
    link: Option<Link>,
    kill: Option<Arc<dyn Kill>>,
    time_is_up: bool,
    _watching: Option<AbortOnDropHandle<()>>,
}

impl Remote {
    /// `kill` is how the command is ended; an attached container has none, and is only let go. Work that outlives the
    /// session goes to `tasks`.
    pub(super) fn new(mut link: Link, kill: Option<Arc<dyn Kill>>, tasks: TaskTracker) -> Arc<Self> {
        let (ended, resize, untold) = (link.ended.clone(), link.resize.clone(), link.untold.take());
        let state = State { link: Some(link), kill, time_is_up: false, _watching: None };
        let remote = Arc::new(Self { ended, resize, tasks, state: Mutex::new(state) });
        if let Some(untold) = untold {
            let watching = tokio::spawn(untold.watch(Arc::downgrade(&remote)));
            remote.state()._watching = Some(AbortOnDropHandle::new(watching));
        }
        remote
    }

    /// Ends and signals the command by another way from now on.
    pub(crate) fn kill_with(&self, kill: Arc<dyn Kill>) {
        self.state().kill = Some(kill);
    }

    /// The way to the command's process.
    pub(super) fn kill(&self) -> Option<Arc<dyn Kill>> {
        self.state().kill.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Waits for how the session ended.
    pub(super) async fn ended(&self) -> Ended {
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
                killed = tokio::time::timeout(KILL_TIMEOUT, persistently(&*kill)) => match killed {
                    Ok(Ok(())) => {
                        // Its end is about to be told, for whoever waits for it.
                        let mut ended = link.ended.clone();
                        drop(tokio::time::timeout(CLOSE_TIMEOUT, ended.wait_for(Option::is_some)).await);
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

/// Kills a command, if need be when its runtime is there again.
async fn persistently(kill: &dyn Kill) -> Result<()> {
    let mut pause = FIRST_PAUSE;
    loop {
        match kill.send(Signal::KILL).await {
            Err(error) if error.is_transient() => tokio::time::sleep(pause).await,
            sent => return sent,
        }
        pause = MAX_PAUSE.min(pause * 2);
    }
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
