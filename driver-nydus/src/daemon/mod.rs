//! What only nydusd can tell and do.

mod handle;
mod metrics;

#[cfg(test)]
mod tests;

pub use handle::Daemon;
pub use metrics::{
    AccessedFile, BackendMetrics, BootstrapInfo, CacheMetrics, DaemonErrors, FileMetrics, FileOperation,
    ImageMetrics, InflightOperation, InodeRange, PerOperation,
};
