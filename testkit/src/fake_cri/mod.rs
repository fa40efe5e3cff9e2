//! A CRI v1 server over a unix socket, backed by the engine: answers as containerd 1.6.20 does.
//!
//! What that one refuses is refused with the same code and, as far as it is known, the same words: the table is
//! `containerd-1.6.md`, beside this file. What a real runtime honours and the engine can't (seccomp profiles of one's own,
//! UDP ports; without root also capabilities, mounts, sysctls, …) is refused with `Unimplemented`, naming the field, and
//! never dropped in silence; [`FakeCri`] lists what is accepted without effect, [`LACKS`] which capabilities that costs. The CRI messages are kept with the engine's pods and containers, so
//! a restarted server knows everything that the one before it made.

mod calls;
mod cgroup;
mod container;
mod events;
mod exec;
mod fake;
mod filter;
mod ids;
mod image;
mod lacks;
mod launch;
mod mounts;
mod names;
mod refusal;
mod runtime;
mod sandbox;
mod security;
mod server;
mod service;
mod space;
mod stats;
mod status;
mod streaming;
mod update;

pub use calls::Calls;
pub use lacks::LACKS;
pub(crate) use runtime::Runtime;
pub use server::{FakeCri, FakeCriOptions};
pub use streaming::StreamingOptions;

#[cfg(test)]
mod tests;
