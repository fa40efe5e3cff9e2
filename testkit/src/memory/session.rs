//! A command of the engine as a session.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use async_trait::async_trait;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use runtime_core::{
    Error, ErrorKind, ExecSession, ExitCause, ExitStatus, Result, SessionControl, TerminalSize,
    helpers::signal::Signal,
};
use tokio::{
    io::{AsyncRead, ReadBuf},
    time::{Sleep, sleep},
};

use super::{error::convert, translate};
use crate::engine::{ExecProcess, Output, TerminalSize as EngineSize};

/// How long a stream may stay silent after the command's end before it counts as ended, though a child that the command
/// left in the background holds it open.
const SILENCE: Duration = Duration::from_millis(500);

/// Hands a command's streams to a session.
pub(super) fn of_command(mut process: ExecProcess, timeout: Option<Duration>) -> ExecSession {
    let (stdin, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
    let has_terminal = stderr.is_none();
    let command = Arc::new(Command { process, has_terminal, time_is_up: AtomicBool::new(false) });
    let ended = {
        let command = Arc::clone(&command);
        async move {
            command.process.wait().await;
        }
    };
    let session = ExecSession::new(Arc::clone(&command));
    let session = with_output(session, stdout, stderr, ended.boxed().shared());
    let session = match stdin {
        Some(stdin) => session.with_stdin(stdin),
        None => session,
    };
    match timeout {
        Some(timeout) => session.ended_after(timeout),
        None => session,
    }
}

/// Adds the streams of what has ended when `ended` has.
pub(super) fn with_output(
    mut session: ExecSession,
    stdout: Option<Output>,
    stderr: Option<Output>,
    ended: Ended,
) -> ExecSession {
    let output =
        |stream: Output| SessionOutput { stream, ended: Some(ended.clone()), silence: None, is_over: false };
    if let Some(stdout) = stdout {
        session = session.with_stdout(output(stdout));
    }
    if let Some(stderr) = stderr {
        session = session.with_stderr(output(stderr));
    }
    session
}

/// The end of what has the streams.
pub(super) type Ended = Shared<BoxFuture<'static, ()>>;

/// The command, held by its session and its streams; it is killed when the session ends.
struct Command {
    process: ExecProcess,
    has_terminal: bool,
    time_is_up: AtomicBool,
}

#[async_trait]
impl SessionControl for Command {
    async fn resize(&self, size: TerminalSize) -> Result<()> {
        if !self.has_terminal {
            return Err(Error::new(ErrorKind::InvalidState, "the command has no terminal"));
        }
        self.process.resize(EngineSize { rows: size.rows, columns: size.columns }).map_err(convert)
    }

    async fn signal(&self, signal: Signal) -> Result<()> {
        self.process.signal(signal.number()).map_err(convert)
    }

    async fn wait(&self) -> Result<ExitStatus> {
        // What it wrote is in its pipes by then.
        let outcome = self.process.wait().await;
        if self.time_is_up.load(Ordering::Acquire) {
            return Ok(ExitStatus::new(ExitCause::DeadlineExceeded));
        }
        Ok(translate::outcome(outcome))
    }

    fn end(&self) {
        self.process.kill();
    }

    fn time_is_up(&self) {
        if !self.process.has_ended() {
            self.time_is_up.store(true, Ordering::Release);
            self.process.kill();
        }
    }
}

/// What a command writes. It ends with the command's last byte, or when nothing comes any more though somebody holds it
/// open.
struct SessionOutput {
    stream: Output,
    /// The command's end; `None` when it was seen.
    ended: Option<Ended>,
    silence: Option<Pin<Box<Sleep>>>,
    is_over: bool,
}

impl AsyncRead for SessionOutput {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) if buffer.filled().len() > before || buffer.remaining() == 0 => {
                this.silence = None;
                return Poll::Ready(Ok(()));
            }
            // A terminal whose last process has gone is an error, and no news.
            Poll::Ready(_) => {}
            Poll::Pending => {
                if let Some(ended) = &mut this.ended {
                    ready!(ended.poll_unpin(cx));
                    this.ended = None;
                }
                let silence = this.silence.get_or_insert_with(|| Box::pin(sleep(SILENCE)));
                ready!(silence.as_mut().poll(cx));
            }
        }
        this.is_over = true;
        Poll::Ready(Ok(()))
    }
}
