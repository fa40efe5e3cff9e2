//! The conformance suite against each setup; `cargo xtask conformance` prepares what they need and runs this.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use serde::{Deserialize, de::DeserializeOwned};
use testkit::{
    conformance::{
        Connect, Connected, Held, Holdings, Proxied, RealSystem, Reconnect, Runtime, Setup, state_dir,
    },
    engine::{Engine, EngineOptions, Isolation, Ledger},
    fake_cri::{FakeCri, FakeCriOptions, LACKS},
    image::guest,
    memory::{MemoryDriver, MemoryOptions},
    proxy::{Endpoint, FaultProxy, Options as ProxyOptions},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};
use wharf::{Capability, Driver, Error, ErrorKind, Result};

const SETUPS: &[Setup] = &[
    Setup { name: "memory", connect: |_| Box::pin(memory()) },
    Setup { name: "cri-fake", connect: |_| Box::pin(cri_fake()) },
    Setup { name: "cri-containerd", connect: |system| Box::pin(cri_containerd(system)) },
];

/// Why some cases make no sense with the memory driver.
const IS_THE_RUNTIME: &str =
    "the memory driver is its own runtime: there is no connection to break or URL to give";

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
        connect_with: Err(IS_THE_RUNTIME),
        proxied: Err(IS_THE_RUNTIME),
        runtime: Err(IS_THE_RUNTIME),
        holdings: Ok(Box::new(move || Box::pin(std::future::ready(Ok(holdings(&engine)))))),
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
    // Without root containers have no file systems of their own to mount it into.
    let toolbox = if engine.isolation() == Isolation::None { None } else { Some(toolbox().await?) };
    let cri = Cri::new(fake.socket(), logs.path(), toolbox);
    Ok(Connected {
        driver: cri.connect(&[]).await?,
        reconnect: cri.reconnect(),
        connect_with: Ok(cri.connect_with()),
        proxied: Ok(cri.proxied()),
        runtime: Ok(Box::new(Fake(fake))),
        holdings: Ok(Box::new(move || Box::pin(std::future::ready(Ok(holdings(&engine)))))),
        lacks,
        guard: Box::new(logs),
    })
}

async fn cri_containerd(system: RealSystem) -> Result<Connected> {
    let url =
        system.url.ok_or_else(|| Error::invalid("url", "the URL of the containerd is needed: --url"))?;
    let socket = url.strip_prefix("cri://").filter(|socket| socket.starts_with('/'));
    let socket = socket.ok_or_else(|| Error::invalid("url", format!("{url} is not cri:///SOCKET")))?;
    let logs = tempfile::tempdir_in(state_dir()).map_err(unusable)?;
    let cri = Cri::new(Path::new(socket), logs.path(), Some(toolbox().await?));
    let control = system.control.map(Owner).ok_or("nobody was named who could do it: --control");
    Ok(Connected {
        driver: cri.connect(&[]).await?,
        reconnect: cri.reconnect(),
        connect_with: Ok(cri.connect_with()),
        proxied: Ok(cri.proxied()),
        runtime: control.clone().map(|control| Box::new(control) as Box<dyn Runtime>),
        holdings: control.map(Owner::holdings),
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

/// What the engine holds beside images.
fn holdings(engine: &Engine) -> Vec<Held> {
    let Ledger { pods, containers, processes, execs: _, directories, images: _ } = engine.ledger();
    let own = |what: &'static str| {
        move |id: String| Held { what: what.to_owned(), name: id.clone(), owner: Some(id) }
    };
    let directories = directories.into_iter().map(|path| Held {
        what: "directory".to_owned(),
        owner: path.file_name().map(|name| name.to_string_lossy().into_owned()),
        name: path.display().to_string(),
    });
    let processes = processes.into_iter().map(|process| Held {
        what: if process.is_exec { "exec" } else { "process" }.to_owned(),
        name: format!("{} {:?}", process.pid, process.argv),
        owner: Some(process.owner),
    });
    let pods = pods.into_iter().map(own("sandbox"));
    pods.chain(containers.into_iter().map(own("container"))).chain(processes).chain(directories).collect()
}

fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Unavailable, "the setup can't be prepared").with_source(error)
}
