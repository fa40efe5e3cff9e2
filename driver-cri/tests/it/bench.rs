//! A driver on a fake.

use std::{path::PathBuf, sync::Arc, time::Duration};

use driver_cri::{Config, CriDriver, connect};
use k8s_cri::v1::runtime_service_client::RuntimeServiceClient;
use runtime_core::{
    Container, ContainerId, Context, Driver, Exec, Pod, PodId, PodRun, Result, RunOptions,
    helpers::pull_policy::PullPolicy,
    spec::{ContainerSpec, PodSpec},
};
use tempfile::TempDir;
use testkit::{
    engine::{Engine, EngineOptions, HOST_IMAGE},
    fake_cri::{FakeCri, FakeCriOptions},
};
use tonic::transport::Channel;

pub(crate) struct Bench {
    pub(crate) driver: CriDriver,
    pub(crate) fake: Arc<FakeCri>,
    pub(crate) cx: Context,
    logs: TempDir,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(FakeCriOptions::default()).await
    }

    /// Containers are made from the host's own files.
    pub(crate) async fn with(options: FakeCriOptions) -> Self {
        let engine = Engine::start(EngineOptions::default()).await.unwrap();
        let fake = Arc::new(FakeCri::start(engine, options).await.unwrap());
        let logs = tempfile::tempdir().unwrap();
        let driver = connect(Config::unix(fake.socket()).with_log_root(logs.path())).await.unwrap();
        Self { driver, fake, cx: Context::background(), logs }
    }

    pub(crate) fn log_root(&self) -> &std::path::Path {
        self.logs.path()
    }

    /// A client of the protocol itself.
    pub(crate) async fn raw_client(&self) -> RuntimeServiceClient<Channel> {
        let endpoint = format!("unix://{}", self.fake.socket().display());
        RuntimeServiceClient::connect(endpoint).await.unwrap()
    }

    pub(crate) fn pods(&self) -> &dyn Pod {
        self.driver.pods().unwrap()
    }

    pub(crate) fn containers(&self) -> &dyn Container {
        self.driver.containers().unwrap()
    }

    pub(crate) fn exec(&self) -> &dyn Exec {
        self.driver.exec().unwrap()
    }

    pub(crate) async fn run(&self, spec: &PodSpec) -> Result<PodRun> {
        self.pods().run(&self.cx, spec, &RunOptions::default()).await
    }

    /// Runs a pod with one container, `main`.
    pub(crate) async fn run_one(&self, script: &str) -> (PodId, ContainerId) {
        let run = self.run(&PodSpec::new("web").with_container(shell("main", script))).await.unwrap();
        (run.id.clone(), run.container("main").unwrap().clone())
    }

    /// The log directories that are there.
    pub(crate) fn log_directories(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.logs.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// The end: after the removal of all pods nothing may be left.
    pub(crate) async fn finish(self) {
        self.driver.settle(&self.cx).await.unwrap();
        for pod in self.pods().list(&self.cx, &Default::default()).await.unwrap() {
            self.pods().remove(&self.cx, &pod.id).await.unwrap();
        }
        self.assert_nothing_left();
        self.fake.engine().shutdown().await.unwrap();
    }

    pub(crate) fn assert_nothing_left(&self) {
        let ledger = self.fake.engine().ledger();
        assert!(ledger.is_empty_except_images(), "{ledger:?}");
        assert_eq!(self.log_directories(), Vec::<PathBuf>::new());
    }
}

/// A container of the host's shell.
pub(crate) fn shell(name: &str, script: &str) -> ContainerSpec {
    ContainerSpec::new(name, HOST_IMAGE)
        .with_command(["sh", "-c", script])
        .with_pull_policy(PullPolicy::Never)
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let mut pause = Duration::from_millis(1);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(pause).await;
        pause = Duration::from_millis(100).min(pause * 2);
    }
}
