//! The connection itself, as its user holds it.

use super::state::{Entry, Role, Shared, set_waker};
use super::task::Task;
use super::{CloseReason, Error, Incoming, SEND_BUFFER, Stream};
use crate::frame::{Frame, GoAwayStatus, Headers, ResetStatus, StreamId};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

/// A SPDY connection. Its clones are the same connection.
///
/// A task of its own moves the bytes. It ends, and closes the socket at once, when the last of the connection's handles is
/// dropped: this one and its clones, its [`Incoming`], and its streams. What was written but not yet sent is lost then;
/// [`close`](Self::close), and the `flush` and `shutdown` of a stream, wait for the socket.
#[derive(Clone, Debug)]
pub struct Connection {
    handle: Handle,
}

impl Connection {
    /// The end that dialled, over a socket on which SPDY is spoken from the next byte on. To be called in a Tokio
    /// runtime.
    pub fn client(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> (Self, Incoming) {
        Self::new(Role::Client, io)
    }

    /// The end that was dialled.
    pub fn server(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> (Self, Incoming) {
        Self::new(Role::Server, io)
    }

    fn new(role: Role, io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> (Self, Incoming) {
        let shared = Shared::new(role);
        let (connection, incoming) =
            (Self { handle: Handle::new(&shared) }, Incoming::new(Handle::new(&shared)));
        // The task ends itself when the last handle is dropped.
        tokio::spawn(Task::new(io, shared));
        (connection, incoming)
    }

    /// Opens a stream and waits until the peer accepts it. Dropping the future gives the stream up.
    ///
    /// # Errors
    /// [`Error::Reset`] where the peer refuses, [`Error::GoingAway`] where it takes no streams any more,
    /// [`Error::Closed`] where the connection ends before there is an answer.
    pub async fn open(&self, headers: &[(&str, &str)]) -> Result<Stream, Error> {
        let headers: Headers = headers.iter().copied().collect();
        let mut headers = Some(headers);
        let stream = poll_fn(|context| {
            let mut state = self.handle.shared.lock();
            if let Some(ended) = state.ended() {
                return Poll::Ready(Err(ended));
            }
            if let Some(status) = state.going_away {
                return Poll::Ready(Err(Error::GoingAway(status)));
            }
            if state.outgoing.len() >= SEND_BUFFER {
                state.openers.push(context.waker().clone());
                return Poll::Pending;
            }
            let Some(stream) = state.next_stream() else { return Poll::Ready(Err(Error::Exhausted)) };
            let headers = headers.take().unwrap_or_default();
            let frame = Frame::SynStream {
                stream,
                associated: 0,
                priority: 0,
                fin: false,
                unidirectional: false,
                headers: headers.clone(),
            };
            if let Err(error) = state.send(&frame) {
                return Poll::Ready(Err(Error::Headers(error)));
            }
            state.streams.insert(stream, Entry::open());
            drop(state);
            Poll::Ready(Ok(Stream::new(self.handle.clone(), stream, headers)))
        })
        .await?;
        poll_fn(|context| {
            let mut state = self.handle.shared.lock();
            let closed = state.closed.clone();
            let Some(entry) = state.streams.get_mut(&stream.id()) else { return Poll::Ready(Ok(())) };
            if entry.accepted {
                return Poll::Ready(Ok(()));
            }
            if let Some(status) = entry.reset {
                return Poll::Ready(Err(Error::Reset(status)));
            }
            if let Some(reason) = closed {
                return Poll::Ready(Err(Error::Closed(reason)));
            }
            set_waker(&mut entry.reader, context);
            Poll::Pending
        })
        .await?;
        Ok(stream)
    }

    /// Asks the peer for a sign of life, and says how long it took.
    ///
    /// # Errors
    /// [`Error::Closed`] where the connection ends first.
    pub async fn ping(&self) -> Result<Duration, Error> {
        let (sender, answer) = oneshot::channel();
        let asked = Instant::now();
        let id = {
            let mut state = self.handle.shared.lock();
            if let Some(ended) = state.ended() {
                return Err(ended);
            }
            let id = state.next_ping();
            state.pings.insert(id, sender);
            state.tell(&Frame::Ping { id });
            id
        };
        let _forget = ForgetPing { shared: &self.handle.shared, id };
        match answer.await {
            Ok(()) => Ok(asked.elapsed()),
            Err(_) => Err(Error::Closed(self.closed().await)),
        }
    }

    /// Whether the socket is not read now, because streams are full that nobody reads. The peer can't be heard then, also
    /// not its answers to pings.
    pub fn is_held_back(&self) -> bool {
        self.handle.shared.lock().paused()
    }

    /// Waits until the connection has ended, and says why.
    pub async fn closed(&self) -> CloseReason {
        let mut closed = self.handle.shared.closed.subscribe();
        match closed.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or(CloseReason::Local),
            // The sender lives as long as this handle does.
            Err(_) => CloseReason::Local,
        }
    }

    /// Ends the connection in order: resets the streams that are not finished in both directions, says goodbye, waits until
    /// the socket has taken all that was written before, and closes it. For a peer that doesn't read this takes for ever;
    /// dropping the handles ends it all the same.
    pub async fn close(&self) {
        {
            let mut state = self.handle.shared.lock();
            if !state.closing && state.closed.is_none() {
                let open = |entry: &Entry| entry.reset.is_none() && !entry.finished;
                let unfinished: Vec<StreamId> = state
                    .streams
                    .iter()
                    .filter(|(_, entry)| open(entry))
                    .map(|(stream, _)| *stream)
                    .collect();
                for stream in unfinished {
                    state.tell(&Frame::RstStream { stream, status: ResetStatus::Cancel });
                    state.reset(stream, ResetStatus::Cancel);
                }
                let last_good = state.last_peer_stream;
                state.tell(&Frame::GoAway { last_good, status: GoAwayStatus::Ok });
                state.closing = true;
                state.wake_all();
                state.wake_task();
            }
        }
        self.closed().await;
    }
}

/// Takes a ping off the list when nobody waits for it any more.
struct ForgetPing<'a> {
    shared: &'a Shared,
    id: u32,
}

impl Drop for ForgetPing<'_> {
    fn drop(&mut self) {
        self.shared.lock().pings.remove(&self.id);
    }
}

/// Keeps the task alive.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) shared: Arc<Shared>,
}

impl Handle {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.lock().handles += 1;
        Self { shared: Arc::clone(shared) }
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        Self::new(&self.shared)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.handles -= 1;
        if state.handles == 0 {
            state.wake_task();
        }
    }
}
