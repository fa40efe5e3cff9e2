//! The conformance suite against each setup; `cargo xtask conformance` prepares what they need and runs this.

use std::{process::ExitCode, sync::Arc};

use futures::future::BoxFuture;
use testkit::{
    conformance::{Connected, Setup, state_dir},
    engine::{Engine, EngineOptions, Isolation},
    fake_cri::{FakeCri, FakeCriOptions, LACKS},
    memory::{MemoryDriver, MemoryOptions},
};
use wharf::{Capability, Driver, Error, ErrorKind, Result};

const SETUPS: &[Setup] = &[
    Setup { name: "memory", connect: |_| Box::pin(memory()) },
    Setup { name: "cri-fake", connect: |_| Box::pin(cri_fake()) },
    Setup { name: "cri-containerd", connect: |url| Box::pin(cri_containerd(url)) },
];

fn main() -> ExitCode {
    testkit::conformance::main(SETUPS)
}

async fn memory() -> Result<Connected> {
    let driver = MemoryDriver::start(MemoryOptions::default()).await?;
    let engine = driver.engine().clone();
    let again = driver.clone();
    Ok(Connected {
        driver: Arc::new(driver),
        reconnect: Box::new(move || {
            let driver: Arc<dyn Driver> = Arc::new(again.clone());
            Box::pin(async move { Ok(driver) })
        }),
        alive: Some(Box::new(move || alive(&engine))),
        lacks: Vec::new(),
        guard: Box::new(()),
    })
}

async fn cri_fake() -> Result<Connected> {
    let engine_dir = state_dir().join(format!("wharf-cri-fake-{}", std::process::id()));
    let options = EngineOptions { state_dir: Some(engine_dir), ..EngineOptions::default() };
    let engine = Engine::start(options).await.map_err(unusable)?;
    let fake = FakeCri::start(engine.clone(), FakeCriOptions::default()).await.map_err(unusable)?;
    let lacks = lacks(&engine);
    let logs = tempfile::tempdir_in(state_dir()).map_err(unusable)?;
    let url = format!("cri://{}?log_root={}", fake.socket().display(), logs.path().display());
    Ok(Connected {
        driver: connect(url.clone()).await?,
        reconnect: Box::new(move || connect(url.clone())),
        alive: Some(Box::new(move || alive(&engine))),
        lacks,
        guard: Box::new((fake, logs)),
    })
}

async fn cri_containerd(url: Option<String>) -> Result<Connected> {
    let url = url.ok_or_else(|| Error::invalid("url", "the URL of the containerd is needed: --url"))?;
    let logs = tempfile::tempdir_in(state_dir()).map_err(unusable)?;
    let url = format!("{url}?log_root={}", logs.path().display());
    Ok(Connected {
        driver: connect(url.clone()).await?,
        reconnect: Box::new(move || connect(url.clone())),
        alive: None,
        lacks: Vec::new(),
        guard: Box::new(logs),
    })
}

fn connect(url: String) -> BoxFuture<'static, Result<Arc<dyn Driver>>> {
    Box::pin(async move { wharf::registry().connect(&url).await })
}

/// What the fake can't show; without root that is all for which processes need walls around them.
fn lacks(engine: &Engine) -> Vec<(Capability, &'static str)> {
    let mut lacks = LACKS.to_vec();
    if engine.isolation() == Isolation::None {
        let without_walls = MemoryDriver::over(engine.clone());
        let beyond =
            Capability::ALL.iter().filter(|capability| !without_walls.capabilities().has(**capability));
        // A pod outlives its client on the fake, as it does on a real runtime.
        let beyond = beyond.filter(|capability| **capability != Capability::PodDurable);
        lacks.extend(beyond.map(|capability| (*capability, "the engine needs root for it")));
    }
    lacks
}

/// What the engine still holds beside images.
fn alive(engine: &Engine) -> Vec<String> {
    let ledger = engine.ledger();
    if ledger.is_empty_except_images() { Vec::new() } else { vec![format!("{ledger:?}")] }
}

fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Unavailable, "the setup can't be prepared").with_source(error)
}
