//! Setups: drivers with an environment.

use std::{
    any::Any,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use runtime_core::{Capability, Driver, Result, spec::ImageMountSpec};

use super::Case;
use crate::proxy::FaultProxy;

/// A driver with an environment to run the suite in.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations, reason = "it holds a function")]
pub struct Setup {
    /// The name on the command line.
    pub name: &'static str,
    /// Prepares the environment and connects.
    pub connect: fn(RealSystem) -> BoxFuture<'static, Result<Connected>>,
    /// Cases that only this setup can have, such as those about options of its driver.
    pub cases: &'static [&'static [Case]],
}

/// Where the real system is, for setups that have one.
#[derive(Debug, Clone, Default)]
pub struct RealSystem {
    /// Its URL.
    pub url: Option<String>,
    /// The socket of whoever owns it: takes lines of `kill`, `start` and `holdings`, and answers each with a line of JSON.
    pub control: Option<PathBuf>,
    /// Nothing will be run: only what the driver can do is asked, so nothing real has to be there.
    pub only_asked: bool,
}

/// Connects to the setup's system.
pub type Reconnect = Box<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Driver>>> + Send + Sync>;

/// Something that a setup can do, or why it can't.
pub type Able<T> = Result<T, &'static str>;

/// Connects to the setup's system, with more options in the URL. An empty value leaves out what the setup sets by itself.
pub type Connect = Box<dyn Fn(&[(&str, &str)]) -> BoxFuture<'static, Result<Arc<dyn Driver>>> + Send + Sync>;

/// Connects through a proxy of the caller's own.
pub type Proxied = Box<dyn Fn() -> BoxFuture<'static, Result<(Arc<dyn Driver>, FaultProxy)>> + Send + Sync>;

/// Makes an image to be mounted of the files in a directory. What it consists of is put into a second directory, which is
/// empty. The id in the answer is for the caller to choose.
pub type Mountable = Box<dyn Fn(&Path, &Path) -> BoxFuture<'static, Result<ImageMountSpec>> + Send + Sync>;

/// Lists what the system holds.
pub type Holdings = Box<dyn Fn() -> BoxFuture<'static, Result<Vec<Held>>> + Send + Sync>;

/// The runtime as a process that can be ended and started.
#[async_trait]
pub trait Runtime: Send + Sync {
    /// Kills it, as a crash would; pods and containers go on. Returns when it has ended.
    async fn kill(&self) -> Result<()>;

    /// Starts it again; returns when its socket is there. It may take a moment until it answers sensibly.
    async fn start(&self) -> Result<()>;
}

/// Something that the system holds, as seen from outside the driver.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
pub struct Held {
    /// What it is: `sandbox`, `container`, `task`, `snapshot`, `network namespace`, `address`, `process` …
    pub what: String,
    /// Its name or id.
    pub name: String,
    /// The id of the pod or container it belongs to, where that is known.
    pub owner: Option<String>,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.what, self.name)?;
        match &self.owner {
            Some(owner) if *owner != self.name => write!(f, " of {owner}"),
            _ => Ok(()),
        }
    }
}

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
    /// The namespace that pods are run in. It is there already where it has to be.
    pub namespace: String,
    /// The images of the suite carry the toolbox, since the driver can't mount it into containers.
    pub toolbox_in_images: bool,
    /// Connects once more, as a new process with the same URL would.
    pub reconnect: Reconnect,
    /// Connects once more, with more options in the URL.
    pub connect_with: Able<Connect>,
    /// Connects through a fault proxy.
    pub proxied: Able<Proxied>,
    /// The runtime behind the driver, to be killed and started.
    pub runtime: Able<Box<dyn Runtime>>,
    /// What is there in the environment, as far as it can be known from outside the driver. Images don't count.
    pub holdings: Able<Holdings>,
    /// Makes images that can be mounted without being pulled.
    pub mountable: Able<Mountable>,
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
