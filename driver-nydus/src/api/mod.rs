//! The API of a daemon: HTTP over its unix socket.

mod client;
mod connection;
mod error;
mod mountpoint;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use client::Client;
pub(crate) use error::{Failure, Outcome};
pub(crate) use mountpoint::{id_of, image_at, with_query};
pub use wire::{DaemonInfo, DaemonMount, DaemonState, DaemonVersion};
pub(crate) use wire::{FsType, MountRequest};
