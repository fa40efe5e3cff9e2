//! wharf driver for CRI v1 runtimes: containerd, CRI-O and others, over gRPC on a unix socket or a TCP port.
//!
//! [`connect`] gives a [`CriDriver`]; programs usually reach it through a `Client` and a `cri://` URL instead. Options of
//! a pod that only CRI has are [`CriPodOptions`].
//!
//! CRI lacks what wharf promises in some places, and the driver makes up for it:
//! - *Pods with containers*: made one by one, undone as a whole.
//! - *Waiting*: on the container's process itself where it can be seen from here, else by asking every 0.5 s at most.
//! - *Logs*: read from the files that runtimes write, so driver and runtime must share the log directory. Following rides
//!   on inotify. See [`runtime_core::log_file`] for rotation and long lines.
//! - *Grace periods* are whole seconds in CRI, and are rounded up.
//! - *Pulls*: callers who want the same image with the same credentials share one. Why one failed is told by the runtime's
//!   words where it has no code for it, which is the only place where words are looked at.
//! - *Signals*: CRI reports a process that was killed by signal N as one that ended with 128 + N.

mod capabilities;
mod client;
mod config;
mod container;
mod driver;
mod error;
mod exec;
mod host_process;
mod image;
mod log_directory;
mod logs;
mod lost;
mod options;
mod parts;
mod persist;
mod pod;
mod process;
mod pull;
mod stop;
mod streaming;
pub mod translate;
mod wait;

pub use config::{Config, Endpoint};
pub use driver::{CriDriver, connect, connect_url};
pub use options::CriPodOptions;
