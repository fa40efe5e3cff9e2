//! Streams of commands, containers and ports: subresources of pods that are upgraded to a WebSocket, over which Kubernetes'
//! channel protocol is spoken ([`remotecommand`]).
//!
//! Version 5 of the protocol can end one channel, which the end of a command's input needs. Servers have it since 1.30. From
//! one that has version 4 alone, a session with input of its own is refused, as `Unsupported` and naming `stdin`: framing the
//! input instead would leave a process between it and the command, in every container. Sessions without input, with a terminal
//! (whose input ends by a character), and whatever a helper is told work with either.

mod path;
pub(crate) mod port;
mod session;
mod upgrade;

#[cfg(test)]
mod tests;

pub(crate) use path::log;
pub(crate) use session::{attach, exec};
