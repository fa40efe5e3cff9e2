//! Connections to what listens in a pod.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use tokio::net::{TcpSocket, TcpStream};

use super::process::lock;
use super::space::Shares;
use super::spawn::on_thread;
use super::{Engine, EngineError, Object};

impl Engine {
    /// Connects to a TCP port of a pod's own localhost: IPv4, else IPv6. Fault name `connect_pod`.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::InvalidState`] for a stopped pod; [`EngineError::Unreachable`] when nothing
    /// listens there.
    pub async fn connect(&self, pod: &str, port: u16) -> Result<TcpStream, EngineError> {
        let shared = self.shared();
        shared
            .faults
            .around("connect_pod", async {
                shared.check_open()?;
                if !self.pod(pod)?.is_ready() {
                    return Err(EngineError::InvalidState {
                        object: Object::Pod,
                        id: pod.to_owned(),
                        state: "stopped",
                    });
                }
                let shares = lock(&shared.spaces).get(pod).map(|space| space.shares.clone());
                let shares = shares.unwrap_or_default();
                let ipv4 = match connect(&shares, (Ipv4Addr::LOCALHOST, port).into()).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => error,
                };
                let ipv6 = match connect(&shares, (Ipv6Addr::LOCALHOST, port).into()).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => error,
                };
                Err(EngineError::Unreachable { port, ipv4: Arc::new(ipv4), ipv6: Arc::new(ipv6) })
            })
            .await
    }
}

async fn connect(shares: &Shares, address: SocketAddr) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let make = move || {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        socket_with(family, SocketType::STREAM, flags, None).map_err(io::Error::from)
    };
    // A socket belongs to the network in which it is made, wherever it is used.
    let socket = if shares.net.is_some() {
        let shares = shares.clone();
        on_thread("connect", move || {
            shares.enter()?;
            Ok(make())
        })
        .await
        .map_err(io::Error::other)??
    } else {
        make()?
    };
    TcpSocket::from_std_stream(socket.into()).connect(address).await
}
