//! Setups: drivers with an environment.

use std::{any::Any, fmt, path::PathBuf, sync::Arc};

use futures::future::BoxFuture;
use runtime_core::{Capability, Driver, Result};

/// A driver with an environment to run the suite in.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations, reason = "it holds a function")]
pub struct Setup {
    /// The name on the command line.
    pub name: &'static str,
    /// Prepares the environment and connects; given the URL of the real system where there is one.
    pub connect: fn(Option<String>) -> BoxFuture<'static, Result<Connected>>,
}

/// Connects to the setup's system.
pub type Reconnect = Box<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Driver>>> + Send + Sync>;

/// Where a run keeps its files: the directory named by `WHARF_STATE_DIR`, whose owner removes it even if the run is killed,
/// else the system's temporary one.
#[must_use]
pub fn state_dir() -> PathBuf {
    std::env::var_os("WHARF_STATE_DIR").map_or_else(std::env::temp_dir, PathBuf::from)
}

/// A setup that is ready.
pub struct Connected {
    /// The bare driver.
    pub driver: Arc<dyn Driver>,
    /// Connects once more, as a new process with the same URL would.
    pub reconnect: Reconnect,
    /// Names what is still alive in the environment, where it can be known from outside the driver. Images don't count.
    pub alive: Option<Box<dyn Fn() -> Vec<String> + Send + Sync>>,
    /// What this environment can't show although the driver declares it, and why.
    pub lacks: Vec<(Capability, &'static str)>,
    /// What has to live as long as the run.
    pub guard: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connected").field("driver", &self.driver).finish_non_exhaustive()
    }
}
