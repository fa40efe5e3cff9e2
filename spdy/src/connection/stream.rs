//! A stream, and its halves.

use super::handle::Handle;
use super::state::{State, set_waker};
use super::{Error, MAX_CHUNK, SEND_BUFFER};
use crate::frame::{Headers, ResetStatus, StreamId};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::MutexGuard;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream of bytes in both directions.
///
/// Reading ends with the peer's end of its direction, and fails, once all bytes that came before are read, with
/// [`Error::Reset`] or [`Error::Closed`] in an [`io::Error`]. `shutdown` ends this side's direction and leaves the other
/// open. Dropping the stream resets it, unless both directions have ended.
#[derive(Debug)]
pub struct Stream {
    headers: Headers,
    // The order matters: with the writing half the last one goes, and the stream is reset rather than finished.
    read: ReadHalf,
    write: WriteHalf,
}

impl Stream {
    pub(super) fn new(handle: Handle, stream: StreamId, headers: Headers) -> Self {
        let read = ReadHalf { handle: handle.clone(), stream };
        Self { headers, read, write: WriteHalf { handle, stream, written: 0 } }
    }

    /// The headers with which it was opened, by whichever side.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Its number.
    pub fn id(&self) -> StreamId {
        self.read.stream
    }

    /// Its directions, to be used from different tasks.
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        (self.read, self.write)
    }

    /// Ends it at once, in both directions, for a reason.
    pub fn reset(self, status: ResetStatus) {
        self.read.handle.shared.lock().forget(self.read.stream, status);
    }
}

/// The direction from the peer. Dropping it throws away what comes, without holding up other streams.
#[derive(Debug)]
pub struct ReadHalf {
    handle: Handle,
    stream: StreamId,
}

impl Drop for ReadHalf {
    fn drop(&mut self) {
        let mut state = self.handle.shared.lock();
        state.discard(self.stream);
        let Some(entry) = state.streams.get_mut(&self.stream) else { return };
        entry.reading = false;
        if !entry.writing {
            state.forget(self.stream, ResetStatus::Cancel);
        }
    }
}

impl AsyncRead for ReadHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut state = self.handle.shared.lock();
        let received = state.take(self.stream, buffer.remaining());
        if !received.is_empty() {
            drop(state);
            buffer.put_slice(&received);
            return Poll::Ready(Ok(()));
        }
        let closed = state.closed.clone();
        let Some(entry) = state.streams.get_mut(&self.stream) else { return Poll::Ready(Ok(())) };
        if entry.peer_finished {
            return Poll::Ready(Ok(()));
        }
        if let Some(status) = entry.reset {
            return Poll::Ready(Err(Error::Reset(status).into()));
        }
        if let Some(reason) = closed {
            return Poll::Ready(Err(Error::Closed(reason).into()));
        }
        set_waker(&mut entry.reader, context);
        Poll::Pending
    }
}

/// The direction to the peer. Dropping it ends the direction, as `shutdown` does, but doesn't wait for the socket.
#[derive(Debug)]
pub struct WriteHalf {
    handle: Handle,
    stream: StreamId,
    /// Where in all that the connection sends the last byte of this half stands.
    written: u64,
}

impl WriteHalf {
    /// Waits until the peer has ended its direction, or nothing more can come from it. It need not be read for that, but what
    /// holds the connection up holds this up as well. Not to be awaited while something is written.
    pub async fn peer_ended(&self) {
        poll_fn(|context| {
            let mut state = self.handle.shared.lock();
            let is_closed = state.closed.is_some();
            match state.streams.get_mut(&self.stream) {
                Some(entry) if !is_closed && !entry.peer_finished && entry.reset.is_none() => {
                    set_waker(&mut entry.writer, context);
                    Poll::Pending
                }
                _ => Poll::Ready(()),
            }
        })
        .await;
    }

    fn state(&self) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.handle.shared.lock();
        if let Some(status) = state.streams.get(&self.stream).and_then(|entry| entry.reset) {
            return Err(Error::Reset(status));
        }
        match state.ended() {
            Some(ended) => Err(ended),
            None => Ok(state),
        }
    }

    fn finished(state: &State, stream: StreamId) -> bool {
        state.streams.get(&stream).is_none_or(|entry| entry.finished)
    }

    /// Queues the end of this direction, once.
    fn finish(state: &mut State, stream: StreamId) {
        if let Some(entry) = state.streams.get_mut(&stream)
            && !entry.finished
        {
            entry.finished = true;
            // Only too many bytes can make it fail.
            let _ = state.send_data(stream, true, &[]);
        }
    }

    fn poll_sent(&self, context: &Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.handle.shared.lock();
        if state.sent >= self.written && !state.deaf {
            return Poll::Ready(Ok(()));
        }
        if let Some(reason) = state.ended().filter(|_| !state.closing || state.closed.is_some()) {
            return Poll::Ready(Err(reason.into()));
        }
        if let Some(entry) = state.streams.get_mut(&self.stream) {
            set_waker(&mut entry.writer, context);
        }
        Poll::Pending
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state()?;
        if Self::finished(&state, self.stream) {
            return Poll::Ready(Err(Error::Shutdown.into()));
        }
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if state.outgoing.len() >= SEND_BUFFER {
            if let Some(entry) = state.streams.get_mut(&self.stream) {
                set_waker(&mut entry.writer, context);
            }
            return Poll::Pending;
        }
        let chunk = data.get(..MAX_CHUNK).unwrap_or(data);
        state.send_data(self.stream, false, chunk).map_err(Error::from)?;
        let written = state.queued;
        drop(state);
        self.written = written;
        Poll::Ready(Ok(chunk.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_sent(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.handle.shared.lock();
        if !Self::finished(&state, self.stream) {
            drop(state);
            state = self.state()?;
            Self::finish(&mut state, self.stream);
            let written = state.queued;
            drop(state);
            self.written = written;
        } else {
            drop(state);
        }
        self.poll_sent(context)
    }
}

impl Drop for WriteHalf {
    fn drop(&mut self) {
        let mut state = self.handle.shared.lock();
        let Some(entry) = state.streams.get_mut(&self.stream) else { return };
        entry.writing = false;
        if !entry.reading {
            state.forget(self.stream, ResetStatus::Cancel);
        } else if entry.reset.is_none() && state.ended().is_none() {
            Self::finish(&mut state, self.stream);
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.write).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_shutdown(context)
    }
}
