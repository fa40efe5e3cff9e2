//! The task that owns the socket.

use super::state::Shared;
use super::{CloseReason, MAX_CHUNK, ProtocolError, SEND_BUFFER};
use crate::frame::{Decoder, Frame, GoAwayStatus};
use bytes::{Buf, BytesMut};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_read_buf;

/// How many times a poll goes round before it lets other tasks run.
const ROUNDS: usize = 16;

/// From how many unsent bytes nothing more is read: above what streams can have waiting, here and on its way to the
/// socket, 64 KiB of answers. To stop at what streams wrote would be a deadlock, where the peer does the same.
const UNSENT: u64 = 2 * (SEND_BUFFER + MAX_CHUNK) as u64 + 64 * 1024;

/// Moves bytes between the socket and the shared state until either ends.
#[derive(Debug)]
pub(super) struct Task<T> {
    io: T,
    shared: Arc<Shared>,
    decoder: Decoder,
    input: BytesMut,
    /// What is on its way to the socket.
    output: BytesMut,
    /// `output` went into a socket that buffers.
    unflushed: bool,
    write_error: Option<io::Error>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Task<T> {
    pub(super) fn new(io: T, shared: Arc<Shared>) -> Self {
        let (input, output) = (BytesMut::new(), BytesMut::new());
        Self { io, shared, decoder: Decoder::new(), input, output, unflushed: false, write_error: None }
    }

    /// Gives the socket what is queued. Says whether it took something.
    fn poll_send(&mut self, context: &mut Context<'_>) -> bool {
        if self.write_error.is_some() {
            return false;
        }
        if self.output.is_empty() {
            let mut state = self.shared.lock();
            if state.outgoing.is_empty() {
                drop(state);
                return self.poll_flush(context);
            }
            std::mem::swap(&mut self.output, &mut state.outgoing);
            // There is room now.
            state.wake_writers();
        }
        let written = match pin!(&mut self.io).poll_write(context, &self.output) {
            Poll::Pending => return false,
            Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(written) => written,
        };
        match written {
            Ok(written) => {
                self.output.advance(written);
                self.unflushed = true;
                let mut state = self.shared.lock();
                state.sent += written as u64;
                if self.output.is_empty() {
                    state.wake_writers();
                }
                true
            }
            Err(error) => self.deaf(error),
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> bool {
        if !self.unflushed {
            return false;
        }
        match pin!(&mut self.io).poll_flush(context) {
            Poll::Pending => false,
            Poll::Ready(Ok(())) => {
                self.unflushed = false;
                true
            }
            Poll::Ready(Err(error)) => self.deaf(error),
        }
    }

    /// The socket takes nothing any more. What the peer said before may still be there, such as an exit status, so
    /// reading goes on.
    fn deaf(&mut self, error: io::Error) -> bool {
        self.write_error = Some(error);
        self.output.clear();
        let mut state = self.shared.lock();
        state.deaf = true;
        state.outgoing.clear();
        state.sent = state.queued;
        state.wake_writers();
        true
    }

    /// Takes from the socket what there is room for. Says whether something came.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Result<bool, CloseReason> {
        let mut progress = self.decode()?;
        {
            let state = self.shared.lock();
            if state.paused() || state.unsent() > UNSENT {
                return Ok(progress);
            }
        }
        self.input.reserve(MAX_CHUNK);
        match poll_read_buf(pin!(&mut self.io), context, &mut self.input) {
            Poll::Pending => {}
            Poll::Ready(Ok(0)) => return Err(self.end_of_input()),
            Poll::Ready(Ok(_)) => {
                self.decode()?;
                progress = true;
            }
            Poll::Ready(Err(error)) => return Err(CloseReason::Io(Arc::new(error))),
        }
        Ok(progress)
    }

    fn decode(&mut self) -> Result<bool, CloseReason> {
        let mut progress = false;
        let mut state = self.shared.lock();
        while !state.paused() {
            let frame = self.decoder.decode(&mut self.input).map_err(ProtocolError::from);
            match frame.and_then(|frame| frame.map(|frame| state.apply(frame)).transpose()) {
                Ok(None) => break,
                Ok(Some(())) => progress = true,
                Err(error) => return Err(CloseReason::Protocol(error)),
            }
        }
        Ok(progress)
    }

    fn end_of_input(&mut self) -> CloseReason {
        let state = self.shared.lock();
        match (state.going_away, self.write_error.take()) {
            _ if state.closing => CloseReason::Local,
            (Some(status), _) => CloseReason::GoneAway(status),
            (None, Some(error)) => CloseReason::Io(Arc::new(error)),
            (None, None) => CloseReason::Lost,
        }
    }

    /// Whether this side's end is reached.
    fn poll_local_end(&mut self, context: &mut Context<'_>) -> bool {
        let (abandoned, closing, sent) = {
            let state = self.shared.lock();
            (state.handles == 0, state.closing, state.unsent() == 0)
        };
        if abandoned {
            return true;
        }
        // An error of the shutdown changes nothing: it is the end either way.
        closing && sent && !self.unflushed && pin!(&mut self.io).poll_shutdown(context).is_ready()
    }

    fn end(&mut self, reason: CloseReason, context: &mut Context<'_>) {
        {
            let mut state = self.shared.lock();
            let status = match reason {
                CloseReason::Protocol(_) => GoAwayStatus::ProtocolError,
                _ => GoAwayStatus::Ok,
            };
            if !state.closing {
                let last_good = state.last_peer_stream;
                state.tell(&Frame::GoAway { last_good, status });
                // Nobody adds to what is sent now.
                state.closing = true;
            }
        }
        // A last word, as far as the socket takes it at once: nobody is left to wait for it.
        while self.poll_send(context) {}
        self.shared.end(reason);
    }
}

impl Shared {
    /// The first reason stands.
    fn end(&self, reason: CloseReason) {
        let mut state = self.lock();
        if state.closed.is_some() {
            return;
        }
        state.closed = Some(reason.clone());
        state.pings.clear();
        state.outgoing = BytesMut::new();
        state.wake_all();
        drop(state);
        self.closed.send_replace(Some(reason));
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Future for Task<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        for _ in 0..ROUNDS {
            this.shared.lock().register_task(context);
            let sent = this.poll_send(context);
            if this.poll_local_end(context) {
                this.end(CloseReason::Local, context);
                return Poll::Ready(());
            }
            match this.poll_receive(context) {
                Ok(received) if sent || received => {}
                Ok(_) => return Poll::Pending,
                Err(reason) => {
                    this.end(reason, context);
                    return Poll::Ready(());
                }
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<T> Drop for Task<T> {
    /// A runtime that ends drops its tasks.
    fn drop(&mut self) {
        self.shared.end(CloseReason::Local);
    }
}
