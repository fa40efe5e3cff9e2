//! Bytes between a connection and who reads one of its channels: bounded, and never copied but into the reader's buffer.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, ReadBuf};

/// From how many bytes that nobody has read the sender waits.
pub(crate) const LIMIT_BYTES: usize = 256 << 10;

/// Makes a queue.
pub(crate) fn queue() -> (Sender, Receiver) {
    let shared = Arc::new(Mutex::new(State::default()));
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

#[derive(Default)]
struct State {
    chunks: VecDeque<Bytes>,
    bytes: usize,
    end: Option<End>,
    /// Nobody reads any more.
    abandoned: bool,
    reader: Option<Waker>,
    sender: Option<Waker>,
}

enum End {
    Whole,
    /// With the other side's reason, if it gave one.
    Broken(Option<String>),
}

type Shared = Arc<Mutex<State>>;

/// The connection's end. What it sends becomes visible to a reader who waits once there is much of it, or with
/// [`flush`](Self::flush): waking somebody in another thread costs more than a chunk does. Dropped before
/// [`end`](Self::end), it leaves the stream broken.
pub(crate) struct Sender(Shared);

/// The reader's end. When it is dropped, what still comes is thrown away.
pub(crate) struct Receiver(Shared);

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sender {
    /// Hands bytes over, once there is room.
    pub(crate) async fn send(&mut self, mut chunk: Bytes) {
        if chunk.is_empty() {
            return;
        }
        poll_fn(|cx| {
            let state = &mut *lock(&self.0);
            if state.abandoned {
                return Poll::Ready(());
            }
            if state.bytes >= LIMIT_BYTES {
                state.sender = Some(cx.waker().clone());
                return Poll::Pending;
            }
            state.bytes += chunk.len();
            state.chunks.push_back(std::mem::take(&mut chunk));
            if state.bytes >= LIMIT_BYTES / 2 {
                wake(&mut state.reader);
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Shows a reader who waits what was sent.
    pub(crate) fn flush(&mut self) {
        let state = &mut *lock(&self.0);
        if !state.chunks.is_empty() {
            wake(&mut state.reader);
        }
    }

    /// Says that this was all.
    pub(crate) fn end(self) {
        lock(&self.0).end = Some(End::Whole);
    }

    /// Says why there is no more.
    pub(crate) fn fail(self, reason: String) {
        lock(&self.0).end = Some(End::Broken(Some(reason)));
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let state = &mut *lock(&self.0);
        state.end.get_or_insert(End::Broken(None));
        wake(&mut state.reader);
    }
}

impl AsyncRead for Receiver {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let state = &mut *lock(&self.0);
        if state.chunks.is_empty() {
            return match &state.end {
                Some(End::Whole) => Poll::Ready(Ok(())),
                Some(End::Broken(None)) => Poll::Ready(Err(broken())),
                Some(End::Broken(Some(reason))) => Poll::Ready(Err(io::Error::other(reason.clone()))),
                None => {
                    state.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        }
        while let Some(chunk) = state.chunks.front_mut()
            && buffer.remaining() > 0
        {
            let length = chunk.len().min(buffer.remaining());
            buffer.put_slice(&chunk[..length]);
            chunk.advance(length);
            state.bytes -= length;
            if chunk.is_empty() {
                state.chunks.pop_front();
            }
        }
        // At half the limit, so that the two sides don't wake each other for every chunk.
        if state.bytes <= LIMIT_BYTES / 2 {
            wake(&mut state.sender);
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let state = &mut *lock(&self.0);
        state.abandoned = true;
        state.chunks = VecDeque::new();
        wake(&mut state.sender);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// What a stream ends with whose connection was lost, or given up.
#[must_use]
pub fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the connection ended before the stream did")
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn a_full_queue_holds_the_sender_until_half_is_read() {
        let (mut sender, mut receiver) = queue();
        sender.send(Bytes::from(vec![1; LIMIT_BYTES])).await;
        let mut more = tokio::spawn(async move {
            sender.send(Bytes::from_static(b"more")).await;
            sender.end();
        });
        tokio::task::yield_now().await;
        let mut half = vec![0; LIMIT_BYTES / 2 - 1];
        receiver.read_exact(&mut half).await.unwrap();
        tokio::task::yield_now().await;
        assert!((&mut more).now_or_never().is_none());
        receiver.read_exact(&mut half).await.unwrap();
        more.await.unwrap();
        let mut rest = Vec::new();
        receiver.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"\x01\x01more");
    }

    #[tokio::test]
    async fn who_waits_is_woken_for_much_or_when_it_is_asked_for() {
        for (bytes, is_much) in [(1, false), (LIMIT_BYTES / 2, true)] {
            let (mut sender, mut receiver) = queue();
            let reading =
                tokio::spawn(async move { receiver.read(&mut vec![0; LIMIT_BYTES]).await.unwrap() });
            tokio::task::yield_now().await;
            sender.send(Bytes::from(vec![1; bytes])).await;
            tokio::task::yield_now().await;
            assert_eq!(reading.is_finished(), is_much);
            sender.flush();
            assert_eq!(reading.await.unwrap(), bytes);
        }
    }

    #[tokio::test]
    async fn a_queue_without_reader_takes_everything() {
        let (mut sender, receiver) = queue();
        sender.send(Bytes::from(vec![1; LIMIT_BYTES])).await;
        let waiting = tokio::spawn(async move {
            for _ in 0..100 {
                sender.send(Bytes::from(vec![1; LIMIT_BYTES])).await;
            }
        });
        tokio::task::yield_now().await;
        drop(receiver);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn a_sender_that_goes_away_breaks_the_stream_after_its_bytes() {
        let (mut sender, mut receiver) = queue();
        sender.send(Bytes::from_static(b"some")).await;
        drop(sender);
        let mut read = Vec::new();
        let error = receiver.read_to_end(&mut read).await.unwrap_err();
        assert_eq!((error.kind(), read.as_slice()), (io::ErrorKind::ConnectionAborted, &b"some"[..]));
    }
}
