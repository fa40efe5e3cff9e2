//! Streams that the peer opens.

use super::Stream;
use super::handle::Handle;
use super::state::set_waker;
use crate::frame::{Frame, Headers, ResetStatus, StreamId};
use std::future::poll_fn;
use std::task::Poll;

/// The streams that the peer opens, in order. When it is dropped, the peer's streams are refused.
#[derive(Debug)]
pub struct Incoming {
    handle: Handle,
}

impl Incoming {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// The next stream; `None` once the connection has ended. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Offer> {
        poll_fn(|context| {
            let mut state = self.handle.shared.lock();
            if let Some((stream, headers)) = state.offers.as_mut().and_then(|offers| offers.pop_front()) {
                drop(state);
                return Poll::Ready(Some(Offer {
                    handle: self.handle.clone(),
                    stream,
                    headers,
                    decided: false,
                }));
            }
            if state.closed.is_some() || state.closing {
                return Poll::Ready(None);
            }
            set_waker(&mut state.offered, context);
            Poll::Pending
        })
        .await
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let mut state = self.handle.shared.lock();
        for (stream, _) in state.offers.take().into_iter().flatten() {
            state.forget(stream, ResetStatus::RefusedStream);
        }
    }
}

/// A stream that the peer wants to open. Dropping it refuses it.
#[derive(Debug)]
pub struct Offer {
    handle: Handle,
    stream: StreamId,
    headers: Headers,
    decided: bool,
}

impl Offer {
    /// What the stream is for.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Its number.
    pub fn id(&self) -> StreamId {
        self.stream
    }

    /// Takes the stream, and tells the peer.
    pub fn accept(mut self) -> Stream {
        self.decided = true;
        {
            let mut state = self.handle.shared.lock();
            if let Some(entry) = state.streams.get_mut(&self.stream) {
                entry.accepted = true;
            }
            // Only headers can make it fail, and there are none.
            let _ = state.send(&Frame::SynReply { stream: self.stream, fin: false, headers: Headers::new() });
        }
        Stream::new(self.handle.clone(), self.stream, std::mem::take(&mut self.headers))
    }

    /// Refuses it for a reason.
    pub fn refuse(mut self, status: ResetStatus) {
        self.decided = true;
        self.handle.shared.lock().forget(self.stream, status);
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        if !self.decided {
            self.handle.shared.lock().forget(self.stream, ResetStatus::RefusedStream);
        }
    }
}
