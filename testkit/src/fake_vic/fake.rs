//! The running fake: its two ports, its end.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpSocket;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::DropGuard;

use super::dispatch::respond;
use super::persona::Persona;
use super::port_layer::PortLayer;
use super::reply::Body;
use super::{Bugs, Exchanges};
use crate::engine::{Engine, Faults};
use crate::serving::{Serving, bind, listen};
use crate::tls::Tls;

/// How a fake is started.
#[derive(Debug, Clone)]
pub struct FakeVicOptions {
    /// The name of the image store, as the appliance's BIOS has it.
    pub host_uuid: String,
    /// What there is room for.
    pub capacity: Capacity,
    /// What the server does wrong.
    pub bugs: Bugs,
    /// The guest takes environment, working directory, user and terminal from tasks. The real one takes none of them.
    pub guest_applies_oci: bool,
    /// The persona speaks TLS, with a certificate for loopback.
    pub persona_tls: bool,
    /// How long streams wait for the guest unless the request says.
    pub stream_wait: Duration,
    /// How long a commit waits for a task to be launched.
    pub launch_wait: Duration,
    /// How long a guest has for each signal that is to stop it, unless the commit says.
    pub stop_wait: Duration,
    /// How often there are statistics.
    pub stats_interval: Duration,
    /// What is asked and answered is written down, for [`FakeVic::exchanges`].
    pub records_exchanges: bool,
}

/// What the hosts behind the port layer have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Processors, in MHz.
    pub cpu_mhz: i64,
    /// Memory in MiB.
    pub memory_mib: i64,
}

impl Default for FakeVicOptions {
    fn default() -> Self {
        Self {
            host_uuid: "564d4f2a-8f1f-4c5b-bf21-0c6f0d5e9a11".to_owned(),
            capacity: Capacity { cpu_mhz: 48_000, memory_mib: 131_072 },
            bugs: Bugs::default(),
            guest_applies_oci: false,
            persona_tls: false,
            stream_wait: Duration::from_secs(50),
            launch_wait: Duration::from_secs(180),
            stop_wait: Duration::from_secs(10),
            stats_interval: Duration::from_secs(20),
            records_exchanges: true,
        }
    }
}

/// A port layer with its persona that serve on loopback until this is dropped. The engine belongs to the caller and lives on;
/// what was not removed by then stays there, unless there is a [`shutdown`](Self::shutdown) before.
pub struct FakeVic {
    layer: Arc<PortLayer>,
    persona: Arc<Persona>,
    address: SocketAddr,
    persona_address: SocketAddr,
    tls: Option<PersonaTls>,
    serving: Mutex<Option<[Serving; 2]>>,
    /// Keep the ports for it while nobody listens: others pick theirs among those that are free.
    _ports: [TcpSocket; 2],
    _end: DropGuard,
}

impl FakeVic {
    /// Starts a port layer and a persona. They listen when this returns.
    ///
    /// # Errors
    /// When there is no port, or no room for logs.
    pub async fn start(engine: Engine, options: &FakeVicOptions) -> io::Result<Self> {
        let layer = Arc::new(PortLayer::new(engine, options)?);
        let persona = Arc::new(Persona::new(Arc::clone(&layer)));
        let ports = [bind(0)?, bind(0)?];
        let [address, persona_address] = [ports[0].local_addr()?, ports[1].local_addr()?];
        let tls = options.persona_tls.then(|| PersonaTls::new(layer.logs())).transpose()?;
        let serving = serve([address, persona_address], &layer, &persona, tls.as_ref())?;
        Ok(Self {
            tls,
            _end: layer.end.clone().drop_guard(),
            layer,
            persona,
            address,
            persona_address,
            serving: Mutex::new(Some(serving)),
            _ports: ports,
        })
    }

    /// The URL that drivers take: `vic://127.0.0.1:2377?persona=127.0.0.1:2375&host_uuid=564d…`.
    #[must_use]
    pub fn url(&self) -> String {
        let FakeVicOptions { host_uuid, guest_applies_oci, .. } = &self.layer.options;
        let guest = if *guest_applies_oci { "&guest=oci" } else { "" };
        let authority = self.tls.as_ref().map_or_else(String::new, |tls| {
            let path = tls.authority.to_string_lossy();
            format!("&persona_ca={}", utf8_percent_encode(&path, NON_ALPHANUMERIC))
        });
        let Self { address, persona_address, .. } = self;
        format!("vic://{address}?persona={persona_address}&host_uuid={host_uuid}{guest}{authority}")
    }

    /// Where the port layer listens.
    #[must_use]
    pub fn port_layer(&self) -> SocketAddr {
        self.address
    }

    /// Where the persona listens.
    #[must_use]
    pub fn persona(&self) -> SocketAddr {
        self.persona_address
    }

    /// The certificate, as a PEM file, of the authority that clients of the persona have to trust, if it speaks TLS.
    #[must_use]
    pub fn persona_authority(&self) -> Option<&Path> {
        self.tls.as_ref().map(|tls| tls.authority.as_path())
    }

    /// The name of the image store.
    #[must_use]
    pub fn host_uuid(&self) -> &str {
        &self.layer.options.host_uuid
    }

    /// The engine behind it.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.layer.engine
    }

    /// What goes wrong: see [`fault`](super::fault).
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.layer.engine.faults()
    }

    /// What was asked of the port layer, and answered.
    #[must_use]
    pub fn exchanges(&self) -> &Exchanges {
        &self.layer.exchanges
    }

    /// The ids of the container VMs that there are.
    #[must_use]
    pub fn containers(&self) -> Vec<String> {
        self.layer.machines.all().iter().map(|machine| machine.id.clone()).collect()
    }

    /// How many handles are open.
    #[must_use]
    pub fn open_handles(&self) -> usize {
        self.layer.handles.count()
    }

    /// Where the output of containers is kept.
    #[must_use]
    pub fn logs(&self) -> &Path {
        self.layer.logs()
    }

    /// Severs every connection and stops listening, as a server that has crashed. Handles are lost; VMs go on. Nothing happens
    /// if it is down.
    pub async fn stop(&self) {
        let serving = self.serving().take();
        for serving in serving.into_iter().flatten() {
            serving.end().await;
        }
        self.layer.handles.clear();
    }

    /// Listens again, on the ports it had. Nothing happens if it is up.
    ///
    /// # Errors
    /// When somebody else has taken a port all the same.
    pub fn start_again(&self) -> io::Result<()> {
        let mut serving = self.serving();
        if serving.is_none() {
            let addresses = [self.address, self.persona_address];
            *serving = Some(serve(addresses, &self.layer, &self.persona, self.tls.as_ref())?);
        }
        Ok(())
    }

    /// Stops listening, and removes every VM from the engine.
    pub async fn shutdown(self) {
        self.stop().await;
        self.layer.clear().await;
    }

    fn serving(&self) -> MutexGuard<'_, Option<[Serving; 2]>> {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for FakeVic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeVic").field("url", &self.url()).finish_non_exhaustive()
    }
}

/// What the persona shows its clients.
struct PersonaTls {
    acceptor: TlsAcceptor,
    /// The file with the authority's certificate.
    authority: PathBuf,
}

impl PersonaTls {
    fn new(directory: &Path) -> io::Result<Self> {
        let Tls { acceptor, authority } = Tls::new()?;
        let path = directory.join("persona-authority.pem");
        std::fs::write(&path, authority)?;
        Ok(Self { acceptor, authority: path })
    }
}

fn serve(
    [address, persona_address]: [SocketAddr; 2],
    layer: &Arc<PortLayer>,
    persona: &Arc<Persona>,
    tls: Option<&PersonaTls>,
) -> io::Result<[Serving; 2]> {
    let [listener, persona_listener] = [listen(address)?, listen(persona_address)?];
    let (layer, persona) = (Arc::clone(layer), Arc::clone(persona));
    let acceptor = tls.map(|tls| tls.acceptor.clone());
    let port_layer = Serving::start(listener, "port layer", move |stream| {
        let layer = Arc::clone(&layer);
        async move { http(stream, |request| respond(Arc::clone(&layer), request)).await }
    })?;
    let persona = Serving::start(persona_listener, "persona", move |stream| {
        let (persona, acceptor) = (Arc::clone(&persona), acceptor.clone());
        async move {
            let answer = |request| Arc::clone(&persona).respond(request);
            match acceptor {
                None => http(stream, answer).await,
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => http(stream, answer).await,
                    Err(error) => tracing::debug!(%error, "a client does not trust the persona, or is none"),
                },
            }
        }
    })?;
    Ok([port_layer, persona])
}

/// Serves one connection.
async fn http<F>(stream: impl AsyncRead + AsyncWrite + Unpin, answer: impl Fn(Request<Incoming>) -> F)
where
    F: Future<Output = io::Result<Response<Body>>>,
{
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection broke off");
    }
}
