//! The driver itself.

use std::{
    collections::BTreeSet,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use runtime_core::{
    Call, Capabilities, Condition, Container, Context, Driver, DriverInfo, Exec, Health, ImageStore, Janitor,
    Leftover, Pod, Result, admit, compose,
};
use url::Url;

use super::{MemoryOptions, STATE_DIR_VARIABLE, capabilities, error::convert};
use crate::engine::{Engine, EngineError, Phase};

/// The name of the driver, its URL scheme and its feature.
pub(super) const NAME: &str = "memory";

/// The in-memory driver. Cheap to clone; with the last clone everything that it runs is killed and removed.
#[derive(Clone)]
pub struct MemoryDriver(Arc<Inner>);

struct Inner {
    engine: Engine,
    info: DriverInfo,
    capabilities: Capabilities,
    janitor: Janitor,
    /// Containers that somebody is removing: how they end is not their own doing.
    removing: Mutex<BTreeSet<String>>,
}

/// Connects to `memory://`: starts a new engine. `?state=DIR` says where its state lives.
///
/// The future fails with `InvalidArgument` for a wrong URL, and as [`MemoryDriver::start`] does.
#[must_use]
pub fn connect_url(url: Url) -> BoxFuture<'static, Result<Arc<dyn Driver>>> {
    Box::pin(async move {
        let options = MemoryOptions::from_url(&url)?;
        Ok(Arc::new(MemoryDriver::start(options).await?) as Arc<dyn Driver>)
    })
}

impl MemoryDriver {
    /// Starts a driver with an engine of its own.
    ///
    /// # Errors
    /// `Unexpected` when the state directory can't be made or is not empty, or a forced isolation does not work here.
    pub async fn start(options: MemoryOptions) -> Result<Self> {
        let below = std::env::var_os(STATE_DIR_VARIABLE).map(PathBuf::from);
        let engine = Engine::start(options.engine_options(below)).await.map_err(convert)?;
        Ok(Self::over(engine))
    }

    /// A driver over an engine that is there: several drivers over one see the same pods.
    #[must_use]
    pub fn over(engine: Engine) -> Self {
        let capabilities = capabilities::of(engine.isolation());
        let info = DriverInfo::new(NAME, "memory://");
        let (janitor, removing) = (Janitor::default(), Mutex::default());
        Self(Arc::new(Inner { engine, info, capabilities, janitor, removing }))
    }

    /// The engine below, for faults and for its ledger of what is alive.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(super) fn janitor(&self) -> &Janitor {
        &self.0.janitor
    }

    /// The containers that somebody is removing.
    pub(super) fn removing(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.removing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses what is wrong or can't be done. First thing in every call.
    pub(super) fn admit(&self, cx: &Context, call: &Call<'_>) -> Result<()> {
        admit(NAME, &self.0.capabilities, cx, call)
    }

    /// Waits for the engine, but no longer than the context lets.
    pub(super) async fn call<T>(
        &self,
        cx: &Context,
        future: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T> {
        cx.run(async { future.await.map_err(convert) }).await
    }
}

#[async_trait]
impl Driver for MemoryDriver {
    fn info(&self) -> &DriverInfo {
        &self.0.info
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    async fn ping(&self, cx: &Context) -> Result<Health> {
        let engine = self.engine();
        self.call(cx, async {
            engine.faults().meet("ping", Phase::Before).await?;
            engine.shared().check_open()
        })
        .await?;
        let mut health = Health::new("wharf-engine", env!("CARGO_PKG_VERSION"));
        health.conditions.push(Condition::new("EngineReady", true));
        Ok(health)
    }

    fn pods(&self) -> Option<&dyn Pod> {
        Some(self)
    }

    fn containers(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn exec(&self) -> Option<&dyn Exec> {
        Some(self)
    }

    fn images(&self) -> Option<&dyn ImageStore> {
        Some(self)
    }

    async fn reap(&self, cx: &Context, leftovers: &[Leftover]) -> Result<()> {
        compose::reap(self, cx, leftovers).await
    }

    async fn settle(&self, cx: &Context) -> Result<()> {
        self.janitor().settle(cx).await
    }
}

impl fmt::Debug for MemoryDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryDriver").field("state_dir", &self.engine().state_dir()).finish_non_exhaustive()
    }
}
