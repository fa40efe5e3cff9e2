//! A CRI runtime to measure on, with the image on it and a client of each kind.

use std::path::Path;

use tempfile::TempDir;
use testkit::{
    engine::{Engine, EngineOptions},
    fake_cri::{Calls, FakeCri, FakeCriOptions},
    image::{Digest, Image, guest, standard},
    memory::STATE_DIR_VARIABLE,
    registry::{self, Action, Registry, Rule, Scripted},
};
use url::Url;
use wharf::{
    Client, ImageFilter, PodFilter, PullOptions,
    cri::Config,
    spec::{ContainerSpec, PodSpec},
};

use crate::{Result, finish::then_clean, raw::Raw};

/// Every pod of this run has it, with the run's name.
const LABEL: &str = "overhead/run";

/// The registry that the image comes from.
#[derive(Debug)]
pub(crate) struct Images(Registry);

impl Images {
    /// Serves the guest image on loopback.
    pub(crate) async fn serve() -> Result<Self> {
        let images = tokio::task::spawn_blocking(|| standard::all(&guest::binary()?)).await??;
        let registry = Registry::start(registry::Options::default()).await?;
        for named in &images {
            registry.push(named.name, standard::TAG, &named.image);
        }
        Ok(Self(registry))
    }

    /// The reference of the guest image.
    pub(crate) fn guest(&self) -> String {
        self.0.reference("guest", standard::TAG)
    }

    /// Serves another image; returns its reference.
    pub(crate) fn add(&self, repository: &str, image: &Image) -> String {
        self.0.push(repository, standard::TAG, image);
        self.0.reference(repository, standard::TAG)
    }

    /// Serves the layers of a repository no faster than this on each connection.
    pub(crate) fn slow(&self, repository: &str, bytes_per_second: u32) -> Scripted {
        let blobs = format!("/v2/{repository}/blobs/*");
        self.0.script(Rule::new(blobs, Action::Slow { bytes_per_second }))
    }

    /// How often a blob was asked for.
    pub(crate) fn served(&self, blob: &Digest) -> usize {
        let wanted = format!("/blobs/{blob}");
        let requests = self.0.requests();
        requests.iter().filter(|request| request.method == "GET" && request.path.ends_with(&wanted)).count()
    }
}

/// The runtime. Call [`finish_after`](Self::finish_after), which removes what was made on it.
#[derive(Debug)]
pub(crate) struct Target {
    /// What it is, for the rows.
    pub(crate) name: &'static str,
    /// Through wharf.
    pub(crate) client: Client,
    /// Without wharf.
    pub(crate) raw: Raw,
    image: String,
    registry: String,
    run: String,
    logs: TempDir,
    fake: Option<(FakeCri, Engine)>,
}

impl Target {
    /// A server in this process, with so many containers that never ran.
    pub(crate) async fn fake(images: &Images, synthetic_containers: usize) -> Result<Self> {
        let below = std::env::var_os(STATE_DIR_VARIABLE);
        let state_dir =
            below.map(|dir| Path::new(&dir).join(format!("overhead-fake-{synthetic_containers}")));
        let engine = Engine::start(EngineOptions { state_dir, ..Default::default() }).await?;
        let options = FakeCriOptions { synthetic_containers, ..Default::default() };
        let fake = FakeCri::start(engine.clone(), options).await?;
        let url = format!("cri://{}", fake.socket().display());
        let target = Self::connect("fake server", &url, images).await?;
        Ok(Self { fake: Some((fake, engine)), ..target })
    }

    /// The runtime at a URL.
    pub(crate) async fn at(url: &str, images: &Images) -> Result<Self> {
        Self::connect("containerd", url, images).await
    }

    async fn connect(name: &'static str, url: &str, images: &Images) -> Result<Self> {
        let logs = TempDir::new()?;
        let mut url = Url::parse(url)?;
        url.query_pairs_mut().clear().append_pair("log_root", &logs.path().to_string_lossy());
        let client = Client::from_url(url.as_str()).await?;
        let raw = Raw::connect(&Config::from_url(&url)?).await?;
        let image = images.guest();
        client.images().pull(&image, &PullOptions::default()).await?;
        let run = format!("r{:x}", jiff::Timestamp::now().as_nanosecond());
        let registry = images.0.address();
        Ok(Self { name, client, raw, image, registry, run, logs, fake: None })
    }

    /// A pod of one container that idles until it is told to end.
    pub(crate) fn spec(&self, name: &str) -> PodSpec {
        self.spec_of(name, 1)
    }

    /// A pod of so many such containers, the first of which is `main`.
    pub(crate) fn spec_of(&self, name: &str, containers: usize) -> PodSpec {
        self.spec_with(name, &vec![self.image.clone(); containers])
    }

    /// A pod of such containers, of these images.
    pub(crate) fn spec_with(&self, name: &str, images: &[String]) -> PodSpec {
        // Without a uid the name alone tells pods apart, here as for CRI.
        let mut spec = PodSpec::new(name).with_namespace(&self.run).with_label(LABEL, &self.run);
        spec.uid = Some(format!("{}-{name}", self.run));
        for (number, image) in images.iter().enumerate() {
            let name = if number == 0 { "main".to_owned() } else { format!("more-{number}") };
            let container = ContainerSpec::new(name, image).with_command(["/guest", "pause"]);
            spec = spec.with_container(container);
        }
        spec
    }

    /// The directory of the pods' logs.
    pub(crate) fn logs(&self) -> &Path {
        self.logs.path()
    }

    /// What was called, if it is the fake.
    pub(crate) fn calls(&self) -> Option<&Calls> {
        self.fake.as_ref().map(|(fake, _)| fake.calls())
    }

    /// Does the work, then removes the pods and the images, whatever came of it or if it is interrupted.
    pub(crate) async fn finish_after<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        then_clean(work, self.clean()).await
    }

    async fn clean(&self) -> Result<()> {
        self.client.settle().await?;
        for pod in self.client.list_pods(&PodFilter::default().with_label(LABEL, &self.run)).await? {
            self.client.pod(pod.id.clone()).remove().await?;
        }
        let images = self.client.images();
        for image in images.list(&ImageFilter::default()).await? {
            for tag in image.tags.iter().filter(|tag| tag.starts_with(&format!("{}/", self.registry))) {
                images.remove(tag).await?;
            }
        }
        if let Some((_, engine)) = &self.fake {
            engine.shutdown().await?;
        }
        Ok(())
    }
}
