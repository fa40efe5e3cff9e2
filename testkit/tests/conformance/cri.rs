//! The CRI driver.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use serde::{Deserialize, de::DeserializeOwned};
use testkit::{
    conformance::{Connect, Connected, Holdings, Proxied, RealSystem, Reconnect, Runtime, state_dir},
    engine::{Engine, EngineOptions, Isolation},
    fake_cri::{FakeCri, FakeCriOptions, LACKS},
    image::guest,
    memory::MemoryDriver,
    proxy::{Endpoint, FaultProxy, Options as ProxyOptions},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};
use wharf::{Capability, Driver, Error, ErrorKind, Result};

use crate::{PULLS, holdings::of_engine, unusable};

/// The fake server.
pub(crate) async fn fake() -> Result<Connected> {
    let engine_dir = state_dir().join(format!("wharf-cri-fake-{}", std::process::id()));
    let options = EngineOptions { state_dir: Some(engine_dir), ..EngineOptions::default() };
    let engine = Engine::start(options).await.map_err(unusable)?;
    let fake = FakeCri::start(engine.clone(), FakeCriOptions::default()).await.map_err(unusable)?;
    let lacks = lacks(&engine);
    let logs = tempfile::tempdir_in(state_dir()).map_err(unusable)?;
    // Without root containers have no file systems of their own to mount it into.
    let toolbox = if engine.isolation() == Isolation::None { None } else { Some(toolbox().await?) };
    let cri = Cri::new(fake.socket(), logs.path(), toolbox);
    Ok(Connected {
        namespace: crate::NAMESPACE.to_owned(),
        toolbox_in_images: false,
        driver: cri.connect(&[]).await?,
        reconnect: cri.reconnect(),
        connect_with: Ok(cri.connect_with()),
        proxied: Ok(cri.proxied()),
        runtime: Ok(Box::new(Fake(fake))),
        holdings: Ok(Box::new(move || Box::pin(std::future::ready(Ok(of_engine(&engine)))))),
        mountable: Err(PULLS),
        lacks,
        guard: Box::new(logs),
    })
}

/// A containerd.
pub(crate) async fn containerd(system: RealSystem) -> Result<Connected> {
    let url =
        system.url.ok_or_else(|| Error::invalid("url", "the URL of the containerd is needed: --url"))?;
    let socket = url.strip_prefix("cri://").filter(|socket| socket.starts_with('/'));
    let socket = socket.ok_or_else(|| Error::invalid("url", format!("{url} is not cri:///SOCKET")))?;
    let logs = tempfile::tempdir_in(state_dir()).map_err(unusable)?;
    let cri = Cri::new(Path::new(socket), logs.path(), Some(toolbox().await?));
    let control = system.control.map(Owner).ok_or("nobody was named who could do it: --control");
    Ok(Connected {
        namespace: crate::NAMESPACE.to_owned(),
        toolbox_in_images: false,
        driver: cri.connect(&[]).await?,
        reconnect: cri.reconnect(),
        connect_with: Ok(cri.connect_with()),
        proxied: Ok(cri.proxied()),
        runtime: control.clone().map(|control| Box::new(control) as Box<dyn Runtime>),
        holdings: control.map(Owner::holdings),
        mountable: Err(PULLS),
        lacks: Vec::new(),
        guard: Box::new(logs),
    })
}

async fn toolbox() -> Result<PathBuf> {
    tokio::task::spawn_blocking(guest::toolbox).await.map_err(unusable)?.map_err(unusable)
}

/// A CRI runtime by its socket.
#[derive(Debug, Clone)]
struct Cri {
    socket: PathBuf,
    log_root: PathBuf,
    toolbox: Option<PathBuf>,
}

impl Cri {
    fn new(socket: &Path, log_root: &Path, toolbox: Option<PathBuf>) -> Self {
        Self { socket: socket.to_owned(), log_root: log_root.to_owned(), toolbox }
    }

    fn connect(&self, options: &[(&str, &str)]) -> BoxFuture<'static, Result<Arc<dyn Driver>>> {
        let mut url = format!("cri://{}?log_root={}", self.socket.display(), self.log_root.display());
        if let Some(toolbox) =
            self.toolbox.as_ref().filter(|_| options.iter().all(|(key, _)| *key != "toolbox"))
        {
            url = format!("{url}&toolbox={}", toolbox.display());
        }
        for (key, value) in options.iter().filter(|(_, value)| !value.is_empty()) {
            url = format!("{url}&{key}={value}");
        }
        Box::pin(async move { wharf::registry().connect(&url).await })
    }

    fn reconnect(&self) -> Reconnect {
        let cri = self.clone();
        Box::new(move || cri.connect(&[]))
    }

    fn connect_with(&self) -> Connect {
        let cri = self.clone();
        Box::new(move |options| cri.connect(options))
    }

    fn proxied(&self) -> Proxied {
        let cri = self.clone();
        let count = Arc::new(AtomicU32::new(0));
        Box::new(move || {
            let (cri, number) = (cri.clone(), count.fetch_add(1, Ordering::Relaxed));
            Box::pin(async move {
                let socket = state_dir().join(format!("proxy-{}-{number}.sock", std::process::id()));
                let listen = Endpoint::Unix(socket.clone());
                let upstream = Endpoint::Unix(cri.socket.clone());
                let proxy =
                    FaultProxy::start(listen, upstream, ProxyOptions::default()).await.map_err(unusable)?;
                let driver = Self { socket, ..cri }.connect(&[]).await?;
                Ok((driver, proxy))
            })
        })
    }
}

/// The fake as a runtime that can crash.
struct Fake(FakeCri);

#[async_trait]
impl Runtime for Fake {
    async fn kill(&self) -> Result<()> {
        self.0.kill().await;
        Ok(())
    }

    async fn start(&self) -> Result<()> {
        self.0.start_again().map_err(unusable)
    }
}

/// Whoever owns the runtime's process, by the socket that takes requests.
#[derive(Clone)]
struct Owner(PathBuf);

impl Owner {
    async fn ask<T: DeserializeOwned>(&self, request: &str) -> Result<T> {
        let mut stream = UnixStream::connect(&self.0).await.map_err(unusable)?;
        stream.write_all(format!("{request}\n").as_bytes()).await.map_err(unusable)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.map_err(unusable)?;
        match serde_json::from_str(&answer).map_err(unusable)? {
            Answer::Ok(value) => Ok(value),
            Answer::Error(message) => Err(Error::new(ErrorKind::Failed, message)),
        }
    }

    fn holdings(self) -> Holdings {
        Box::new(move || {
            let owner = self.clone();
            Box::pin(async move { owner.ask("holdings").await })
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer<T> {
    Ok(T),
    Error(String),
}

#[async_trait]
impl Runtime for Owner {
    async fn kill(&self) -> Result<()> {
        self.ask("kill").await
    }

    async fn start(&self) -> Result<()> {
        self.ask("start").await
    }
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
