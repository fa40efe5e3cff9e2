//! Streams of bytes between a caller and a system.

use std::{
    fmt, io,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::stream::BoxStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::Handle,
};

use crate::Result;

/// Bytes in pieces, such as those of an archive. It ends by itself only if it is whole; else its last item is an error.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// What is only used by who has it alone, and so can be shared by all: a session that can be waited for in any task.
struct Exclusive<T>(Mutex<T>);

impl<T> Exclusive<T> {
    fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Takes no lock.
    fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A duplex stream.
pub trait Duplex: AsyncRead + AsyncWrite {}

impl<T: AsyncRead + AsyncWrite + ?Sized> Duplex for T {}

/// The input of a command. Shutting it down, or dropping it, is the end of the command's input.
pub struct SessionInput(Option<Exclusive<Pin<Box<dyn AsyncWrite + Send>>>>);

/// Output of a command. When it is dropped, what still comes is read and thrown away, as long as the session lives.
pub struct SessionOutput(Option<Exclusive<Pin<Box<dyn AsyncRead + Send>>>>);

/// A connection to a port of a pod. Shutting it down ends what is sent; dropping it ends the connection.
pub struct PortStream(Exclusive<Pin<Box<dyn Duplex + Send>>>);

impl SessionInput {
    pub(super) fn new(stream: impl AsyncWrite + Send + 'static) -> Self {
        Self(Some(Exclusive::new(Box::pin(stream))))
    }

    fn open(&mut self) -> io::Result<&mut Pin<Box<dyn AsyncWrite + Send>>> {
        self.0.as_mut().map(Exclusive::get_mut).ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

impl SessionOutput {
    pub(crate) fn new(stream: impl AsyncRead + Send + 'static) -> Self {
        Self(Some(Exclusive::new(Box::pin(stream))))
    }
}

impl PortStream {
    /// A connection.
    #[must_use]
    pub fn new(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        Self(Exclusive::new(Box::pin(stream)))
    }
}

impl AsyncWrite for SessionInput {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.open()?.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().map_or(Poll::Ready(Ok(())), |stream| stream.get_mut().as_mut().poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(stream) = &mut self.0 {
            ready!(stream.get_mut().as_mut().poll_shutdown(cx))?;
            // A pipe has no other end than being closed.
            self.0 = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for SessionOutput {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Some(stream) => stream.get_mut().as_mut().poll_read(cx, buffer),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl Drop for SessionOutput {
    fn drop(&mut self) {
        // The task ends with the stream, which ends with the session.
        if let (Some(stream), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            let mut stream = stream.into_inner();
            runtime.spawn(async move { tokio::io::copy(&mut stream, &mut tokio::io::sink()).await });
        }
    }
}

impl AsyncRead for PortStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.get_mut().as_mut().poll_read(cx, buffer)
    }
}

impl AsyncWrite for PortStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.get_mut().as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.get_mut().as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.get_mut().as_mut().poll_shutdown(cx)
    }
}

impl fmt::Debug for SessionInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionInput")
    }
}

impl fmt::Debug for SessionOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionOutput")
    }
}

impl fmt::Debug for PortStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PortStream")
    }
}
