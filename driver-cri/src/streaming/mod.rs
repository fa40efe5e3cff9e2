//! Streams of commands, containers and ports, over the runtime's streaming server.
//!
//! CRI answers a request for a stream with a URL. What is spoken there is Kubernetes' channel protocol over WebSocket or
//! SPDY/3.1; see [`dialect`] for which, and why. The former is [`remotecommand`]'s. [`session`] makes sessions of it, [`port`]
//! connections to ports.

mod address;
mod dialect;
mod handshake;
mod port;
mod session;
mod spdy;
mod untold;

pub(crate) use dialect::Dialects;
pub(crate) use port::forward;
pub(crate) use session::{Wanted, attach, exec};
