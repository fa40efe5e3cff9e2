//! The driver: one connection to one runtime.

use std::{
    fmt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::{
    FutureExt,
    future::{BoxFuture, join},
};
use k8s_cri::v1 as cri;
use runtime_core::helpers::docker_config::DockerConfigFile;
use runtime_core::{
    Call, Capabilities, Container, Context, Driver, DriverInfo, Error, ErrorKind, Exec, Health, ImageStore,
    Janitor, Leftover, Object, Pod, Result, admit, compose, emulation::KnownHelpers,
};
use tokio_util::task::TaskTracker;
use tonic::Code;
use url::Url;

use crate::{
    capabilities,
    client::Client,
    config::{Config, Endpoint},
    content::ContentStore,
    error::Refusal,
    host_process::Claims,
    process,
    pull::{self, Pulls},
    streaming::Dialects,
    translate::status,
};

/// The driver's name, which is also its URL scheme.
pub(crate) const NAME: &str = "cri";

/// How long a runtime may take to say who it is.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A CRI v1 runtime. Cheap to clone.
#[derive(Clone)]
pub struct CriDriver(Arc<Inner>);

struct Inner {
    info: DriverInfo,
    capabilities: Capabilities,
    config: Config,
    client: Client,
    janitor: Janitor,
    dialects: Dialects,
    claims: Arc<Claims>,
    tasks: TaskTracker,
    pulls: Pulls,
    docker_config: Option<DockerConfigFile>,
    /// The runtime has said that it has no events of its own.
    has_no_events: AtomicBool,
    helpers: KnownHelpers,
    content: Option<Arc<ContentStore>>,
}

/// Connects to a runtime, and learns who it is and what it can do.
///
/// # Errors
/// `Unavailable` when nobody is there, `PermissionDenied`, `InvalidArgument` for a path that is no socket, `Protocol` for
/// somebody who doesn't speak gRPC, `Unsupported` for a gRPC server without CRI v1, `InvalidArgument` for a toolbox that
/// isn't there. Each names the endpoint.
pub async fn connect(config: Config) -> Result<CriDriver> {
    let info = DriverInfo::new(NAME, config.endpoint.to_string());
    let at_endpoint = |error: Error| error.with_driver(NAME).with_object(Object::endpoint(&info.endpoint));
    if let Some(path) = &config.toolbox
        && !tokio::fs::metadata(path).await.is_ok_and(|found| found.is_file())
    {
        let message = format!("there is no toolbox at {}", path.display());
        return Err(at_endpoint(Error::invalid("toolbox", message)));
    }
    let cx = Context::background().with_timeout(CONNECT_TIMEOUT);
    let client = cx.run(Client::connect(&config.endpoint)).await.map_err(at_endpoint)?;
    let (_, status) = fingerprint(&client, &cx).await.map_err(at_endpoint)?;
    let processes = match &config.endpoint {
        Endpoint::Unix(socket) => process::are_shared_with(socket).await,
        Endpoint::Tcp(_) => false,
    };
    let docker_config = pull::docker_config(&config).await.map_err(at_endpoint)?;
    let mut capabilities = capabilities::of(&config, &status, processes);
    let content = if processes { content_store(&client, &cx).await } else { None };
    if content.is_some() {
        capabilities = capabilities.emulated(capabilities::WITH_CONTENT_STORE.iter().copied());
    }
    let janitor = Janitor::default();
    // One that is closed can be waited for; it takes tasks all the same.
    let tasks = TaskTracker::new();
    tasks.close();
    Ok(CriDriver(Arc::new(Inner {
        info,
        capabilities,
        config,
        client,
        janitor,
        dialects: Dialects::default(),
        claims: Arc::default(),
        tasks,
        pulls: Pulls::default(),
        docker_config,
        has_no_events: AtomicBool::new(false),
        helpers: KnownHelpers::default(),
        content,
    })))
}

/// Connects to the runtime at a `cri:` URL; see [`Config`].
///
/// # Errors
/// Those of [`Config::from_url`] and [`connect`].
pub fn connect_url(url: Url) -> BoxFuture<'static, Result<Arc<dyn Driver>>> {
    Box::pin(async move {
        let driver = connect(Config::from_url(&url)?).await?;
        Ok(Arc::new(driver) as Arc<dyn Driver>)
    })
}

/// Who the runtime is and how.
async fn fingerprint(client: &Client, cx: &Context) -> Result<(cri::VersionResponse, cri::StatusResponse)> {
    let version = client.version(cx, cri::VersionRequest { version: String::new() });
    let version = version.await.map_err(|refusal| match refusal.code {
        Some(Code::Unimplemented) => {
            Error::new(ErrorKind::Unsupported, "the endpoint speaks gRPC, but not CRI v1")
        }
        _ => not_ready_or(refusal),
    })?;
    let status = client.status(cx, cri::StatusRequest { verbose: false });
    Ok((version, status.await.map_err(not_ready_or)?))
}

/// Why a runtime doesn't say who and how it is. These questions have no input that could be wrong: one that refuses them
/// without a reason is not there yet. containerd 1.6 refuses everything so for some milliseconds after its start.
fn not_ready_or(refusal: Refusal) -> Error {
    if refusal.code == Some(Code::Unknown) {
        return refusal.with_kind(ErrorKind::Unavailable).transient();
    }
    refusal.into()
}

/// Where the runtime keeps what it pulls, if that can be seen from here.
async fn content_store(client: &Client, cx: &Context) -> Option<Arc<ContentStore>> {
    let told = client.image_fs_info(cx, cri::ImageFsInfoRequest {}).await.ok()?;
    let place = told.image_filesystems.into_iter().find_map(|filesystem| filesystem.fs_id)?;
    ContentStore::beside(Path::new(&place.mountpoint)).await
}

impl CriDriver {
    /// Checks a call before any IO.
    pub(crate) fn admit(&self, cx: &Context, call: &Call<'_>) -> Result<()> {
        admit(NAME, &self.0.capabilities, cx, call)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.0.client
    }

    pub(crate) fn janitor(&self) -> &Janitor {
        &self.0.janitor
    }

    /// Where the runtime is.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.0.config.endpoint
    }

    /// What its streaming server speaks.
    pub(crate) fn dialects(&self) -> &Dialects {
        &self.0.dialects
    }

    /// What of ours containers have.
    pub(crate) fn helpers(&self) -> &KnownHelpers {
        &self.0.helpers
    }

    /// The toolbox on this host, for containers to come.
    pub(crate) fn toolbox(&self) -> Option<&Path> {
        self.0.config.toolbox.as_deref()
    }

    /// The processes of its sessions.
    pub(crate) fn claims(&self) -> &Arc<Claims> {
        &self.0.claims
    }

    /// Work that nobody waits for: what it takes to end sessions that were dropped.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    /// The pulls on their way.
    pub(crate) fn pulls(&self) -> &Pulls {
        &self.0.pulls
    }

    /// Where what is pulled can be seen to arrive.
    pub(crate) fn content(&self) -> Option<&Arc<ContentStore>> {
        self.0.content.as_ref()
    }

    /// Credentials of registries for who brings none.
    pub(crate) fn docker_config(&self) -> Option<&DockerConfigFile> {
        self.0.docker_config.as_ref()
    }

    pub(crate) fn has_no_events(&self) -> bool {
        self.0.has_no_events.load(Ordering::Relaxed)
    }

    pub(crate) fn learn_that_it_has_no_events(&self) {
        self.0.has_no_events.store(true, Ordering::Relaxed);
    }

    /// The directory below which pods have their logs.
    pub(crate) fn log_root(&self) -> Option<&Path> {
        self.0.config.log_root.as_deref()
    }

    /// A container's status if this very id exists. Runtimes take the beginning of an id for the id.
    pub(crate) async fn find_container_status(
        &self,
        cx: &Context,
        id: &str,
        verbose: bool,
    ) -> Result<Option<(cri::ContainerStatus, Info)>, Refusal> {
        let request = cri::ContainerStatusRequest { container_id: id.to_owned(), verbose };
        match self.client().container_status(cx, request).await {
            Ok(response) => {
                let info = Info(response.info);
                Ok(response.status.filter(|status| status.id == id).map(|status| (status, info)))
            }
            Err(refusal) if says_missing(&refusal, id) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// A pod's status if this very id exists.
    pub(crate) async fn find_pod_status(
        &self,
        cx: &Context,
        id: &str,
        verbose: bool,
    ) -> Result<Option<(cri::PodSandboxStatus, Info)>, Refusal> {
        let request = cri::PodSandboxStatusRequest { pod_sandbox_id: id.to_owned(), verbose };
        match self.client().pod_sandbox_status(cx, request).await {
            Ok(response) => {
                let info = Info(response.info);
                Ok(response.status.filter(|status| status.id == id).map(|status| (status, info)))
            }
            Err(refusal) if says_missing(&refusal, id) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Whether a container of this very id exists. Asks only where the id could be the beginning of another.
    pub(crate) async fn may_be_container(&self, cx: &Context, id: &str) -> Result<bool> {
        Ok(is_whole_id(id) || self.find_container_status(cx, id, false).await?.is_some())
    }

    /// Whether a pod of this very id exists. Asks only where the id could be the beginning of another.
    pub(crate) async fn may_be_pod(&self, cx: &Context, id: &str) -> Result<bool> {
        Ok(is_whole_id(id) || self.find_pod_status(cx, id, false).await?.is_some())
    }
}

/// What a runtime says more of an object when it is asked to be verbose. It is no part of CRI, and may hold secrets.
pub(crate) struct Info(std::collections::HashMap<String, String>);

impl Info {
    /// The JSON document that containerd and CRI-O put there.
    pub(crate) fn document(&self) -> Option<serde_json::Value> {
        serde_json::from_str(self.0.get("info")?).ok()
    }

    /// The values of a container's environment.
    pub(crate) fn env_values(&self) -> Vec<String> {
        let document = self.document().unwrap_or_default();
        let variables =
            document.pointer("/config/envs").and_then(|envs| envs.as_array()).cloned().unwrap_or_default();
        variables.iter().filter_map(|variable| Some(variable.get("value")?.as_str()?.to_owned())).collect()
    }
}

/// Whether a refusal means that there is nothing of this id. Where the id is the beginning of several, containerd doesn't
/// say NotFound.
fn says_missing(refusal: &Refusal, id: &str) -> bool {
    refusal.is_not_found() || (refusal.code == Some(Code::Unknown) && !is_whole_id(id))
}

/// Ids of runtimes have 64 hex digits; no other id begins with such a one.
fn is_whole_id(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[async_trait]
impl Driver for CriDriver {
    fn info(&self) -> &DriverInfo {
        &self.0.info
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    async fn ping(&self, cx: &Context) -> Result<Health> {
        self.admit(cx, &Call::Ping)?;
        let (version, status) = fingerprint(self.client(), cx).await?;
        Ok(status::health(version, status))
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
        compose::reap(self, cx, leftovers).await
    }

    async fn settle(&self, cx: &Context) -> Result<()> {
        self.admit(cx, &Call::Settle)?;
        let (settled, done) = join(self.janitor().settle(cx), cx.run(self.tasks().wait().map(Ok))).await;
        settled.and(done)
    }
}

impl fmt::Debug for CriDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CriDriver").field("endpoint", &self.0.info.endpoint).finish_non_exhaustive()
    }
}
