//! Cutting a connection that nothing goes through.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// A stream that tells when bytes go through it.
pub(crate) struct Watched<T> {
    stream: T,
    activity: Arc<Notify>,
}

impl<T> Watched<T> {
    /// Cancels `cut` once nothing has gone through for `idle`. The watch ends with the stream.
    pub(crate) fn new(stream: T, idle: Duration, cut: CancellationToken) -> Self {
        let activity = Arc::new(Notify::new());
        let watched = Arc::downgrade(&activity);
        tokio::spawn(async move {
            while let Some(activity) = watched.upgrade() {
                let notified = activity.notified();
                if timeout(idle, notified).await.is_err() {
                    cut.cancel();
                    return;
                }
            }
        });
        Self { stream, activity }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.activity.notify_one();
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if written.is_ready() {
            self.activity.notify_one();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
