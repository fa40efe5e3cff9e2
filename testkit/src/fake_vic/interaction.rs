//! `/interaction/{id}`: the streams of tasks, which are found by the task's id alone, whatever VM it is in.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use jiff::Timestamp;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::call::Call;
use super::containers::{Device, Machine, RunPhase};
use super::port_layer::PortLayer;
use super::reply::{Refusal, Reply};
use crate::engine::{ExecProcess, Output, SharedInput, TerminalSize};

/// What a client sends first, so that the guest sees that somebody is there. It is not for the task.
const PRIMER: &[u8] = b"v1c#>";
/// How much is read of a stream at once, and how many such pieces wait for a reader.
const PIECE_BYTES: usize = 32 * 1024;
const PIECES: usize = 8;

/// One of the two that a task writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

/// A command, and its streams, which wait for somebody to read them.
pub(super) struct Streams {
    pub(super) process: ExecProcess,
    stdin: Option<SharedInput>,
    stdout: Mutex<Option<mpsc::Receiver<Bytes>>>,
    stderr: Mutex<Option<mpsc::Receiver<Bytes>>>,
}

impl Streams {
    /// Without `attach` what it writes is dropped.
    pub(super) fn new(mut process: ExecProcess, attach: bool) -> Self {
        let stdin = process.stdin.take().map(SharedInput::new);
        let pump = |output: Option<Output>| Mutex::new(output.map(pump).filter(|_| attach));
        let (stdout, stderr) = (pump(process.stdout.take()), pump(process.stderr.take()));
        Self { process, stdin, stdout, stderr }
    }

    /// Only the first one gets it.
    fn take(&self, which: Stream) -> Option<mpsc::Receiver<Bytes>> {
        let stream = match which {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        };
        stream.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Reads to the end, also when nobody listens any more.
fn pump(mut output: Output) -> mpsc::Receiver<Bytes> {
    let (sender, receiver) = mpsc::channel(PIECES);
    tokio::spawn(async move {
        let mut buffer = vec![0; PIECE_BYTES];
        while let Ok(count @ 1..) = output.read(&mut buffer).await {
            let piece = Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default());
            // Whoever has gone misses the rest.
            let _ = sender.send(piece).await;
        }
    });
    receiver
}

/// A task that a client is connected with.
struct Connection {
    machine: Arc<Machine>,
    kind: Kind,
}

enum Kind {
    /// A task of the VM's own: a container of the engine.
    Session(String),
    Command(Arc<Streams>),
}

impl PortLayer {
    pub(super) async fn get_output(&self, call: &Call, which: Stream) -> Result<Reply, Refusal> {
        let patience = self.patience(call)?;
        let connection = self.connect(call.first(), patience).await.ok_or(Refusal::Empty(404))?;
        let pieces = match connection.kind {
            Kind::Command(streams) => streams.take(which),
            Kind::Session(container) => {
                let attached = self.engine.attach(&container).await.map_err(|_| Refusal::Empty(404))?;
                match which {
                    Stream::Stdout => Some(pump(attached.stdout)),
                    Stream::Stderr => attached.stderr.map(pump),
                }
            }
        };
        Ok(Reply::stream(stream::unfold(pieces, async |pieces| {
            let mut pieces = pieces?;
            let piece = pieces.recv().await?;
            Some((Ok(piece), Some(pieces)))
        })))
    }

    /// Takes what the client sends for the task's input, until either ends.
    pub(super) async fn set_stdin(&self, call: &Call, body: Incoming) -> Result<Reply, Refusal> {
        let patience = self.patience(call)?;
        let id = call.first();
        let connection = self.connect(id, patience).await.ok_or_else(|| not_connected(id))?;
        let input = self.input(&connection).await;
        let over = connection.machine.until(|live| {
            let running = live.runs.get(id).is_some_and(|run| run.phase == RunPhase::Running);
            (!live.powered_on || !running).then_some(())
        });
        tokio::select! {
            () = copy(body, input) => {}
            _ = over => {}
        }
        Ok(Reply::Empty(200))
    }

    pub(super) async fn close_stdin(&self, call: &Call) -> Result<Reply, Refusal> {
        let id = call.first();
        let connection = self.connection(id).ok_or_else(|| not_connected(id))?;
        if let Some(input) = self.input(&connection).await {
            input.close().await;
        }
        Ok(Reply::Empty(200))
    }

    /// Says that it is done also when there is no connection, and no terminal.
    pub(super) fn resize(&self, call: &Call) -> Result<Reply, Refusal> {
        let height = Call::required(call.int32("height")?, "height")?;
        let width = Call::required(call.int32("width")?, "width")?;
        let size = u16::try_from(height).ok().zip(u16::try_from(width).ok());
        if let Some(((rows, columns), connection)) = size.zip(self.connection(call.first())) {
            let size = TerminalSize { rows, columns };
            let resized = match connection.kind {
                Kind::Session(container) => self.engine.resize_container(&container, size),
                Kind::Command(streams) => streams.process.resize(size),
            };
            if let Err(error) = resized {
                tracing::debug!(%error, "a terminal was not resized");
            }
        }
        Ok(Reply::Empty(200))
    }

    async fn input(&self, connection: &Connection) -> Option<SharedInput> {
        match &connection.kind {
            Kind::Session(container) => self.engine.attach(container).await.ok()?.stdin,
            Kind::Command(streams) => streams.stdin.clone(),
        }
    }

    /// How long a client waits for the guest.
    fn patience(&self, call: &Call) -> Result<Duration, Refusal> {
        let Some(text) = call.text("deadline").filter(|text| !text.is_empty()) else {
            return Ok(self.options.stream_wait);
        };
        let wrong =
            || Refusal::framework(601, format!("deadline in query must be of type date-time: {text:?}"));
        let deadline: Timestamp = text.parse().map_err(|_| wrong())?;
        Ok(deadline.duration_since(Timestamp::now()).try_into().unwrap_or(Duration::ZERO))
    }

    /// Waits until the guest has connected the task.
    async fn connect(&self, id: &str, patience: Duration) -> Option<Connection> {
        let mut news = self.news.subscribe();
        let connected = async {
            loop {
                news.mark_unchanged();
                if let Some(connection) = self.connection(id) {
                    return Some(connection);
                }
                news.changed().await.ok()?;
            }
        };
        timeout(patience, connected).await.ok()?
    }

    /// The task, if the guest has connected it. One that is held back until somebody comes is let go.
    fn connection(&self, id: &str) -> Option<Connection> {
        self.machines.all().into_iter().find_map(|machine| {
            let run = {
                let live = machine.live();
                let task = live.config.task(id)?;
                let bound = live.config.interaction == Device::Bound;
                let connects = task.attach && bound && live.powered_on;
                live.runs.get(id).filter(|_| connects).cloned()?
            };
            let kind = match (run.phase, run.streams) {
                (RunPhase::Blocked, _) => {
                    machine.change(|live| {
                        let run = live.runs.get_mut(id).filter(|run| run.phase == RunPhase::Blocked);
                        if let Some(run) = run {
                            run.phase = RunPhase::Launching;
                        }
                    });
                    return None;
                }
                (RunPhase::Launching, _) => return None,
                (RunPhase::Running | RunPhase::Ended, Some(streams)) => Kind::Command(streams),
                (RunPhase::Running, None) => Kind::Session(run.container),
                (RunPhase::Ended, None) => return None,
            };
            Some(Connection { machine, kind })
        })
    }
}

fn not_connected(id: &str) -> Refusal {
    Refusal::new(404, format!("no such connection: {id}"))
}

/// Writes a body, but for the primer before it, to an input, if there is one.
async fn copy(mut body: Incoming, input: Option<SharedInput>) {
    let mut primer = PRIMER;
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(mut data) = frame.into_data() else { continue };
        while let Some((first, rest)) = primer.split_first() {
            match data.first() {
                None => break,
                Some(byte) if byte == first => {
                    data = data.slice(1..);
                    primer = rest;
                }
                // What is no primer is meant for the task, with what looked like the beginning of one.
                Some(_) => {
                    let seen = PRIMER.get(..PRIMER.len() - primer.len()).unwrap_or_default();
                    data = [seen, &data[..]].concat().into();
                    primer = &[];
                }
            }
        }
        if let Some(input) = &input
            && write(input, &data).await.is_err()
        {
            return;
        }
    }
}

async fn write(input: &SharedInput, data: &[u8]) -> io::Result<()> {
    if data.is_empty() { Ok(()) } else { input.write_all(data).await }
}
