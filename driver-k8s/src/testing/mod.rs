//! Servers for this crate's tests: a whole fake cluster, one that answers as a test says, and one that also speaks WebSocket.

pub(crate) mod cluster;
pub(crate) mod loopback;
pub(crate) mod scripted;
