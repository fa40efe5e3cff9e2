//! The streams between the engine and a process: pipes, or a terminal.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;
use std::sync::Arc;

use pty_process::{Pts, Pty};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::process::{Child, Command};

use super::{EngineError, spawn};

/// Where bytes for a process go.
pub type Input = Box<dyn AsyncWrite + Send + Sync + Unpin>;
/// Where a process's bytes come from.
pub type Output = Box<dyn AsyncRead + Send + Sync + Unpin>;

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

/// The engine's ends.
#[derive(Default)]
pub(crate) struct Streams {
    pub(crate) stdin: Option<Input>,
    pub(crate) stdout: Option<Output>,
    pub(crate) stderr: Option<Output>,
    pub(crate) terminal: Option<Terminal>,
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("terminal", &self.terminal).finish_non_exhaustive()
    }
}

/// What resizes a terminal.
#[derive(Debug, Clone)]
pub(crate) struct Terminal(Arc<OwnedFd>);

impl Terminal {
    pub(crate) fn resize(&self, size: TerminalSize) -> Result<(), EngineError> {
        let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.0, size).map_err(|error| EngineError::io("resize the terminal", error))
    }
}

/// The answer to a resize of what is none.
pub(crate) const NO_TERMINAL: EngineError =
    EngineError::Unsupported { what: "a resize", why: "there is no terminal" };

/// What a process is to be started with. A terminal is made where the calling thread is.
pub(crate) enum Wiring {
    Pipes { stdin: bool },
    Terminal { pty: Pty, pts: Pts, is_input: bool },
}

impl Wiring {
    pub(crate) fn new(command: &spawn::Command) -> Result<Self, EngineError> {
        if !command.tty {
            return Ok(Self::Pipes { stdin: command.stdin });
        }
        let failed = |error| EngineError::io("open a terminal", io(error));
        let (pty, pts) = pty_process::open().map_err(failed)?;
        if let Some(TerminalSize { rows, columns }) = command.terminal_size {
            pty.resize(pty_process::Size::new(rows, columns)).map_err(failed)?;
        }
        // A command that nobody can write to would wait for the terminal for ever; a container may be attached to later.
        Ok(Self::Terminal { pty, pts, is_input: command.stdin || !command.is_exec })
    }

    /// Starts a command on it, at the head of a group of its own. `prepare` adds all but the streams.
    pub(crate) fn spawn(
        self,
        program: &std::path::Path,
        prepare: &Preparation<'_>,
    ) -> std::io::Result<(Child, Streams)> {
        match self {
            Self::Pipes { stdin } => {
                let mut command = Command::new(program);
                command.arg0(prepare.name).args(prepare.args).current_dir(prepare.cwd).process_group(0);
                command.env_clear().envs(prepare.env.iter().map(|(name, value)| (name, value)));
                command.stdin(if stdin { Stdio::piped() } else { Stdio::null() });
                let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
                let streams = Streams {
                    stdin: child.stdin.take().map(|stream| Box::new(stream) as Input),
                    stdout: child.stdout.take().map(|stream| Box::new(stream) as Output),
                    stderr: child.stderr.take().map(|stream| Box::new(stream) as Output),
                    terminal: None,
                };
                Ok((child, streams))
            }
            Self::Terminal { pty, pts, is_input } => {
                let terminal = Terminal(Arc::new(pty.as_fd().try_clone_to_owned()?));
                let command = pty_process::Command::new(program)
                    .arg0(prepare.name)
                    .args(prepare.args)
                    .current_dir(prepare.cwd)
                    .env_clear()
                    .envs(prepare.env.iter().map(|(name, value)| (name, value)));
                let command = if is_input { command } else { command.stdin(Stdio::null()) };
                let child = command.spawn(pts).map_err(io)?;
                let (read, write) = pty.into_split();
                let streams = Streams {
                    stdin: Some(Box::new(write)),
                    stdout: Some(Box::new(read)),
                    stderr: None,
                    terminal: Some(terminal),
                };
                Ok((child, streams))
            }
        }
    }
}

/// A command, ready but for its streams.
pub(crate) struct Preparation<'a> {
    pub(crate) name: &'a str,
    pub(crate) args: &'a [String],
    pub(crate) env: &'a [(String, String)],
    pub(crate) cwd: &'a std::path::Path,
}

fn io(error: pty_process::Error) -> std::io::Error {
    match error {
        pty_process::Error::Io(error) => error,
        pty_process::Error::Rustix(error) => error.into(),
        other => std::io::Error::other(other),
    }
}
