//! Being there while a container's first process runs: its output from now on, and its standard input.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::sync::{Mutex as AsyncMutex, Semaphore, mpsc};

use super::process::lock;
use super::{Engine, EngineError, Input, Output};

/// How many bytes of output wait for one who is attached, before the process has to.
const BEHIND_BYTES: usize = 256 * 1024;

impl Engine {
    /// Attaches to the first process of a running container, as often as wanted. Whoever is attached and does not read what
    /// was asked for holds the process up, once a quarter of a MiB waits; drop a stream that isn't read. Fault name
    /// `attach_container`.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::InvalidState`] when it does not run.
    pub async fn attach(&self, container: &str) -> Result<Attachment, EngineError> {
        let shared = self.shared();
        shared
            .faults
            .around("attach_container", async {
                let entry = shared.container(container)?;
                let main = lock(&entry.main);
                let main = main.as_ref().ok_or_else(|| entry.wrong_state())?;
                Ok(Attachment {
                    stdin: main.stdin.clone(),
                    stdout: main.stdout.tap(),
                    stderr: main.terminal.is_none().then(|| main.stderr.tap()),
                })
            })
            .await
    }
}

/// The streams of a container's first process. Dropping one detaches from it; the process goes on.
pub struct Attachment {
    /// Its standard input; `None` unless it was [launched](super::Launch::stdin) with one. All who are attached share it.
    pub stdin: Option<SharedInput>,
    /// What it prints from now on, to the end of its output.
    pub stdout: Output,
    /// What it complains from now on; `None` with a terminal.
    pub stderr: Option<Output>,
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment").field("stdin", &self.stdin).finish_non_exhaustive()
    }
}

/// A standard input with several writers.
#[derive(Clone)]
pub struct SharedInput(Arc<AsyncMutex<Option<Input>>>);

impl fmt::Debug for SharedInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedInput")
    }
}

impl SharedInput {
    pub(crate) fn new(input: Input) -> Self {
        Self(Arc::new(AsyncMutex::new(Some(input))))
    }

    /// Writes all of it, in one piece among other writers. Waits while the process doesn't read.
    ///
    /// # Errors
    /// [`io::ErrorKind::BrokenPipe`] when it is closed or the process has let go of it.
    pub async fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        let mut input = self.0.lock().await;
        let input = input.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        input.write_all(bytes).await?;
        input.flush().await
    }

    /// Ends it for the process, whoever else could still write. Waits for a write that is under way.
    pub async fn close(&self) {
        *self.0.lock().await = None;
    }
}

/// An output stream that may have listeners.
#[derive(Debug, Clone, Default)]
pub(crate) struct Taps(Arc<Mutex<TapList>>);

#[derive(Debug, Default)]
struct TapList {
    taps: Vec<Tap>,
    /// The process has ended. What is left of its output is little: it waits for nobody any more.
    ended: bool,
    /// The output has ended.
    closed: bool,
}

/// One who listens.
#[derive(Debug, Clone)]
pub(crate) struct Tap {
    sender: mpsc::UnboundedSender<Bytes>,
    /// How many bytes more may wait. Closed once bytes wait without a bound.
    room: Arc<Semaphore>,
}

impl Taps {
    fn tap(&self) -> Output {
        let (sender, receiver) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(BEHIND_BYTES));
        let mut list = lock(&self.0);
        if list.ended {
            room.close();
        }
        if !list.closed {
            list.taps.push(Tap { sender, room: Arc::clone(&room) });
        }
        Box::new(TapReader { receiver, room, rest: Bytes::new() })
    }

    /// Those who listen now.
    pub(crate) fn listening(&self) -> Vec<Tap> {
        lock(&self.0).taps.clone()
    }

    /// Hands bytes to these, and waits until they have room for them.
    pub(crate) async fn send(&self, taps: Vec<Tap>, bytes: &[u8]) {
        if taps.is_empty() {
            return;
        }
        let bytes = Bytes::copy_from_slice(bytes);
        let mut gone = false;
        for tap in taps {
            let wanted = u32::try_from(bytes.len().min(BEHIND_BYTES)).unwrap_or(u32::MAX);
            // An error says that there is no bound any more, or nobody who listens.
            if let Ok(room) = tap.room.acquire_many(wanted).await {
                room.forget();
            }
            gone |= tap.sender.send(bytes.clone()).is_err();
        }
        if gone {
            lock(&self.0).taps.retain(|tap| !tap.sender.is_closed());
        }
    }

    /// The process has ended: what it left behind must not wait for anyone.
    pub(crate) fn process_ended(&self) {
        let mut list = lock(&self.0);
        list.ended = true;
        list.taps.iter().for_each(|tap| tap.room.close());
    }

    /// The output has ended.
    pub(crate) fn close(&self) {
        let mut list = lock(&self.0);
        list.closed = true;
        list.taps.clear();
    }
}

struct TapReader {
    receiver: mpsc::UnboundedReceiver<Bytes>,
    room: Arc<Semaphore>,
    rest: Bytes,
}

impl AsyncRead for TapReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rest.is_empty() {
            match self.receiver.poll_recv(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Ready(Some(bytes)) => self.rest = bytes,
            }
        }
        let count = self.rest.len().min(buffer.remaining());
        buffer.put_slice(self.rest.get(..count).unwrap_or_default());
        self.rest.advance(count);
        if !self.room.is_closed() {
            self.room.add_permits(count);
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for TapReader {
    fn drop(&mut self) {
        // Lets go of a process that waits for this reader.
        self.receiver.close();
        self.room.close();
    }
}
