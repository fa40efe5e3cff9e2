//! The streams of a task, and its end.

use std::{io, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future, stream};
use hyper::body::Incoming;
use runtime_core::{
    Context, Error, ErrorKind, ExecSession, ExitCause, ExitStatus, Result, SessionControl, TerminalSize,
    helpers::signal::Signal,
};
use tokio::{
    io::{AsyncWriteExt, DuplexStream},
    sync::{OnceCell, watch},
};
use tokio_util::{
    io::{ReaderStream, StreamReader},
    sync::CancellationToken,
    task::AbortOnDropHandle,
};

use crate::{
    api::{Output, PRIMER},
    driver::VicDriver,
    ending::Ending,
    error::cut,
    id::ContainerKey,
    patience::{self, Pauses},
};

/// What lies between a task and its caller, a stream.
const PIPE_BYTES: usize = 64 << 10;

/// How long requests may take that nobody waits for.
const AFTERWARDS: Duration = Duration::from_secs(30);

/// How long after the streams were asked for a task is looked at that has none yet.
const FIRST_LOOK: Duration = Duration::from_millis(200);

/// How often a task is looked at whose output goes on: children may hold it open.
const LOOK: Duration = Duration::from_secs(5);

/// How long output may still come after a task's end.
const REST_OF_OUTPUT: Duration = Duration::from_secs(2);

/// A task whose streams are bound, about to be opened.
pub(crate) struct Session {
    pub(crate) driver: VicDriver,
    pub(crate) task: String,
    pub(crate) stdin: bool,
    /// The end of the caller's input is that of the task's.
    pub(crate) closes_stdin: bool,
    pub(crate) tty: bool,
    pub(crate) ending: Arc<Ending>,
}

/// How an output ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pumped {
    Going,
    Whole,
    Broken,
}

struct Control {
    driver: VicDriver,
    task: String,
    tty: bool,
    ending: Arc<Ending>,
    outputs: Vec<watch::Receiver<Pumped>>,
    _pumps: Vec<AbortOnDropHandle<()>>,
    /// Cancelled when nobody wants the task any more.
    let_go: CancellationToken,
    exit: OnceCell<ExitStatus>,
}

impl Session {
    /// Connects the streams.
    pub(crate) async fn open(self, cx: &Context) -> Result<ExecSession> {
        let client = self.driver.client();
        // The task waits for the first of them to be launched.
        let stderr = async {
            if self.tty { Ok(None) } else { client.output(cx, &self.task, Output::Stderr).await.map(Some) }
        };
        let opening = future::try_join(client.output(cx, &self.task, Output::Stdout), stderr);
        let opened = tokio::select! {
            biased;
            opened = opening => opened,
            // Nothing connects what is never launched.
            () = self.ended_at_once(cx) => return Ok(self.without_streams()),
        };
        let (stdout, stderr) = match opened {
            Ok(outputs) => outputs,
            Err(refusal) if refusal.is_not_found() => {
                if self.ending.look(&self.driver, cx).await?.is_some() {
                    return Ok(self.without_streams());
                }
                return Err(no_streams());
            }
            Err(refusal) => return Err(refusal.into()),
        };
        let let_go = CancellationToken::new();
        let (mut outputs, mut pumps) = (Vec::new(), Vec::new());
        let mut piped = |body: Incoming| {
            let (reader, writer) = tokio::io::duplex(PIPE_BYTES);
            let (sender, state) = watch::channel(Pumped::Going);
            outputs.push(state);
            pumps.push(AbortOnDropHandle::new(tokio::spawn(pump(body, writer, sender))));
            reader
        };
        let (stdout, stderr) = (piped(stdout), stderr.map(&mut piped));
        let stdin = self.stdin.then(|| self.feed(let_go.clone()));
        let mut session = ExecSession::new(self.control(outputs, pumps, let_go)).with_stdout(stdout);
        if let Some(stderr) = stderr {
            session = session.with_stderr(stderr);
        }
        if let Some(stdin) = stdin {
            session = session.with_stdin(stdin);
        }
        Ok(session)
    }

    /// Sends what the caller writes. It goes on until the session is let go of, or the input has ended.
    fn feed(&self, let_go: CancellationToken) -> DuplexStream {
        let (reader, writer) = tokio::io::duplex(PIPE_BYTES);
        let (driver, task, closes) = (self.driver.clone(), self.task.clone(), self.closes_stdin);
        let primer = stream::once(future::ready(Ok(Bytes::from_static(PRIMER))));
        let bytes = primer.chain(ReaderStream::new(reader));
        tokio::spawn(async move {
            let cx = Context::background().with_cancellation(let_go);
            let sent = driver.client().input(&cx, &task, bytes).await;
            // Of a command that nobody has any more the input ends too: that is all that can be done to end it.
            if closes {
                let cx = Context::background().with_timeout(AFTERWARDS);
                let closed = driver.client().close_input(&cx, &task).await;
                if let Err(refusal) = sent.and(closed) {
                    tracing::debug!(error = %refusal.error, "the input of a task could not be ended");
                }
            }
        });
        writer
    }

    /// Waits until the task is seen to have ended before there was a stream.
    async fn ended_at_once(&self, cx: &Context) {
        let mut pauses = Pauses::new();
        // What fails here the streams tell better.
        while patience::sleep(cx, FIRST_LOOK).await.is_ok() && pauses.pause(cx).await.is_ok() {
            if let Ok(Some(_)) = self.ending.look(&self.driver, cx).await {
                return;
            }
        }
        future::pending().await
    }

    /// A session of a task that has ended already.
    fn without_streams(self) -> ExecSession {
        let (has_stderr, has_stdin) = (!self.tty, self.stdin);
        let mut session = ExecSession::new(self.control(Vec::new(), Vec::new(), CancellationToken::new()))
            .with_stdout(tokio::io::empty());
        if has_stderr {
            session = session.with_stderr(tokio::io::empty());
        }
        if has_stdin {
            session = session.with_stdin(tokio::io::sink());
        }
        session
    }

    fn control(
        self,
        outputs: Vec<watch::Receiver<Pumped>>,
        pumps: Vec<AbortOnDropHandle<()>>,
        let_go: CancellationToken,
    ) -> Control {
        Control {
            driver: self.driver,
            task: self.task,
            tty: self.tty,
            ending: self.ending,
            outputs,
            _pumps: pumps,
            let_go,
            exit: OnceCell::new(),
        }
    }
}

/// Passes output on, as fast as it is read.
async fn pump(body: Incoming, mut to: DuplexStream, state: watch::Sender<Pumped>) {
    let bytes = http_body_util::BodyStream::new(body)
        .try_filter_map(|frame| future::ready(Ok(frame.into_data().ok())))
        .map_err(|error| io::Error::other(cut(&error).to_string()));
    let mut bytes = StreamReader::new(bytes);
    // A caller that has dropped its end reads on and throws away, so writing goes on too.
    let end = match tokio::io::copy(&mut bytes, &mut to).await {
        Ok(_) => Pumped::Whole,
        Err(_) => Pumped::Broken,
    };
    drop(to.shutdown().await);
    state.send_replace(end);
}

/// The guest did not connect: the container has ended, or is about to.
fn no_streams() -> Error {
    Error::new(ErrorKind::InvalidState, "the guest has no streams of the task").transient()
}

#[async_trait]
impl SessionControl for Control {
    async fn resize(&self, size: TerminalSize) -> Result<()> {
        if !self.tty {
            return Err(Error::new(ErrorKind::InvalidState, "there is no terminal"));
        }
        let cx = Context::background().with_timeout(AFTERWARDS);
        Ok(self.driver.client().resize(&cx, &self.task, size).await?)
    }

    async fn signal(&self, _: Signal) -> Result<()> {
        Err(Error::unsupported("a signal to a task"))
    }

    async fn wait(&self) -> Result<ExitStatus> {
        self.exit.get_or_try_init(|| self.end_of_task()).await.cloned()
    }

    fn end(&self) {
        self.let_go.cancel();
    }

    fn time_is_up(&self) {
        self.let_go.cancel();
    }
}

impl Control {
    async fn end_of_task(&self) -> Result<ExitStatus> {
        let cx = Context::background();
        let exit = match &*self.ending {
            Ending::Container(key) => self.driver.until_ended(&cx, key).await?,
            Ending::Task { key, task } => self.end_of_command(&cx, key, task).await?,
        };
        // What it wrote comes before its end, but for what children hold open.
        let whole = tokio::time::timeout(REST_OF_OUTPUT, self.output_end()).await;
        Ok(match whole {
            Ok(Pumped::Broken) => ExitStatus::new(ExitCause::StreamLost),
            _ => exit,
        })
    }

    /// Looks at a command when its output has ended, and now and then before that.
    async fn end_of_command(&self, cx: &Context, key: &ContainerKey, task: &str) -> Result<ExitStatus> {
        let mut pauses = Pauses::new();
        loop {
            let is_over = tokio::time::timeout(LOOK, self.output_end()).await.is_ok();
            match self.driver.look_at_task(cx, key, task).await {
                Ok(Some(exit)) => return Ok(exit),
                Ok(None) => {}
                Err(error) if error.is_transient() => {}
                // With its container the end of a command is lost.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Ok(ExitStatus::new(ExitCause::StreamLost));
                }
                Err(error) => return Err(error),
            }
            if is_over {
                pauses.pause(cx).await?;
            }
        }
    }

    /// Waits until all output has come.
    async fn output_end(&self) -> Pumped {
        let mut end = Pumped::Whole;
        for output in &self.outputs {
            let mut output = output.clone();
            let ended = output.wait_for(|state| *state != Pumped::Going).await.map(|state| *state);
            if ended.unwrap_or(Pumped::Broken) == Pumped::Broken {
                end = Pumped::Broken;
            }
        }
        end
    }
}
