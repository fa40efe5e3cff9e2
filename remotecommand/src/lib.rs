//! Kubernetes' channel protocol (`remotecommand`) over WebSocket, as API servers, kubelets and CRI runtimes speak it: what
//! drivers need to hold a session with a command, a container or a port behind it.
//!
//! - [`start`] makes the streams of a session out of a WebSocket, and [`RawSession`] a session for callers out of these.
//! - [`Remote`] steers a running session: sizes, signals, its end. Systems let a command go on when its connection is gone;
//!   [`Kill`] is the other way to its process by which a session that is dropped ends it.
//! - [`port::open`] makes a connection to a port out of a WebSocket.
//!
//! How the WebSocket comes about, with which credentials, and what a refusal means, is the driver's. Nothing is buffered
//! without bound: while a stream is full nobody reads the socket, so that the other side is held back.

mod attached;
pub mod channels;
mod input;
pub mod keep_alive;
mod kill;
mod link;
mod messages;
pub mod port;
mod queue;
mod raw;
mod remote;
mod session;
mod terminal_input;
mod unread;

pub use attached::Attached;
pub use channels::Channels;
pub use kill::{ByHelper, Kill};
pub use link::{Ended, Input, Link, Output, Parts};
pub use messages::{Socket, config};
pub use queue::broken;
pub use raw::RawSession;
pub use remote::Remote;
pub use session::start;

/// Version 5 of the protocol: it can end one channel, which the end of a command's input needs.
pub const VERSION_5: &str = "v5.channel.k8s.io";

/// Version 4: how a command ended is told as data. No channel can end alone.
pub const VERSION_4: &str = "v4.channel.k8s.io";
