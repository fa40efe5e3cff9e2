//! A cluster for one test, and drivers that speak to it.

use std::{ops::Deref, time::Duration};

use driver_k8s::{Config, K8sDriver, connect};
use tempfile::TempDir;
use testkit::{
    fake_k8s::{FakeK8s, FakeK8sOptions},
    proxy::{self, Endpoint, FaultProxy},
};
use tokio::time::{sleep, timeout};

/// How long anything may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// An API server without nodes, and a place for kubeconfigs.
pub(crate) struct Cluster {
    fake: FakeK8s,
    dir: TempDir,
}

impl Cluster {
    pub(crate) fn start(options: &FakeK8sOptions) -> Self {
        Self { fake: FakeK8s::without_nodes(options).unwrap(), dir: tempfile::tempdir().unwrap() }
    }

    /// A driver with connections of its own, as another process has them.
    pub(crate) async fn driver(&self) -> K8sDriver {
        self.driver_at("direct", &self.url()).await
    }

    /// A driver behind a line that can be cut.
    pub(crate) async fn driver_behind(&self, line: &FaultProxy) -> K8sDriver {
        let Endpoint::Tcp(address) = line.endpoint() else { panic!("the line is no TCP") };
        self.driver_at("line", &format!("https://{address}")).await
    }

    /// A line to the server.
    pub(crate) async fn line(&self) -> FaultProxy {
        let server = self.url().trim_start_matches("https://").parse().unwrap();
        FaultProxy::start(Endpoint::loopback(), Endpoint::Tcp(server), proxy::Options::seed(1)).await.unwrap()
    }

    async fn driver_at(&self, name: &str, url: &str) -> K8sDriver {
        let path = self.dir.path().join(name);
        std::fs::write(&path, self.kubeconfig().replace(&self.url(), url)).unwrap();
        connect(Config::default().with_kubeconfig(path)).await.unwrap()
    }
}

impl Deref for Cluster {
    type Target = FakeK8s;

    fn deref(&self) -> &FakeK8s {
        &self.fake
    }
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("waited too long: {what}"));
}
