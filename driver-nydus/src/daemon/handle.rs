//! The handle of a daemon.

use std::{collections::BTreeMap, time::Duration};

use runtime_core::{Context, Error, ErrorKind, PodId, Result, Secret};
use serde::Serialize;
use tokio::net::{UnixListener, UnixStream};

use super::{
    AccessedFile, BackendMetrics, BootstrapInfo, CacheMetrics, DaemonErrors, FileMetrics, ImageMetrics,
    InflightOperation, InodeRange,
};
use crate::{
    api::{DaemonInfo, Failure, Outcome, image_at, with_query},
    driver::NydusDriver,
    io_error::failed,
    live::Live,
    options::LogLevel,
};

/// How long a connection that was made may take to be noticed.
const NEWS_TIMEOUT: Duration = Duration::from_millis(500);

/// A daemon that runs: what only nydusd can tell and do, beyond the facets.
///
/// Errors are those of every call: `Unsupported` if this version of the daemon has no such call, `NotFound` if it counts
/// nothing under an id, `Unavailable` if it is gone. Images are named by the ids that they were mounted under.
#[derive(Debug, Clone)]
pub struct Daemon {
    pod: PodId,
    live: Live,
}

impl NydusDriver {
    /// The daemon of a pod.
    ///
    /// # Errors
    /// A missing pod is `NotFound`, one that doesn't run `InvalidState`.
    pub async fn daemon(&self, cx: &Context, pod: &PodId) -> Result<Daemon> {
        Ok(Daemon::new(pod.clone(), self.live(cx, pod).await?))
    }
}

impl Daemon {
    pub(crate) fn new(pod: PodId, live: Live) -> Self {
        Self { pod, live }
    }

    /// The pod that it is.
    #[must_use]
    pub fn pod(&self) -> &PodId {
        &self.pod
    }

    /// What it says about itself, and what is mounted on it.
    ///
    /// # Errors
    /// As said above.
    pub async fn info(&self, cx: &Context) -> Result<DaemonInfo> {
        Ok(self.live.client.info(cx).await?)
    }

    /// What happened to the files of an image.
    ///
    /// # Errors
    /// As said above.
    pub async fn image_metrics(&self, cx: &Context, image: &str) -> Result<ImageMetrics> {
        self.of_image(cx, "/api/v1/metrics", image).await
    }

    /// What happened to each file of an image, by inode. It is empty unless the mount's configuration has `iostats_files`.
    ///
    /// # Errors
    /// As said above.
    pub async fn file_metrics(&self, cx: &Context, image: &str) -> Result<BTreeMap<u64, FileMetrics>> {
        self.of_image(cx, "/api/v1/metrics/files", image).await
    }

    /// Which files of an image were read since this was asked last. Empty unless the mount's configuration has
    /// `latest_read_files`.
    ///
    /// # Errors
    /// As said above.
    pub async fn latest_files(&self, cx: &Context, image: &str) -> Result<Vec<InodeRange>> {
        let path = with_query("/api/v1/metrics/files", "id", &image_at(image));
        Ok(self.live.client.get(cx, &format!("{path}&latest=true")).await?)
    }

    /// Which files of an image were read, and when first. Empty unless the mount's configuration has `access_pattern`.
    ///
    /// # Errors
    /// As said above.
    pub async fn access_pattern(&self, cx: &Context, image: &str) -> Result<Vec<AccessedFile>> {
        self.of_image(cx, "/api/v1/metrics/pattern", image).await
    }

    /// What was asked of where the data is, for a blob by its id. `None` is the one that the daemon has, if it has one alone.
    ///
    /// # Errors
    /// As said above.
    pub async fn backend_metrics(&self, cx: &Context, blob: Option<&str>) -> Result<BackendMetrics> {
        self.counted(cx, "/api/v1/metrics/backend", blob).await
    }

    /// What the cache of an image did, by the id in the mount's configuration, which is the image's unless said there. `None` is
    /// the one that the daemon has, if it has one alone.
    ///
    /// # Errors
    /// As said above.
    pub async fn cache_metrics(&self, cx: &Context, id: Option<&str>) -> Result<CacheMetrics> {
        self.counted(cx, "/api/v1/metrics/blobcache", id).await
    }

    /// What it is doing for somebody who waits.
    ///
    /// # Errors
    /// As said above.
    pub async fn inflight(&self, cx: &Context) -> Result<Vec<InflightOperation>> {
        Ok(self.live.client.find(cx, "/api/v1/metrics/inflight").await?.unwrap_or_default())
    }

    /// The errors that it met, the latest of them.
    ///
    /// # Errors
    /// As said above.
    pub async fn errors(&self, cx: &Context) -> Result<DaemonErrors> {
        Ok(self.live.client.get(cx, "/api/v1/daemon/events").await?)
    }

    /// What the bootstrap of a mounted image says.
    ///
    /// # Errors
    /// As said above; not mounted is `NotFound`.
    pub async fn bootstrap(&self, cx: &Context, image: &str) -> Result<BootstrapInfo> {
        let mountpoint = image_at(image);
        let path = with_query("/api/v1/daemon/backend", "mountpoint", &mountpoint);
        let answer: Result<_, Failure> = self.live.client.get(cx, &path).await;
        match answer {
            // Not mounted has no code of its own.
            Err(failure)
                if failure.outcome == Outcome::Refused && failure.error.kind() == ErrorKind::Failed =>
            {
                match self.live.client.info(cx).await {
                    Ok(info) if !info.mounts.contains_key(&mountpoint) => {
                        Err(Error::new(ErrorKind::NotFound, format!("no image is mounted as {image}")))
                    }
                    _ => Err(failure.error),
                }
            }
            answer => Ok(answer?),
        }
    }

    /// Sets how much it logs from now on.
    ///
    /// # Errors
    /// As said above.
    pub async fn set_log_level(&self, cx: &Context, level: LogLevel) -> Result<()> {
        #[derive(Serialize)]
        struct Configuration {
            log_level: &'static str,
        }
        self.live.client.set(cx, "/api/v1/daemon", &Configuration { log_level: level.name() }).await
    }

    /// Changes the configuration of a mounted image.
    ///
    /// # Errors
    /// As said above: nydusd 2.2 has no such call, which is `Unsupported`.
    pub async fn update_config(
        &self,
        cx: &Context,
        image: &str,
        values: &BTreeMap<String, Secret>,
    ) -> Result<()> {
        let path = with_query("/api/v1/config", "id", &image_at(image));
        self.live.client.set(cx, &path, values).await
    }

    /// Gives a mounted image other credentials for its registry: user and password as HTTP's basic authentication has them.
    ///
    /// # Errors
    /// Those of [`update_config`](Self::update_config).
    pub async fn set_registry_auth(&self, cx: &Context, image: &str, auth: &Secret) -> Result<()> {
        let values = BTreeMap::from([("registry_auth".to_owned(), auth.clone())]);
        self.update_config(cx, image, &values).await
    }

    /// Has the daemon send its state and its open files to its supervisor, so that another can take over, and gives the
    /// connection on which they come. `supervisor` listens on the socket that the pod's options named.
    ///
    /// # Errors
    /// As said above. A daemon that was built without this, which nydusd 2.2 is, says that it sent everything and sends
    /// nothing: that is `Unsupported`.
    pub async fn send_state(&self, cx: &Context, supervisor: &UnixListener) -> Result<UnixStream> {
        let accepted = async {
            let accepted = supervisor.accept().await;
            accepted.map(|(stream, _)| stream).map_err(|error| failed("accept what the daemon sends", error))
        };
        tokio::pin!(accepted);
        let asked = self.live.client.put(cx, "/api/v1/daemon/fuse/sendfd");
        tokio::pin!(asked);
        tokio::select! {
            biased;
            stream = &mut accepted => {
                let stream = stream?;
                asked.await?;
                return Ok(stream);
            }
            answer = &mut asked => answer?,
        }
        // It connects before it answers, so this waits for nothing but the news of it.
        match cx.run(async { Ok(tokio::time::timeout(NEWS_TIMEOUT, accepted).await) }).await? {
            Ok(stream) => stream,
            Err(_) => Err(Error::new(
                ErrorKind::Unsupported,
                "the daemon says that it sent its state, and sent none",
            )),
        }
    }

    async fn of_image<T: serde::de::DeserializeOwned>(
        &self,
        cx: &Context,
        path: &str,
        image: &str,
    ) -> Result<T> {
        self.counted(cx, path, Some(&image_at(image))).await
    }

    async fn counted<T: serde::de::DeserializeOwned>(
        &self,
        cx: &Context,
        path: &str,
        id: Option<&str>,
    ) -> Result<T> {
        let path = id.map_or_else(|| path.to_owned(), |id| with_query(path, "id", id));
        Ok(self.live.client.get(cx, &path).await?)
    }
}
