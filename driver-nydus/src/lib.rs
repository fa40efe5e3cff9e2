//! wharf driver for nydusd, the daemon of the Nydus lazy-loading image format.
//!
//! [`connect`] gives a [`NydusDriver`]; programs usually reach it through a `Client` and a `nydus://` URL instead. A *pod* is
//! one daemon with the directory that it shares; it has no containers. The *image store* mounts RAFS images on it. Options
//! that only this driver has are [`NydusPodOptions`] and [`NydusMountOptions`]; what else a daemon can tell and do is on
//! [`Daemon`].
//!
//! The source system is the nydusd part of Kata Containers' runtime.

mod api;
mod capabilities;
mod config;
mod daemon;
mod driver;
mod events;
mod image;
mod io_error;
mod lifecycle;
mod live;
mod look;
mod mount_request;
mod mounts;
mod options;
mod overlayfs;
mod pod;
mod process;
pub mod rafs;
mod running;
mod source;
mod state;
mod stats;
mod version;

pub use api::{DaemonInfo, DaemonMount, DaemonState, DaemonVersion};
pub use config::{Config, Mode};
pub use daemon::{
    AccessedFile, BackendMetrics, BootstrapInfo, CacheMetrics, Daemon, DaemonErrors, FileMetrics,
    FileOperation, ImageMetrics, InflightOperation, InodeRange, PerOperation,
};
pub use driver::{NydusDriver, connect, connect_url};
pub use options::{LogLevel, NydusMountOptions, NydusPodOptions, NydusPodStatus};
pub use overlayfs::{ExtraOption, RafsVersion};
