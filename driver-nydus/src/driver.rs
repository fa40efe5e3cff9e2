//! The driver: one work directory with its daemons.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use futures::future::BoxFuture;
use runtime_core::{
    Call, Capabilities, Container, Context, Driver, DriverInfo, Error, Exec, Health, ImageStore, Janitor,
    Leftover, Object, ObjectKind, Pod, PodId, Result, admit,
};
use tokio::sync::OnceCell;
use url::Url;

use crate::{
    capabilities,
    config::Config,
    process::check::find_program,
    running::Daemons,
    state::{Store, blocking},
    version,
};

/// The driver's name, which is also its URL scheme.
pub(crate) const NAME: &str = "nydus";

/// nydusd daemons below one work directory. Cheap to clone.
#[derive(Clone)]
pub struct NydusDriver(Arc<Inner>);

struct Inner {
    info: DriverInfo,
    capabilities: Capabilities,
    config: Config,
    store: Store,
    daemons: Daemons,
    janitor: Janitor,
    version: OnceCell<String>,
}

/// Looks at a work directory, which is made if it isn't there, and takes up the daemons that run in it.
///
/// # Errors
/// `InvalidArgument` for a program that isn't there or can't be run, and for a work directory that is none.
pub async fn connect(config: Config) -> Result<NydusDriver> {
    let info = DriverInfo::new(NAME, config.work_dir.display().to_string());
    let at_endpoint = |error: Error| error.with_driver(NAME).with_object(Object::endpoint(&info.endpoint));
    let (program, work_dir) = (config.nydusd.clone(), config.work_dir.clone());
    let opened = blocking(move || {
        find_program(&program)?;
        Store::open(&work_dir)
    });
    let store = opened.await.map_err(at_endpoint)?;
    let capabilities = capabilities::of(&config);
    let driver = NydusDriver(Arc::new(Inner {
        info: info.clone(),
        capabilities,
        config,
        store,
        daemons: Daemons::default(),
        janitor: Janitor::default(),
        version: OnceCell::new(),
    }));
    driver.look_at_all().await.map_err(at_endpoint)?;
    Ok(driver)
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

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    /// The daemons that are watched.
    pub(crate) fn daemons(&self) -> &Daemons {
        &self.0.daemons
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
        let name = self.config().nydusd.clone();
        let program = blocking(move || find_program(&name)).await?;
        let version = self.0.version.get_or_try_init(|| version::of(cx, &program)).await?;
        Ok(Health::new("nydusd", version.clone()))
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
        let (mut failure, mut left) = (None, Vec::new());
        for leftover in leftovers {
            let done = match leftover.object.kind {
                ObjectKind::Pod => self.remove_pod(cx, &PodId::new(&leftover.object.id)).await,
                ObjectKind::Image => self.reap_mount(cx, leftover).await,
                kind => Err(Error::invalid("leftovers", format!("can't reap an object of kind {kind:?}"))),
            };
            if let Err(error) = done {
                left.push(leftover.clone());
                failure = Some(error);
            }
        }
        failure.map_or(Ok(()), |error: Error| Err(error.with_leftovers(left)))
    }

    async fn settle(&self, cx: &Context) -> Result<()> {
        self.admit(cx, &Call::Settle)?;
        self.janitor().settle(cx).await
    }
}

impl fmt::Debug for NydusDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NydusDriver").field("work_dir", &self.0.info.endpoint).finish_non_exhaustive()
    }
}
