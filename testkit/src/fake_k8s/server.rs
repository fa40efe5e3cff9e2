//! The running server: its port, its connections, its end.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::access::Access;
use super::cluster::Cluster;
use super::dispatch::respond;
use super::fault::{WatchFault, WatchFaults};
use super::kubelet::{KubeletOptions, Kubelets};
use super::nodes::NoNodes;
use super::requests::Requests;
use super::route::Served;
use super::store::{Resource, Store};
use super::{Clock, Nodes, kubeconfig, random};
use crate::connection::Connection;
use crate::engine::{Engine, Faults};
use crate::serving::{Serving, bind, listen};
use crate::tls::Tls;

/// How a fake is started.
#[derive(Debug, Clone)]
pub struct FakeK8sOptions {
    /// The port on loopback; 0 picks a free one.
    pub port: u16,
    /// The group `coordination.k8s.io` is served. It came with Kubernetes 1.14.
    pub leases: bool,
    /// The metrics API is served.
    pub metrics: bool,
    /// A watch can begin with the list. The recorded cluster, on etcd 3.4, refuses that.
    pub streams_lists: bool,
    /// The nodes, where there are any.
    pub kubelets: KubeletOptions,
}

impl Default for FakeK8sOptions {
    fn default() -> Self {
        let kubelets = KubeletOptions::default();
        Self { port: 0, leases: true, metrics: false, streams_lists: false, kubelets }
    }
}

/// A cluster that serves on loopback until it is dropped.
///
/// Accepted without effect: who owns which field (`fieldManager`, so an apply never conflicts and never takes away what an
/// earlier one gave), `Foreground` deletion, which is as `Background`, and finalizers of what goes with its owner. Objects come
/// without `managedFields`, but those that were put into the store with them. No service account token is mounted. Trials
/// (`dryRun`) and protobuf are refused; tables and schemas are not made.
pub struct FakeK8s {
    address: SocketAddr,
    tls: Tls,
    cluster: Arc<Cluster>,
    serving: Mutex<Option<Serving>>,
    /// Keeps the port for it while nobody listens: others pick theirs among those that are free.
    _port: TcpSocket,
    kubelets: Option<Arc<Kubelets>>,
}

impl FakeK8s {
    /// Starts a cluster whose pods run on the engine. It listens when this returns. The faults of the engine are those of the
    /// API server, too.
    ///
    /// # Errors
    /// When the port can't be had, no certificate be made, or there is no room for files of pods.
    pub fn start(engine: Engine, options: &FakeK8sOptions) -> io::Result<Self> {
        let (store, faults) = (Store::new(Clock::default()), engine.faults());
        let kubelets = Arc::new(Kubelets::start(engine, store.clone(), &options.kubelets)?);
        let nodes = Arc::clone(&kubelets);
        Ok(Self { kubelets: Some(kubelets), ..Self::over(store, nodes, faults, options)? })
    }

    /// Starts an API server without nodes: what is in the store is all that there is, and pods stay as they are written. It
    /// listens when this returns.
    ///
    /// # Errors
    /// When the port can't be had, or no certificate be made.
    pub fn without_nodes(options: &FakeK8sOptions) -> io::Result<Self> {
        Self::over(Store::new(Clock::default()), Arc::new(NoNodes), Faults::default(), options)
    }

    /// Starts an API server over a store, with the namespaces in it that every cluster has.
    fn over(
        store: Store,
        nodes: Arc<dyn Nodes>,
        faults: Faults,
        options: &FakeK8sOptions,
    ) -> io::Result<Self> {
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            // One that is there already is as good.
            let _ = store.create(Resource::Namespaces, "", json!({"metadata": {"name": name}}));
        }
        let port = bind(options.port)?;
        let address = port.local_addr()?;
        let listener = listen(address)?;
        let tls = Tls::new()?;
        let cluster = Arc::new(Cluster {
            clock: store.clock(),
            store,
            access: Access::new(random::uid()),
            requests: Requests::default(),
            faults,
            watch_faults: WatchFaults::default(),
            nodes,
            served: Served { leases: options.leases, metrics: options.metrics },
            streams_lists: options.streams_lists,
            address: address.to_string(),
        });
        let serving = Mutex::new(Some(serve(listener, &tls.acceptor, &cluster)?));
        Ok(Self { address, tls, cluster, serving, _port: port, kubelets: None })
    }

    /// The nodes, unless it was started without.
    #[must_use]
    pub fn kubelets(&self) -> Option<&Kubelets> {
        self.kubelets.as_deref()
    }

    /// Where it listens, as in `https://127.0.0.1:6443`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The certificate of the authority that its clients have to trust, PEM.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.tls.authority
    }

    /// A kubeconfig for it: the context `fake`, the namespace `default`, the token that is good now.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        kubeconfig::write(&self.url(), &self.tls.authority, &self.token())
    }

    /// Writes [`kubeconfig`](Self::kubeconfig) to a file.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write_kubeconfig(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.kubeconfig())
    }

    /// The objects.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.cluster.store
    }

    /// The clock of the server.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.cluster.clock
    }

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> &Requests {
        &self.cluster.requests
    }

    /// The faults of requests, by operation: see [`refuse`](super::refuse) and [`cut`](super::cut).
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.cluster.faults
    }

    /// Lets every watch of a resource go wrong that is open now.
    pub fn break_watches(&self, resource: Resource, fault: WatchFault) {
        self.cluster.watch_faults.inject(resource, fault);
    }

    /// The bearer token that is good now.
    #[must_use]
    pub fn token(&self) -> String {
        self.cluster.access.token()
    }

    /// From now on this is the only token that is good.
    pub fn set_token(&self, token: impl Into<String>) {
        self.cluster.access.set_token(token.into());
    }

    /// From now on nobody may do this (`create`, `pods/exec`). Access reviews say so, too.
    pub fn deny(&self, verb: &str, resource: &str) {
        self.cluster.access.deny(verb, resource);
    }

    /// Takes a [denial](Self::deny) back.
    pub fn allow(&self, verb: &str, resource: &str) {
        self.cluster.access.allow(verb, resource);
    }

    /// Severs every connection and stops listening, as a server that is down. Objects and pods stay. Nothing happens if it is
    /// down.
    pub async fn stop(&self) {
        let serving = self.serving().take();
        if let Some(serving) = serving {
            serving.end().await;
        }
    }

    /// Listens again, on the port it had. Nothing happens if it is up.
    ///
    /// # Errors
    /// When somebody else has taken the port all the same.
    pub fn start_again(&self) -> io::Result<()> {
        let mut serving = self.serving();
        if serving.is_none() {
            let listener = listen(self.address)?;
            *serving = Some(serve(listener, &self.tls.acceptor, &self.cluster)?);
        }
        Ok(())
    }

    /// Stops listening, and removes every pod from the engine. Dropping it does so, too, but waits for nothing.
    pub async fn shutdown(self) {
        self.stop().await;
        if let Some(kubelets) = &self.kubelets {
            kubelets.shutdown().await;
        }
    }

    fn serving(&self) -> MutexGuard<'_, Option<Serving>> {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for FakeK8s {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeK8s").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Serves connections until it is dropped.
fn serve(listener: TcpListener, acceptor: &TlsAcceptor, cluster: &Arc<Cluster>) -> io::Result<Serving> {
    let (acceptor, cluster) = (acceptor.clone(), Arc::clone(cluster));
    Serving::start(listener, "API", move |stream| connection(stream, acceptor.clone(), Arc::clone(&cluster)))
}

async fn connection(stream: Connection<TcpStream>, acceptor: TlsAcceptor, cluster: Arc<Cluster>) {
    let stream = match acceptor.accept(stream).await {
        Ok(stream) => stream,
        Err(error) => return tracing::debug!(%error, "a client does not trust the API server, or is none"),
    };
    let service = service_fn(|request| respond(Arc::clone(&cluster), request));
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection to the API server broke off");
    }
}
