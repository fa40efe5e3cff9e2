//! Where the proxy listens and where it connects to: unix and TCP behind one stream type.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use rustix::net::{RecvFlags, recv, sockopt::set_socket_linger};
use tokio::io::{AsyncReadExt, AsyncWrite, Interest};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream, tcp, unix};

/// One end of the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix socket by its path.
    Unix(PathBuf),
    /// A TCP address. To listen, port 0 takes a free one; [`crate::proxy::FaultProxy::endpoint`] tells which.
    Tcp(SocketAddr),
}

impl Endpoint {
    /// A free port on loopback, to listen on.
    #[must_use]
    pub fn loopback() -> Self {
        Self::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Binds; gives the listener and the endpoint with its real port.
    pub(super) fn bind(&self) -> io::Result<(Listener, Self)> {
        match self {
            Self::Unix(path) => Ok((Listener::Unix(UnixListener::bind(path)?), self.clone())),
            Self::Tcp(address) => {
                let listener = std::net::TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                let bound = Self::Tcp(listener.local_addr()?);
                Ok((Listener::Tcp(TcpListener::from_std(listener)?), bound))
            }
        }
    }

    pub(super) async fn connect(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(path) => Ok(Stream::Unix(UnixStream::connect(path).await?)),
            Self::Tcp(address) => Stream::tcp(TcpStream::connect(address).await?),
        }
    }
}

#[derive(Debug)]
pub(super) enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(listener) => Ok(Stream::Unix(listener.accept().await?.0)),
            Self::Tcp(listener) => Stream::tcp(listener.accept().await?.0),
        }
    }
}

#[derive(Debug)]
pub(super) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    fn tcp(stream: TcpStream) -> io::Result<Self> {
        // A proxy that gathers small writes would be a fault of its own.
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    pub(super) fn split(&mut self) -> (Reader<'_>, Box<dyn AsyncWrite + Send + Unpin + '_>) {
        match self {
            Self::Unix(stream) => {
                let (reader, writer) = stream.split();
                (Reader::Unix(reader), Box::new(writer))
            }
            Self::Tcp(stream) => {
                let (reader, writer) = stream.split();
                (Reader::Tcp(reader), Box::new(writer))
            }
        }
    }

    /// Closes so that a TCP peer sees a reset and not an end of stream.
    pub(super) fn reset(self) {
        if let Self::Tcp(stream) = &self {
            // Failing means that the connection is gone already.
            let _ = set_socket_linger(stream, Some(Duration::ZERO));
        }
    }
}

#[derive(Debug)]
pub(super) enum Reader<'a> {
    Unix(unix::ReadHalf<'a>),
    Tcp(tcp::ReadHalf<'a>),
}

impl Reader<'_> {
    /// Reads up to the buffer's length; 0 is the end. Losing the race in a `select!` loses no bytes.
    pub(super) async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(reader) => reader.read(buffer).await,
            Self::Tcp(reader) => reader.read(buffer).await,
        }
    }

    /// Waits until there is something to read and leaves it there; false at the end of the stream.
    pub(super) async fn has_more(&self) -> io::Result<bool> {
        match self {
            Self::Unix(reader) => {
                let stream = reader.as_ref();
                stream.async_io(Interest::READABLE, || peek(stream)).await
            }
            Self::Tcp(reader) => {
                let stream = reader.as_ref();
                stream.async_io(Interest::READABLE, || peek(stream)).await
            }
        }
    }
}

fn peek(socket: impl AsFd) -> io::Result<bool> {
    let mut byte = [0];
    Ok(recv(socket, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT)?.0 > 0)
}
