//! What servers of exec, attach and port-forward speak with their clients: channels over WebSocket, streams over SPDY/3.1.
//!
//! Fake CRI and fake Kubernetes share it. What the streams are connected to is theirs.

pub(crate) mod client;
#[cfg(test)]
pub(crate) mod dial;
pub(crate) mod idle;
pub(crate) mod outcome;
pub(crate) mod refusal;
pub(crate) mod resize;
pub(crate) mod spdy;
pub(crate) mod websocket;
