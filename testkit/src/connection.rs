//! A connection that the server can sever at any time, as a crash does: no goodbye, calls under way are lost.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

type Severed = Pin<Box<WaitForCancellationFutureOwned>>;

pub(crate) struct Connection<T> {
    stream: T,
    /// One for each direction: they may be polled by different tasks, and each is to be woken.
    read_severed: Severed,
    write_severed: Severed,
}

impl<T> Connection<T> {
    pub(crate) fn new(stream: T, sever: CancellationToken) -> Self {
        let severed = || Box::pin(sever.clone().cancelled_owned());
        Self { stream, read_severed: severed(), write_severed: severed() }
    }
}

fn check(severed: &mut Severed, context: &mut Context<'_>) -> io::Result<()> {
    match severed.as_mut().poll(context) {
        Poll::Ready(()) => Err(io::ErrorKind::ConnectionReset.into()),
        Poll::Pending => Ok(()),
    }
}

impl Connected for Connection<UnixStream> {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

impl<T: AsyncRead + Unpin> AsyncRead for Connection<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        check(&mut self.read_severed, context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Connection<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        check(&mut self.write_severed, context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
