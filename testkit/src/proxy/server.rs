//! The running proxy: accepts, refuses, connects on, counts, and ends what it started.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::call::{ActiveCall, CallRule};
use super::endpoint::{Endpoint, Listener, Stream};
use super::pump::{self, Link};
use super::rule::{Active, Rule, RuleId, RuleSet};

const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(1);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_millis(256);

/// How a proxy is started.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// Decides what [`Action::Garble`](super::Action::Garble) changes. `None` takes `WHARF_SEED` from the
    /// environment, and without that a random one; [`FaultProxy`]'s `Debug` shows it.
    pub seed: Option<u64>,
}

impl Options {
    /// With this seed.
    #[must_use]
    pub fn seed(seed: u64) -> Self {
        Self { seed: Some(seed) }
    }
}

/// How the listening socket is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// A unix socket's file is gone: `ENOENT`. A port is closed: `ECONNREFUSED`.
    Gone,
    /// A unix socket's file is there and nobody listens, as after a crash: `ECONNREFUSED`.
    Stale,
}

/// What has gone through so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections accepted, the refused ones too.
    pub connections: u64,
    /// Connections that a rule refused.
    pub refused: u64,
    /// Connections that live now.
    pub live: u64,
    /// Bytes passed to the server.
    pub to_server_bytes: u64,
    /// Bytes passed to the client.
    pub to_client_bytes: u64,
}

/// A proxy that runs until it is dropped; dropping it closes its connections and removes its socket file.
pub struct FaultProxy {
    endpoint: Endpoint,
    shared: Arc<Shared>,
    accepting: Mutex<Option<Accepting>>,
    next_rule: AtomicU64,
}

struct Shared {
    upstream: Endpoint,
    seed: u64,
    rules: watch::Sender<RuleSet>,
    connections: AtomicU64,
    refused: AtomicU64,
    to_server_bytes: AtomicU64,
    to_client_bytes: AtomicU64,
    tasks: TaskTracker,
    /// Ends the connections that live now; replaced by each `drop_all`.
    living: Mutex<DropGuard>,
}

struct Accepting {
    task: JoinHandle<()>,
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FaultProxy {
    /// Listens on `listen` and connects each client to `upstream`, which need not be there yet.
    ///
    /// # Errors
    /// When the address or the socket file is taken, or can't be bound.
    pub async fn start(listen: Endpoint, upstream: Endpoint, options: Options) -> io::Result<Self> {
        let (listener, endpoint) = listen.bind()?;
        let shared = Arc::new(Shared {
            upstream,
            seed: options.seed.or_else(seed_from_environment).unwrap_or_else(random_seed),
            rules: watch::Sender::new(RuleSet::default()),
            connections: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            to_server_bytes: AtomicU64::new(0),
            to_client_bytes: AtomicU64::new(0),
            tasks: TaskTracker::new(),
            living: Mutex::new(CancellationToken::new().drop_guard()),
        });
        let accepting = Mutex::new(Some(Accepting::start(listener, Arc::clone(&shared))));
        Ok(Self { endpoint, shared, accepting, next_rule: AtomicU64::new(1) })
    }

    /// Where clients connect.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What decides the garbled bytes.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.shared.seed
    }

    /// Adds a rule, for living connections too.
    pub fn add(&self, rule: Rule) -> RuleId {
        let id = RuleId(self.next_rule.fetch_add(1, Ordering::Relaxed));
        self.shared.rules.send_modify(|rules| {
            let accepted = self.shared.connections.load(Ordering::SeqCst);
            rules.bytes.push(Active::new(id, &rule, accepted));
        });
        id
    }

    /// Adds a rule for one call, of a living connection or one to come.
    pub fn add_call(&self, rule: CallRule) -> RuleId {
        let id = RuleId(self.next_rule.fetch_add(1, Ordering::Relaxed));
        self.shared.rules.send_modify(|rules| rules.calls.push(Arc::new(ActiveCall::new(id, rule))));
        id
    }

    /// Whether the call that a rule of [`add_call`](Self::add_call) is for has come; false for a rule that is gone.
    #[must_use]
    pub fn has_hit(&self, id: RuleId) -> bool {
        self.shared.rules.borrow().calls.iter().any(|rule| rule.id == id && rule.hits() > 0)
    }

    /// Removes a rule; what it held up goes on. A rule that is gone already is fine.
    pub fn remove(&self, id: RuleId) {
        self.shared.rules.send_modify(|rules| rules.remove(|rule| rule == id));
    }

    /// Removes every rule; what they held up goes on. A socket that is down stays down until
    /// [`listen`](Self::listen).
    pub fn heal(&self) {
        self.shared.rules.send_modify(|rules| rules.remove(|_| true));
    }

    /// Closes the connections that live now.
    pub fn drop_all(&self) {
        *lock(&self.shared.living) = CancellationToken::new().drop_guard();
    }

    /// Takes the listening socket away; living connections go on. Does nothing when it is away already.
    ///
    /// # Errors
    /// When the socket file can't be removed.
    pub async fn stop_listening(&self, down: Down) -> io::Result<()> {
        let Some(mut accepting) = lock(&self.accepting).take() else { return Ok(()) };
        accepting.task.abort();
        // Aborted is what was asked for; the listener is closed once the task has ended.
        let _ = (&mut accepting.task).await;
        match (&self.endpoint, down) {
            (Endpoint::Unix(path), Down::Gone) => remove_if_there(path),
            _ => Ok(()),
        }
    }

    /// Listens again after [`stop_listening`](Self::stop_listening), at the same endpoint. Does nothing when it does.
    ///
    /// # Errors
    /// When somebody else took the port meanwhile, or the socket can't be bound.
    pub async fn listen(&self) -> io::Result<()> {
        let mut accepting = lock(&self.accepting);
        if accepting.is_none() {
            if let Endpoint::Unix(path) = &self.endpoint {
                remove_if_there(path)?;
            }
            let (listener, _) = self.endpoint.bind()?;
            *accepting = Some(Accepting::start(listener, Arc::clone(&self.shared)));
        }
        Ok(())
    }

    /// What has gone through so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            connections: self.shared.connections.load(Ordering::SeqCst),
            refused: self.shared.refused.load(Ordering::Relaxed),
            live: self.shared.tasks.len() as u64,
            to_server_bytes: self.shared.to_server_bytes.load(Ordering::Relaxed),
            to_client_bytes: self.shared.to_client_bytes.load(Ordering::Relaxed),
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        lock(&self.accepting).take();
        self.drop_all();
        if let Endpoint::Unix(path) = &self.endpoint {
            // Gone already is as good.
            let _ = remove_if_there(path);
        }
    }
}

impl std::fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultProxy")
            .field("endpoint", &self.endpoint)
            .field("upstream", &self.shared.upstream)
            .field("seed", &self.shared.seed)
            .field("rules", &self.shared.rules.borrow().len())
            .field("counters", &self.counters())
            .finish()
    }
}

impl Accepting {
    fn start(listener: Listener, shared: Arc<Shared>) -> Self {
        Self { task: tokio::spawn(accept(listener, shared)) }
    }
}

async fn accept(listener: Listener, shared: Arc<Shared>) {
    let mut pause = ACCEPT_PAUSE_MIN;
    loop {
        let Ok(client) = listener.accept().await else {
            // Out of descriptors, or a client that has given up: others may still come.
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
            continue;
        };
        pause = ACCEPT_PAUSE_MIN;
        let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
        if shared.rules.borrow().bytes.iter().any(|rule| rule.refuses(number)) {
            shared.refused.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let end = lock(&shared.living).token().child_token();
        let connection = connection(Arc::clone(&shared), number, client);
        shared.tasks.spawn(async move { end.run_until_cancelled(connection).await });
    }
}

async fn connection(shared: Arc<Shared>, number: u64, client: Stream) {
    let Ok(server) = shared.upstream.connect().await else { return };
    let link = Link {
        connection: number,
        seed: shared.seed,
        rules: shared.rules.subscribe(),
        to_server_bytes: &shared.to_server_bytes,
        to_client_bytes: &shared.to_client_bytes,
    };
    pump::run(link, client, server).await;
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn seed_from_environment() -> Option<u64> {
    std::env::var("WHARF_SEED").ok()?.parse().ok()
}

fn random_seed() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
