//! The cluster to measure on, with a client of each kind.

use std::path::Path;

use tempfile::TempDir;
use testkit::{
    engine::{Engine, EngineOptions},
    fake_k8s::{FakeK8s, FakeK8sOptions, kubelet::KubeletOptions, store::Resource},
    memory::STATE_DIR_VARIABLE,
};
use url::Url;
use wharf::{
    Client, PodFilter,
    spec::{ContainerSpec, PodSpec},
};

use super::raw::Raw;
use crate::{Result, finish::then_clean, target::Images};

/// The namespace of all pods.
pub(super) const NAMESPACE: &str = "default";

/// A cluster that is as slow as the recorded one. Call [`finish_after`](Self::finish_after), which removes what was made on
/// it.
#[derive(Debug)]
pub(super) struct Cluster {
    /// Through wharf.
    pub(super) client: Client,
    /// Without wharf.
    pub(super) raw: Raw,
    pub(super) fake: FakeK8s,
    pub(super) image: String,
    engine: Engine,
    _place: TempDir,
}

impl Cluster {
    pub(super) async fn start(images: &Images) -> Result<Self> {
        let below = std::env::var_os(STATE_DIR_VARIABLE);
        let state_dir = below.map(|dir| Path::new(&dir).join("overhead-k8s"));
        let engine = Engine::start(EngineOptions { state_dir, ..Default::default() }).await?;
        let kubelets = KubeletOptions { time_scale: 1.0, ..Default::default() };
        let options = FakeK8sOptions { kubelets, ..Default::default() };
        let fake = FakeK8s::start(engine.clone(), &options)?;
        let place = TempDir::new()?;
        let client = Client::from_url(&url(&fake, place.path())?).await?;
        let raw = Raw::connect(&fake.kubeconfig()).await?;
        Ok(Self { client, raw, fake, image: images.guest(), engine, _place: place })
    }

    /// A pod of one container that idles until it is told to end.
    pub(super) fn spec(&self, name: &str) -> PodSpec {
        let main = ContainerSpec::new("main", &self.image).with_command(["/guest", "pause"]);
        PodSpec::new(name).with_container(main)
    }

    /// How the server has a pod of wharf's that runs.
    pub(super) async fn sample(&self) -> Result<serde_json::Value> {
        let pod = self.client.run_pod(&self.spec("sample").with_label("app", "sample")).await?;
        let sample = self.fake.store().get(Resource::Pods, NAMESPACE, "sample");
        pod.remove().await?;
        sample.map(|sample| serde_json::Value::clone(&sample)).map_err(|refusal| refusal.message.into())
    }

    /// Does the work, then removes the pods, whatever came of it or if it is interrupted.
    pub(super) async fn finish_after<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        then_clean(work, self.clean()).await
    }

    async fn clean(&self) -> Result<()> {
        self.client.settle().await?;
        for pod in self.client.list_pods(&PodFilter::default()).await? {
            self.client.pod(pod.id.clone()).remove().await?;
        }
        Ok(self.engine.shutdown().await?)
    }
}

/// The URL of a fake whose kubeconfig is in this directory from now on.
pub(super) fn url(fake: &FakeK8s, place: &Path) -> Result<String> {
    let kubeconfig = place.join("kubeconfig");
    fake.write_kubeconfig(&kubeconfig)?;
    url_of(&kubeconfig)
}

/// The URL of the cluster of a kubeconfig.
pub(super) fn url_of(kubeconfig: &Path) -> Result<String> {
    let mut url = Url::parse(&format!("k8s:///{NAMESPACE}"))?;
    url.query_pairs_mut().append_pair("kubeconfig", &kubeconfig.to_string_lossy());
    Ok(url.into())
}
