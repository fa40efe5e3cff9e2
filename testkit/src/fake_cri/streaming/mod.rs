//! Exec, attach and port-forward: the calls hand out URLs, and an HTTP server on loopback carries the streams, over
//! WebSocket or SPDY, as containerd's does.

pub(super) mod attach;
mod calls;
pub(super) mod exec;
mod forward;
mod grants;
pub(super) mod ports;
mod server;

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;
use tonic::Status;

use self::grants::{Grant, Grants};
pub(super) use self::ports::Forwarding;
pub(super) use self::server::StreamServer;

/// Which protocols the streams can be had over. The default is what containerd 1.6 speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamingOptions {
    /// WebSocket's `v5.channel.k8s.io`, in which a client can end standard input alone, as containerd 2 speaks it.
    pub websocket_v5: bool,
    /// SPDY/3.1.
    pub spdy: bool,
}

impl Default for StreamingOptions {
    fn default() -> Self {
        Self { websocket_v5: false, spdy: true }
    }
}

/// What the calls and the stream server share.
#[derive(Debug)]
pub(super) struct Streaming {
    options: StreamingOptions,
    grants: Mutex<Grants>,
    /// Where the server listens now.
    address: Mutex<Option<SocketAddr>>,
    /// Ends the sessions. They outlive their connections and the server, as the processes of a real exec do.
    end: CancellationToken,
}

impl Streaming {
    pub(super) fn new(options: StreamingOptions, end: CancellationToken) -> Self {
        Self { options, grants: Mutex::default(), address: Mutex::default(), end }
    }

    /// A URL that can be used once.
    fn url(&self, grant: Grant) -> Result<String, Status> {
        let address = *self.address.lock().unwrap_or_else(PoisonError::into_inner);
        let address = address.ok_or_else(|| Status::unavailable("the stream server is down"))?;
        let kind = grant.kind();
        let token = self.grants.lock().unwrap_or_else(PoisonError::into_inner).insert(grant)?;
        Ok(format!("http://{address}/{kind}/{token}"))
    }

    fn consume(&self, token: &str) -> Option<Grant> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner).consume(token)
    }

    /// A new server: what was granted before is forgotten.
    fn serve_at(&self, address: SocketAddr) {
        *self.grants.lock().unwrap_or_else(PoisonError::into_inner) = Grants::default();
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }

    /// Runs a session to its end, or that of the fake.
    fn spawn(&self, session: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.end.clone().run_until_cancelled_owned(session));
    }
}
