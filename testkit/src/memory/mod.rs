//! The in-memory reference driver, `memory://`: pods and containers as processes of this host, under an engine that
//! lives and dies with the driver.
//!
//! Every other driver is compared with this one, so it does what the traits say and nothing else. What it can do
//! depends on the engine's [`Isolation`](crate::engine::Isolation): as root containers have their own files, mounts,
//! devices and users, the usual Linux capabilities and hidden paths, and process trees of their own or shared in the pod;
//! otherwise what needs that is not declared, and so refused. The network is always the host's.
//!
//! Images come from registries on loopback. `wharf.local/host:latest` is always there: the host's own files, on which
//! nothing can be mounted, not even the pod's name resolution, and whose root can't be made read-only.

mod attach;
mod capabilities;
mod config;
mod container;
mod copy;
mod driver;
mod error;
mod events;
mod exec;
mod image;
mod logs;
mod parts;
mod pod;
mod session;
mod stats;
mod translate;

pub use config::{MemoryOptions, STATE_DIR_VARIABLE};
pub use driver::{MemoryDriver, connect_url};
