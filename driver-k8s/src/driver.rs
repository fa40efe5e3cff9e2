//! The driver: one user of one cluster.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{
    FutureExt,
    future::{BoxFuture, join},
};
use runtime_core::{
    Call, Capabilities, Container, Context, Driver, DriverInfo, Error, Exec, Health, ImageStore, Janitor,
    Leftover, Object, Pod, Result, admit, emulation::KnownHelpers,
};
use tokio_util::task::TaskTracker;
use url::Url;

use k8s_openapi::api::core::v1 as k8s;

use crate::{
    api::Api,
    cache::{Cache, Caches},
    capabilities::{self, Facts},
    client::Client,
    config::Config,
    id::PodKey,
    image,
    kubeconfig::Surroundings,
    permissions::{self, Permissions},
    server::Server,
};

/// The driver's name, which is also its URL scheme.
pub(crate) const NAME: &str = "k8s";

/// How long a server may take to say who it is.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// A Kubernetes cluster. Cheap to clone.
#[derive(Clone)]
pub struct K8sDriver(Arc<Inner>);

struct Inner {
    info: DriverInfo,
    capabilities: Capabilities,
    client: Client,
    server: Server,
    janitor: Janitor,
    tasks: TaskTracker,
    helpers: KnownHelpers,
    caches: Caches,
    permissions: Permissions,
}

/// Connects to a cluster, and learns which version it is and what it can do.
///
/// # Errors
/// `InvalidArgument` for a kubeconfig or context that isn't there, `Unavailable` when nobody is there, `Failed` for a server
/// that isn't trusted, `Unauthenticated` for credentials that are missing or no good. Each names the endpoint once it is known.
pub async fn connect(config: Config) -> Result<K8sDriver> {
    connect_in(config, Surroundings::of_process()).await
}

pub(crate) async fn connect_in(config: Config, surroundings: Surroundings) -> Result<K8sDriver> {
    let client = Client::new(config, surroundings).await.map_err(|error| error.with_driver(NAME))?;
    let info = DriverInfo::new(NAME, client.endpoint());
    let at_endpoint = |error: Error| error.with_driver(NAME).with_object(Object::endpoint(&info.endpoint));
    let cx = Context::background().with_timeout(CONNECT_TIMEOUT);
    let server = Server::of(&client, &cx).await.map_err(at_endpoint)?;
    // One that is closed can be waited for; it takes tasks all the same.
    let tasks = TaskTracker::new();
    tasks.close();
    // Who may not list them does without what depends on them.
    let nodes = image::nodes(&client, &cx).await.ok();
    let version = server.version.as_ref().filter(|version| !version.is_placeholder());
    let capabilities = capabilities::of(&Facts {
        version: version.map(|version| (version.major(), version.minor())),
        metrics: server.has_metrics,
        nodes: nodes.as_deref(),
        ..Facts::default()
    });
    Ok(K8sDriver(Arc::new(Inner {
        info,
        capabilities,
        client,
        server,
        janitor: Janitor::default(),
        tasks,
        caches: Caches::default(),
        permissions: Permissions::default(),
        helpers: KnownHelpers::default(),
    })))
}

/// Connects to the cluster at a `k8s:` URL; see [`Config`].
///
/// # Errors
/// Those of [`Config::from_url`] and [`connect`].
pub fn connect_url(url: Url) -> BoxFuture<'static, Result<Arc<dyn Driver>>> {
    Box::pin(async move {
        let driver = connect(Config::from_url(&url)?).await?;
        Ok(Arc::new(driver) as Arc<dyn Driver>)
    })
}

impl K8sDriver {
    /// The namespace of pods whose spec says none, and of lists and events.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.client().namespace()
    }

    /// Checks a call before any IO.
    pub(crate) fn admit(&self, cx: &Context, call: &Call<'_>) -> Result<()> {
        admit(NAME, &self.0.capabilities, cx, call)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.0.client
    }

    pub(crate) fn server(&self) -> &Server {
        &self.0.server
    }

    pub(crate) fn janitor(&self) -> &Janitor {
        &self.0.janitor
    }

    /// What is known of the helpers in containers.
    pub(crate) fn helpers(&self) -> &KnownHelpers {
        &self.0.helpers
    }

    /// The pods of a namespace whose name is a valid one, as the server has them.
    pub(crate) fn pods_in(&self, namespace: &str) -> Api<k8s::Pod> {
        Api::of(self.client(), namespace)
    }

    /// What is known of a namespace's pods.
    pub(crate) fn cache(&self, namespace: &str) -> Cache {
        self.0.caches.of(self.client(), namespace)
    }

    /// The server has said that this life of a pod is not there any more: lists and events take it at its word.
    pub(crate) fn gone(&self, pod: &PodKey) {
        self.0.caches.forget(pod);
    }

    pub(crate) fn permissions(&self) -> &Permissions {
        &self.0.permissions
    }

    /// Work that nobody waits for: what it takes to end sessions that were dropped.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }
}

#[async_trait]
impl Driver for K8sDriver {
    fn info(&self) -> &DriverInfo {
        &self.0.info
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    async fn ping(&self, cx: &Context) -> Result<Health> {
        self.admit(cx, &Call::Ping)?;
        let mut health = Server::of(self.client(), cx).await?.health();
        health.conditions.push(permissions::condition(self.client(), cx, self.client().namespace()).await?);
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
        self.admit(cx, &Call::Reap { leftovers })?;
        self.reap_all(cx, leftovers).await
    }

    async fn settle(&self, cx: &Context) -> Result<()> {
        self.admit(cx, &Call::Settle)?;
        let (settled, done) = join(self.janitor().settle(cx), cx.run(self.tasks().wait().map(Ok))).await;
        settled.and(done)
    }
}

impl fmt::Debug for K8sDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("K8sDriver").field("endpoint", &self.0.info.endpoint).finish_non_exhaustive()
    }
}
