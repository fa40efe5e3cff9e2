//! Streams of commands, containers and ports, over the runtime's streaming server.
//!
//! CRI answers a request for a stream with a URL. What is spoken there is Kubernetes' channel protocol over WebSocket or
//! SPDY/3.1; see [`dialect`] for which, and why. [`session`] makes sessions of it, [`port`] connections to ports.

mod address;
mod channels;
mod dialect;
mod handshake;
mod input;
mod keep_alive;
mod messages;
mod port;
mod queue;
mod remote;
mod session;
mod spdy;
mod terminal_input;
mod untold;
mod websocket;

pub(crate) use dialect::Dialects;
pub(crate) use port::forward;
pub(crate) use remote::Kill;
pub(crate) use session::{Wanted, attach, exec};
