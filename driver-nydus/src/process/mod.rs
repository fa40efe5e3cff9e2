//! Daemons as processes of this host.

pub(crate) mod arguments;
pub(crate) mod check;
pub(crate) mod exit;
pub(crate) mod fuse;
pub(crate) mod identity;
pub(crate) mod log;
pub(crate) mod ready;
pub(crate) mod sockets;
pub(crate) mod spawn;
pub(crate) mod stop;
