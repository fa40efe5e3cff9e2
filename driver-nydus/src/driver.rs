//! The driver: one work directory with its daemons.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use futures::future::BoxFuture;
use runtime_core::{
    Call, Capabilities, Container, Context, Driver, DriverInfo, Error, Exec, Health, ImageStore, Janitor,
    Leftover, Operation, Pod, Result, admit,
};
use url::Url;

use crate::{capabilities, config::Config};

/// The driver's name, which is also its URL scheme.
pub(crate) const NAME: &str = "nydus";

/// nydusd daemons below one work directory. Cheap to clone.
#[derive(Clone)]
pub struct NydusDriver(Arc<Inner>);

struct Inner {
    info: DriverInfo,
    capabilities: Capabilities,
    janitor: Janitor,
}

/// Looks at a work directory, which is made if it isn't there, and takes up the daemons that run in it.
///
/// # Errors
/// `InvalidArgument` for a program that isn't there or can't be run, and for a work directory that is none.
pub async fn connect(config: Config) -> Result<NydusDriver> {
    let info = DriverInfo::new(NAME, config.work_dir.display().to_string());
    let capabilities = capabilities::of(&config);
    Ok(NydusDriver(Arc::new(Inner { info, capabilities, janitor: Janitor::default() })))
}

/// Connects to the work directory of a `nydus:` URL; see [`Config`].
///
/// # Errors
/// Those of [`Config::from_url`] and [`connect`].
pub fn connect_url(url: Url) -> BoxFuture<'static, Result<Arc<dyn Driver>>> {
    Box::pin(async move {
        let driver = connect(Config::from_url(&url)?).await?;
        Ok(Arc::new(driver) as Arc<dyn Driver>)
    })
}

impl NydusDriver {
    /// Who goes on when a caller has gone.
    pub(crate) fn janitor(&self) -> &Janitor {
        &self.0.janitor
    }

    /// Checks a call before any IO.
    pub(crate) fn admit(&self, cx: &Context, call: &Call<'_>) -> Result<()> {
        admit(NAME, &self.0.capabilities, cx, call)
    }
}

#[async_trait]
impl Driver for NydusDriver {
    fn info(&self) -> &DriverInfo {
        &self.0.info
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    async fn ping(&self, cx: &Context) -> Result<Health> {
        self.admit(cx, &Call::Ping)?;
        Err(Error::unsupported(Operation::Ping))
    }

    fn pods(&self) -> Option<&dyn Pod> {
        Some(self)
    }

    fn containers(&self) -> Option<&dyn Container> {
        None
    }

    fn exec(&self) -> Option<&dyn Exec> {
        None
    }

    fn images(&self) -> Option<&dyn ImageStore> {
        Some(self)
    }

    async fn reap(&self, cx: &Context, leftovers: &[Leftover]) -> Result<()> {
        self.admit(cx, &Call::Reap { leftovers })?;
        Err(Error::unsupported(Operation::Reap))
    }

    async fn settle(&self, cx: &Context) -> Result<()> {
        self.admit(cx, &Call::Settle)?;
        self.0.janitor.settle(cx).await
    }
}

impl fmt::Debug for NydusDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NydusDriver").field("work_dir", &self.0.info.endpoint).finish_non_exhaustive()
    }
}
