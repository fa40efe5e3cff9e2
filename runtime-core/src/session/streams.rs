//! Streams of bytes between a caller and a system.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
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

/// A duplex stream.
pub trait Duplex: AsyncRead + AsyncWrite {}

impl<T: AsyncRead + AsyncWrite + ?Sized> Duplex for T {}

/// The input of a command. Shutting it down, or dropping it, is the end of the command's input.
pub struct SessionInput(Pin<Box<dyn AsyncWrite + Send>>);

/// Output of a command. When it is dropped, what still comes is read and thrown away, as long as the session lives.
pub struct SessionOutput(Option<Pin<Box<dyn AsyncRead + Send>>>);

/// A connection to a port of a pod. Shutting it down ends what is sent; dropping it ends the connection.
pub struct PortStream(Pin<Box<dyn Duplex + Send>>);

impl SessionInput {
    pub(super) fn new(stream: impl AsyncWrite + Send + 'static) -> Self {
        Self(Box::pin(stream))
    }
}

impl SessionOutput {
    pub(crate) fn new(stream: impl AsyncRead + Send + 'static) -> Self {
        Self(Some(Box::pin(stream)))
    }
}

impl PortStream {
    /// A connection.
    #[must_use]
    pub fn new(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        Self(Box::pin(stream))
    }
}

impl AsyncWrite for SessionInput {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_shutdown(cx)
    }
}

impl AsyncRead for SessionOutput {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Some(stream) => stream.as_mut().poll_read(cx, buffer),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl Drop for SessionOutput {
    fn drop(&mut self) {
        // The task ends with the stream, which ends with the session.
        if let (Some(mut stream), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
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
        self.0.as_mut().poll_read(cx, buffer)
    }
}

impl AsyncWrite for PortStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_shutdown(cx)
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
