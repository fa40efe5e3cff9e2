//! Commands in running containers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::check::{check_argv, check_env, check_path};
use super::core::Shared;
use super::process::{Process, lock, signal};
use super::spawn::{Command, Place, spawn};
use super::streams::{NO_TERMINAL, Streams, Terminal};
use super::{Engine, EngineError, Input, Outcome, Output, TerminalSize, User};

/// A command to run in a container.
#[derive(Clone)]
pub struct ExecLaunch {
    /// Program and arguments. The program is looked up inside the container.
    pub argv: Vec<String>,
    /// Added to the container's environment; the last of a name counts.
    pub env: Vec<(String, String)>,
    /// Working directory. `None`: the container's.
    pub cwd: Option<String>,
    /// Whom it runs as. `None`: the container's user.
    pub user: Option<User>,
    /// Opens standard input; otherwise it is empty. Only for [`Engine::exec_stream`].
    pub stdin: bool,
    /// A terminal for the process.
    pub tty: bool,
    /// How large the terminal is when the process begins. `None`: not said, as zero by zero.
    pub terminal_size: Option<TerminalSize>,
    /// Longest it may run. `None`: for ever. Only for [`Engine::exec`].
    pub timeout: Option<Duration>,
    /// Most bytes that are kept of each stream; the rest is read and dropped. Only for [`Engine::exec`].
    pub output_limit_bytes: usize,
    /// How long output is still read after the command itself has ended, for children that hold it open. Only for
    /// [`Engine::exec`].
    pub drain: Duration,
}

impl Default for ExecLaunch {
    /// An empty command with 16 MiB of output a stream and half a second of drain.
    fn default() -> Self {
        Self {
            argv: Vec::new(),
            env: Vec::new(),
            cwd: None,
            user: None,
            stdin: false,
            tty: false,
            terminal_size: None,
            timeout: None,
            output_limit_bytes: 16 * 1024 * 1024,
            drain: Duration::from_millis(500),
        }
    }
}

impl fmt::Debug for ExecLaunch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the values of the environment: they may be secret.
        let names: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        f.debug_struct("ExecLaunch").field("argv", &self.argv).field("env", &names).finish_non_exhaustive()
    }
}

/// What a command has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it complained.
    pub stderr: Vec<u8>,
    /// How it ended.
    pub outcome: Outcome,
    /// Some output went over the limit and was dropped.
    pub truncated: bool,
}

impl Engine {
    /// Runs a command and collects what it prints. Dropping the future kills it. Fault name `exec`.
    ///
    /// # Errors
    /// Those of [`Engine::exec_stream`]; [`EngineError::ExecTimeout`] when it ran too long and was killed.
    pub async fn exec(&self, container: &str, launch: ExecLaunch) -> Result<ExecOutput, EngineError> {
        let shared = self.shared();
        shared
            .faults
            .around("exec", async {
                let (limit, drain) = (launch.output_limit_bytes, launch.drain);
                let time = launch.timeout;
                let command = launch.argv.first().cloned().unwrap_or_default();
                let mut process = shared.exec(container, ExecLaunch { stdin: false, ..launch }).await?;
                let collected = process.collect(limit, drain);
                match time {
                    None => Ok(collected.await),
                    Some(after) => {
                        // Dropping the process, on the way out, kills it.
                        timeout(after, collected)
                            .await
                            .map_err(|_| EngineError::ExecTimeout { command, after })
                    }
                }
            })
            .await
    }

    /// Starts a command and hands out its streams. Dropping the process kills it with its descendants. Fault name
    /// `exec_stream`.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::InvalidState`] when the container does not run;
    /// [`EngineError::NoSuchCommand`], [`EngineError::NotExecutable`], [`EngineError::InvalidArgument`],
    /// [`EngineError::Unsupported`].
    pub async fn exec_stream(&self, container: &str, launch: ExecLaunch) -> Result<ExecProcess, EngineError> {
        let shared = self.shared();
        if let Some(user) = &launch.user {
            self.check_user(user)?;
        }
        shared.faults.around("exec_stream", shared.exec(container, launch)).await
    }
}

/// A running command.
pub struct ExecProcess {
    process: Process,
    terminal: Option<Terminal>,
    /// Its standard input, if it was asked for. Dropping it closes it.
    pub stdin: Option<Input>,
    /// What it prints.
    pub stdout: Option<Output>,
    /// What it complains; never there with a terminal.
    pub stderr: Option<Output>,
}

impl fmt::Debug for ExecProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecProcess").field("pid", &self.process.pid()).finish_non_exhaustive()
    }
}

impl ExecProcess {
    /// As the host sees it.
    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// Waits for its end; its output may be held open longer by its children. Can be dropped and called again.
    pub async fn wait(&self) -> Outcome {
        self.process.wait().await
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.process.has_ended()
    }

    /// Sends it a signal. One that has ended is fine.
    ///
    /// # Errors
    /// [`EngineError::InvalidArgument`] when that is no signal.
    pub fn signal(&self, number: i32) -> Result<(), EngineError> {
        signal(&self.process.handle(), number)
    }

    /// Resizes its terminal.
    ///
    /// # Errors
    /// [`EngineError::Unsupported`] when it has none.
    pub fn resize(&self, size: TerminalSize) -> Result<(), EngineError> {
        self.terminal.as_ref().ok_or(NO_TERMINAL)?.resize(size)
    }

    /// Kills it with its descendants.
    pub fn kill(&self) {
        self.process.kill();
    }

    async fn collect(&mut self, limit: usize, drain: Duration) -> ExecOutput {
        let (mut out, mut err) = (Kept::new(limit), Kept::new(limit));
        let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
        let outcome = {
            let reading = futures::future::join(out.read(stdout), err.read(stderr));
            tokio::pin!(reading);
            let mut read = false;
            let outcome = loop {
                tokio::select! {
                    outcome = self.process.wait() => break outcome,
                    _ = &mut reading, if !read => read = true,
                }
            };
            if !read {
                let _ = timeout(drain, reading).await;
            }
            outcome
        };
        ExecOutput {
            truncated: out.truncated || err.truncated,
            stdout: out.bytes,
            stderr: err.bytes,
            outcome,
        }
    }
}

impl Shared {
    async fn exec(&self, container: &str, launch: ExecLaunch) -> Result<ExecProcess, EngineError> {
        self.check_open()?;
        let entry = self.container(container)?;
        check_argv(&launch.argv)?;
        check_env(&launch.env)?;
        if let Some(cwd) = &launch.cwd {
            check_path("cwd", cwd)?;
        }
        let place = {
            let main = lock(&entry.main);
            let main = main.as_ref().ok_or_else(|| entry.wrong_state())?;
            main.namespaces.as_ref().map(|namespaces| Place::Join(Arc::clone(namespaces)))
        };
        let (own, wants_stdin) = (self.command(&entry), launch.stdin);
        let command = Command {
            argv: launch.argv,
            env: own.env.into_iter().chain(launch.env).collect(),
            cwd: launch.cwd.unwrap_or(own.cwd),
            user: launch.user.or(own.user),
            stdin: launch.stdin,
            tty: launch.tty,
            terminal_size: launch.terminal_size,
            is_exec: true,
            ..own
        };
        let place = place.unwrap_or_else(|| Place::Direct(entry.files.root()));
        let spawned = spawn(place, command, Arc::clone(&self.processes), self.runtime.clone()).await;
        if entry.main_pid().is_none() {
            // It ended meanwhile; a process that got in before that is killed by being dropped.
            return Err(entry.wrong_state());
        }
        let (mut process, _) = spawned?;
        let Streams { stdin, stdout, stderr, terminal } = process.take_streams();
        Ok(ExecProcess { process, stdin: stdin.filter(|_| wants_stdin), stdout, stderr, terminal })
    }
}

/// The first bytes of a stream.
struct Kept {
    bytes: Vec<u8>,
    limit: usize,
    truncated: bool,
}

impl Kept {
    fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, truncated: false }
    }

    /// Reads to the end. What has been kept so far stays when this is dropped.
    async fn read(&mut self, stream: Option<Output>) {
        let Some(mut stream) = stream else { return };
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            let room = self.limit.saturating_sub(self.bytes.len());
            self.bytes.extend_from_slice(buffer.get(..count.min(room)).unwrap_or_default());
            self.truncated |= count > room;
        }
    }
}
