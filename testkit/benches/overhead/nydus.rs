//! Daemons of nydusd: how soon one is there, what a call to it costs, and many at once.

use std::path::{Path, PathBuf};

use futures::future::join_all;
use tempfile::TempDir;
use tokio::process::Command;
use wharf::{
    Client, PodFilter, PodId, PodPhase,
    nydus::{
        NydusMountOptions,
        rafs::{BlobCache, LocalFs, RafsConfig},
    },
    spec::{ImageMountSpec, PodSpec},
};

use crate::{
    Result,
    measure::{in_turns, timed},
    memory_use::resident_bytes,
    raw_nydus::RawDaemon,
    table::{Goal, Row},
};

/// The most that a daemon may take until it is there, against asking it every half millisecond.
const MAX_START: f64 = 1.5;

/// The most that a mount with its unmount may take, against the raw requests.
const MAX_MOUNT: f64 = 1.05;

/// The programs.
#[derive(Debug)]
pub(crate) struct Programs {
    nydusd: PathBuf,
    nydus_image: PathBuf,
}

impl Programs {
    /// Those in `PATH`, if both are there.
    pub(crate) fn find() -> Option<Self> {
        Some(Self { nydusd: in_path("nydusd")?, nydus_image: in_path("nydus-image")? })
    }
}

fn in_path(name: &str) -> Option<PathBuf> {
    let directories = std::env::var_os("PATH")?;
    std::env::split_paths(&directories).map(|directory| directory.join(name)).find(|path| path.is_file())
}

/// Prints the rows, and returns what came of many at once.
pub(crate) async fn measure(programs: &Programs, quick: bool) -> Result<String> {
    let place = TempDir::new()?;
    let image = Image::build(programs, place.path()).await?;
    let url = format!("nydus://{}/work?nydusd={}", place.path().display(), programs.nydusd.display());
    let client = Client::from_url(&url).await?;
    let measured = async {
        start(&client, programs, place.path(), quick).await?;
        mounts(&client, programs, place.path(), &image, quick).await?;
        many(&client, quick).await
    };
    let measured = measured.await;
    for pod in client.list_pods(&PodFilter::default()).await? {
        client.pod(pod.id.clone()).remove().await?;
    }
    measured
}

async fn start(client: &Client, programs: &Programs, place: &Path, quick: bool) -> Result<()> {
    let pairs = if quick { 3 } else { 50 };
    let (mut ours, mut raw) = (0, 0);
    let times = in_turns(
        pairs,
        async || {
            ours += 1;
            let spec = PodSpec::new(format!("start-{ours}"));
            let (pod, time) = timed(async { Ok(client.run_pod(&spec).await?) }).await?;
            pod.remove().await?;
            Ok(time)
        },
        async || {
            raw += 1;
            let (daemon, time) =
                RawDaemon::start(&programs.nydusd, &place.join(format!("raw-{raw}"))).await?;
            daemon.kill().await?;
            Ok(time)
        },
    );
    println!("{}", Row::new("daemon from spawn to ready, nydusd", Goal::Ratio(MAX_START), &times.await?));
    Ok(())
}

async fn mounts(
    client: &Client,
    programs: &Programs,
    place: &Path,
    image: &Image,
    quick: bool,
) -> Result<()> {
    let pairs = if quick { 10 } else { 1000 };
    let pod = client.run_pod(&PodSpec::new("mounts")).await?;
    let (daemon, _) = RawDaemon::start(&programs.nydusd, &place.join("raw-mounts")).await?;
    let daemon = tokio::sync::Mutex::new(daemon);
    let (spec, body) = (image.spec()?, image.request()?);
    let images = client.images();
    let times = in_turns(
        pairs,
        async || {
            let both = async {
                images.mount(pod.id(), &spec).await?;
                Ok(images.unmount(pod.id(), &spec.id).await?)
            };
            Ok(timed(both).await?.1)
        },
        async || {
            let mut daemon = daemon.lock().await;
            let both = async {
                daemon.mount(&spec.id, &body).await?;
                daemon.unmount(&spec.id).await
            };
            Ok(timed(both).await?.1)
        },
    );
    println!("{}", Row::new("mount and unmount, nydusd", Goal::Ratio(MAX_MOUNT), &times.await?));
    daemon.into_inner().kill().await?;
    Ok(pod.remove().await?)
}

/// Starts many daemons at once, and looks that all are ready, what that took of memory, and that none outlives its pod.
async fn many(client: &Client, quick: bool) -> Result<String> {
    let count = if quick { 5 } else { 50 };
    let before = resident_bytes()?;
    let specs: Vec<_> = (0..count).map(|number| PodSpec::new(format!("many-{number}"))).collect();
    let (pods, time) =
        timed(async { Ok(join_all(specs.iter().map(|spec| client.run_pod(spec))).await) }).await?;
    let pods = pods.into_iter().collect::<Result<Vec<_>, _>>()?;
    let grown = resident_bytes()?.saturating_sub(before);
    let running = client.list_pods(&PodFilter::default().with_phase(PodPhase::Running)).await?.len();
    let pids = join_all(pods.iter().map(|pod| pid(client, pod.id()))).await;
    let pids = pids.into_iter().collect::<Result<Vec<_>>>()?;
    join_all(pods.iter().map(wharf::PodHandle::remove)).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let orphans = pids.iter().filter(|pid| Path::new(&format!("/proc/{pid}")).exists()).count();
    let verdict = if running == count && orphans == 0 { "met" } else { "NOT MET" };
    Ok(format!(
        "{count} daemons at once: {running} ready in {:.0} ms, {orphans} left after their removal, memory of this process at most {} KiB over the start: {verdict}.",
        time.as_secs_f64() * 1e3,
        grown >> 10
    ))
}

async fn pid(client: &Client, pod: &PodId) -> Result<u32> {
    let status = client.pod(pod.clone()).status().await?;
    let nydus: wharf::nydus::NydusPodStatus = status.extensions.get()?;
    Ok(nydus.pid.ok_or("a running daemon has no process")?)
}

/// An image of a few files, whose data is beside it.
#[derive(Debug)]
struct Image {
    bootstrap: PathBuf,
    blobs: PathBuf,
    cache: PathBuf,
}

impl Image {
    async fn build(programs: &Programs, place: &Path) -> Result<Self> {
        let [files, blobs, cache] = ["files", "blobs", "cache"].map(|name| place.join(name));
        for directory in [&files, &blobs, &cache] {
            tokio::fs::create_dir(directory).await?;
        }
        tokio::fs::write(files.join("hello"), "hello\n").await?;
        let bootstrap = place.join("bootstrap");
        let mut command = Command::new(&programs.nydus_image);
        command.arg("create").arg("--bootstrap").arg(&bootstrap).arg("--blob-dir").arg(&blobs).arg(&files);
        let output = command.output().await?;
        if !output.status.success() {
            return Err(format!("nydus-image: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(Self { bootstrap, blobs, cache })
    }

    fn spec(&self) -> Result<ImageMountSpec> {
        let config = RafsConfig::new(LocalFs::new(&self.blobs)).with_cache(BlobCache::new(&self.cache));
        let mut spec = ImageMountSpec::new("image", self.bootstrap.to_string_lossy());
        spec.extensions.set(&NydusMountOptions::new(config))?;
        Ok(spec)
    }

    /// The body of the raw request.
    fn request(&self) -> Result<String> {
        let config = serde_json::json!({
            "device": {
                "backend": { "type": "localfs", "config": { "dir": self.blobs } },
                "cache": { "type": "blobcache", "config": { "work_dir": self.cache } },
            },
            "mode": "direct",
            "digest_validate": false,
        });
        let body = serde_json::json!({
            "fs_type": "rafs",
            "source": self.bootstrap,
            "config": config.to_string(),
        });
        Ok(body.to_string())
    }
}
