//! A server's port on loopback, and one run of the server on it, which can be ended as a crash ends it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::accept::accept;
use crate::connection::Connection;

/// How many connections wait to be accepted.
const BACKLOG: u32 = 1024;

/// One run of a server. Dropping it severs the connections and stops listening.
pub(crate) struct Serving {
    task: JoinHandle<()>,
    /// The socket that listens. A process that the engine is about to start may have it, too, for a moment.
    listening: OwnedFd,
    _connections: DropGuard,
}

impl Serving {
    /// Serves each connection by a task of its own.
    pub(crate) fn start<F>(
        listener: TcpListener,
        server: &'static str,
        serve: impl Fn(Connection<TcpStream>) -> F + Send + Sync + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listening = listener.as_fd().try_clone_to_owned()?;
        let sever = CancellationToken::new();
        let connections = sever.clone().drop_guard();
        let task = tokio::spawn(async move {
            let serve = |stream: TcpStream| {
                // Streams are of small pieces. A socket that refuses this works all the same.
                let _ = stream.set_nodelay(true);
                serve(Connection::new(stream, sever.clone()))
            };
            accept(listener, server, serve).await;
        });
        Ok(Self { task, listening, _connections: connections })
    }

    /// Ends it, and waits until nobody listens any more.
    pub(crate) async fn end(mut self) {
        self.task.abort();
        // Aborted is what was asked for; the listener is closed once the task has ended.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Whoever else has it listens no more either; and it is not connected, so there is nothing else to fail.
        let _ = rustix::net::shutdown(&self.listening, rustix::net::Shutdown::Both);
        self.task.abort();
    }
}

/// Takes a port on loopback; 0 picks a free one. One that was in use a moment ago can be had again, and one that nobody
/// listens on shared.
pub(crate) fn bind(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    Ok(socket)
}

/// Listens at a port on loopback.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address.port())?.listen(BACKLOG)
}
