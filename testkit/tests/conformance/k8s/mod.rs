//! The Kubernetes driver, on the fake cluster and on a real one; and cases of its own on clusters that are broken on purpose.

mod access;
mod clocks;
mod create;
mod ending;
mod failures;
mod gone;
mod input;
mod outages;
mod own;
mod starting;
mod stops;
mod watches;

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use futures::future::BoxFuture;
use testkit::{
    conformance::{Case, Connect, Connected, RealSystem, Reconnect, Runtime, state_dir},
    engine::{Engine, EngineOptions},
    fake_k8s::{FakeK8s, FakeK8sOptions},
};
use wharf::{Driver, Result, k8s::Config};

use crate::{PULLS, holdings::of_engine, unusable};

/// Cases of a cluster that can be broken.
pub(crate) const ON_THE_FAKE: &[&[Case]] = &[
    crate::manifest::CASES,
    stops::CASES,
    create::CASES,
    ending::CASES,
    failures::CASES,
    gone::CASES,
    access::CASES,
    outages::CASES,
    watches::CASES,
    clocks::CASES,
    input::CASES,
];

/// Cases of any cluster.
pub(crate) const ON_A_CLUSTER: &[&[Case]] = &[crate::manifest::CASES, stops::CASES];

/// Why nothing passes through the fault proxy, which breaks single calls.
const ENCRYPTED: &str = "its connections are encrypted";

/// The fake server and its nodes.
pub(crate) async fn fake() -> Result<Connected> {
    let engine_dir = state_dir().join(format!("wharf-k8s-fake-{}", std::process::id()));
    let options = EngineOptions { state_dir: Some(engine_dir), ..EngineOptions::default() };
    let engine = Engine::start(options).await.map_err(unusable)?;
    let mut options = FakeK8sOptions::default();
    options.kubelets.image_volumes = true;
    options.metrics = true;
    let fake = FakeK8s::start(engine.clone(), &options).map_err(unusable)?;
    let files = tempfile::tempdir_in(state_dir()).map_err(unusable)?;
    let kubeconfig = files.path().join("kubeconfig");
    fake.write_kubeconfig(&kubeconfig).map_err(unusable)?;
    let cluster = Cluster { kubeconfig: Some(kubeconfig) };
    Ok(Connected {
        namespace: "default".to_owned(),
        toolbox_in_images: true,
        driver: cluster.connect().await?,
        reconnect: cluster.reconnect(),
        connect_with: Ok(cluster.connect_with()),
        proxied: Err(ENCRYPTED),
        runtime: Ok(Box::new(Fake(fake))),
        holdings: Ok(Box::new(move || Box::pin(std::future::ready(Ok(of_engine(&engine)))))),
        mountable: Err(PULLS),
        lacks: Vec::new(),
        guard: Box::new(files),
    })
}

/// The cluster of `KUBECONFIG`. Its nodes have to pull from the loopback of this machine.
pub(crate) async fn cluster(system: RealSystem) -> Result<Connected> {
    if system.only_asked {
        return Err(wharf::Error::invalid(
            "url",
            "a cluster is not asked by itself; the fake can do the same",
        ));
    }
    let cluster = Cluster { kubeconfig: None };
    let driver = wharf::k8s::connect(Config::default()).await?;
    Ok(Connected {
        namespace: driver.namespace().to_owned(),
        toolbox_in_images: true,
        driver: Arc::new(driver),
        reconnect: cluster.reconnect(),
        connect_with: Ok(cluster.connect_with()),
        proxied: Err(ENCRYPTED),
        runtime: Err("a cluster is not the suite's own"),
        holdings: Err("nothing of a cluster is known but through its API"),
        mountable: Err(PULLS),
        lacks: Vec::new(),
        guard: Box::new(()),
    })
}

/// A cluster by its kubeconfig, if it is not the one of the environment.
#[derive(Debug, Clone)]
struct Cluster {
    kubeconfig: Option<PathBuf>,
}

impl Cluster {
    fn connect(&self) -> BoxFuture<'static, Result<Arc<dyn Driver>>> {
        let url = match &self.kubeconfig {
            Some(path) => format!("k8s://?kubeconfig={}", path.display()),
            None => "k8s://".to_owned(),
        };
        Box::pin(async move { wharf::registry().connect(&url).await })
    }

    fn reconnect(&self) -> Reconnect {
        let cluster = self.clone();
        Box::new(move || cluster.connect())
    }

    /// The one option that cases leave out is that of a mounted toolbox, which is not set here.
    fn connect_with(&self) -> Connect {
        let cluster = self.clone();
        Box::new(move |options| {
            let unknown = options.iter().find(|(key, value)| *key != "toolbox" || !value.is_empty());
            match unknown {
                None => cluster.connect(),
                Some((key, _)) => {
                    let error = wharf::Error::unsupported(format!("the option {key:?}"));
                    Box::pin(std::future::ready(Err(error)))
                }
            }
        })
    }
}

/// The fake's API server as one that can crash.
struct Fake(FakeK8s);

#[async_trait]
impl Runtime for Fake {
    async fn kill(&self) -> Result<()> {
        self.0.stop().await;
        Ok(())
    }

    async fn start(&self) -> Result<()> {
        self.0.start_again().map_err(unusable)
    }
}
