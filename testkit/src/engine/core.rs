//! The engine itself: starting it, its end, and what its parts share.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::broadcast;

use super::entry::Entry;
use super::event::Events;
use super::image::ImageTable;
use super::isolation::{Abilities, probe};
use super::process::{ProcessTable, kill_tree, lock};
use super::rootfs::remove_tree;
use super::space::Space;
use super::{EngineError, EngineOptions, Event, Faults, Isolation, Pod};

/// How long the end of an engine waits for killed processes.
const LAST_WAIT: Duration = Duration::from_secs(10);

/// Runs pods, containers and commands as processes of this host. Cheap to clone; when the last clone is dropped,
/// everything it runs is killed and removed, in the background. [`Engine::shutdown`] does that and waits.
///
/// What is documented to create, start, stop or remove goes on to its end when its future is dropped, except that a
/// dropped create leaves nothing behind. The engine has its own small runtime, so its futures can be awaited on any.
#[derive(Debug, Clone)]
pub struct Engine {
    owner: Arc<Owner>,
}

/// What the tasks of an engine hold on to; it does not keep the engine alive.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) state_dir: PathBuf,
    pub(crate) abilities: Abilities,
    pub(crate) runtime: Handle,
    pub(crate) pods: Mutex<BTreeMap<String, Pod>>,
    /// What ready pods have of their own.
    pub(crate) spaces: Mutex<BTreeMap<String, Arc<Space>>>,
    pub(crate) containers: Mutex<BTreeMap<String, Arc<Entry>>>,
    pub(crate) images: ImageTable,
    pub(crate) events: Events,
    pub(crate) faults: Faults,
    pub(crate) processes: Arc<ProcessTable>,
    /// Held while a container is added, so that two cannot get one name.
    pub(crate) inserting: Mutex<()>,
    closed: AtomicBool,
}

#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
    runtime: Mutex<Option<Runtime>>,
}

impl Engine {
    /// Starts an engine.
    ///
    /// # Errors
    /// When the state directory cannot be made or holds another engine's state (a dead one's can be
    /// [swept](super::sweep)), or an isolation is forced that does not work here.
    pub async fn start(options: EngineOptions) -> Result<Self, EngineError> {
        let state_dir = make_state_dir(options.state_dir.as_deref())?;
        let started = Self::start_in(&state_dir, options.isolation).await;
        if started.is_err() {
            let _ = remove_tree(&state_dir);
        }
        started
    }

    async fn start_in(state_dir: &Path, isolation: Option<Isolation>) -> Result<Self, EngineError> {
        let failed = |error| EngineError::io(format!("state directory {}", state_dir.display()), error);
        let processes = Arc::new(ProcessTable::create(state_dir).map_err(failed)?);
        let images = ImageTable::create(state_dir).map_err(failed)?;
        let mut abilities = probe(state_dir, isolation).await?;
        // These have a meaning in the options of an overlay mount.
        abilities.overlay &= !state_dir.to_string_lossy().contains([',', ':', '\\']);
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("engine")
            .enable_all()
            .build()
            .map_err(|error| EngineError::io("start a runtime", error))?;
        let shared = Shared {
            state_dir: state_dir.to_path_buf(),
            abilities,
            runtime: runtime.handle().clone(),
            pods: Mutex::default(),
            spaces: Mutex::default(),
            containers: Mutex::default(),
            images,
            events: Events::new(),
            faults: Faults::default(),
            processes,
            inserting: Mutex::default(),
            closed: AtomicBool::new(false),
        };
        fs::create_dir_all(shared.containers_dir()).map_err(failed)?;
        let owner = Owner { shared: Arc::new(shared), runtime: Mutex::new(Some(runtime)) };
        Ok(Self { owner: Arc::new(owner) })
    }

    /// How containers are kept apart from the host here.
    pub fn isolation(&self) -> Isolation {
        self.shared().abilities.isolation
    }

    /// Whether pods can have networks of their own here.
    pub fn has_networks(&self) -> bool {
        self.isolation() == Isolation::Chroot && super::network::available()
    }

    /// Where state lives.
    pub fn state_dir(&self) -> &Path {
        &self.shared().state_dir
    }

    /// What happens from now on. A subscriber that is too slow is told how many events it has lost.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.shared().events.subscribe()
    }

    /// Failures on demand.
    pub fn faults(&self) -> Faults {
        self.shared().faults.clone()
    }

    /// Ends every process and removes everything. Later calls fail with [`EngineError::ShutDown`]; a second shutdown
    /// is fine.
    ///
    /// # Errors
    /// When a process does not end within 10 seconds of being killed, or the directory cannot be removed.
    pub async fn shutdown(&self) -> Result<(), EngineError> {
        let runtime = lock(&self.owner.runtime).take();
        let Some(runtime) = runtime else { return Ok(()) };
        let shared = Arc::clone(self.shared());
        let ended = super::spawn::on_thread("shutdown", move || {
            let ended = shared.end(&runtime);
            runtime.shutdown_background();
            ended
        });
        ended.await
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.owner.shared
    }
}

impl Shared {
    pub(crate) fn containers_dir(&self) -> PathBuf {
        self.state_dir.join("containers")
    }

    pub(crate) fn check_open(&self) -> Result<(), EngineError> {
        if self.closed.load(Ordering::SeqCst) { Err(EngineError::ShutDown) } else { Ok(()) }
    }

    /// Runs `task` on the engine's runtime, to its end even if the caller goes away.
    pub(crate) async fn to_the_end<T: Send + 'static>(
        &self,
        task: impl Future<Output = Result<T, EngineError>> + Send + 'static,
    ) -> Result<T, EngineError> {
        self.check_open()?;
        self.runtime.spawn(task).await.map_err(|_| EngineError::ShutDown)?
    }

    /// Runs blocking work aside.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        self.runtime.spawn_blocking(work).await.map_err(|_| EngineError::ShutDown)?
    }

    /// The end: blocks until everything is gone.
    fn end(&self, runtime: &Runtime) -> Result<(), EngineError> {
        self.close();
        // What was on its way when the doors closed may still have started a process: look again until it is quiet.
        let quiet =
            runtime.block_on(async { tokio::time::timeout(LAST_WAIT, self.processes.idle(kill_tree)).await });
        let entries = std::mem::take(&mut *lock(&self.containers));
        runtime.block_on(async {
            for entry in entries.values() {
                let _ = tokio::time::timeout(LAST_WAIT, entry.settled()).await;
            }
        });
        drop(entries);
        let spaces = std::mem::take(&mut *lock(&self.spaces));
        let closing = futures::future::join_all(spaces.into_values().map(Space::close));
        let _ = runtime.block_on(async { tokio::time::timeout(LAST_WAIT, closing).await });
        lock(&self.pods).clear();
        self.images.clear();
        remove_tree(&self.state_dir).map_err(|error| EngineError::io("remove the state directory", error))?;
        quiet
            .map_err(|_| EngineError::io("end processes", std::io::Error::from(std::io::ErrorKind::TimedOut)))
    }

    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.faults.clear();
        for process in self.processes.live() {
            kill_tree(process.pid);
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let Some(runtime) = lock(&self.runtime).take() else { return };
        // The kill and the bulk of the removal at once: the program may end before a thread gets to run.
        self.shared.close();
        let _ = remove_tree(&self.shared.state_dir);
        let shared = Arc::clone(&self.shared);
        let (hand_over, take_over) = std::sync::mpsc::channel::<Runtime>();
        let ending = std::thread::Builder::new().name("engine-drop".into()).spawn(move || {
            if let Ok(runtime) = take_over.recv() {
                let _ = shared.end(&runtime);
                runtime.shutdown_background();
            }
        });
        match ending {
            Ok(_) => {
                if let Err(unsent) = hand_over.send(runtime) {
                    unsent.0.shutdown_background();
                }
            }
            Err(_) => runtime.shutdown_background(),
        }
    }
}

/// 64 random hexadecimal digits.
pub(crate) fn random_id() -> Result<String, EngineError> {
    let mut bytes = [0_u8; 32];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .map_err(|error| EngineError::io("get random bytes", error))?;
    Ok(hex(&bytes))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn make_state_dir(wanted: Option<&Path>) -> Result<PathBuf, EngineError> {
    match wanted {
        Some(path) => {
            let failed = |error| EngineError::io(format!("state directory {}", path.display()), error);
            fs::create_dir_all(path).map_err(failed)?;
            let path = fs::canonicalize(path).map_err(failed)?;
            if fs::read_dir(&path).map_err(failed)?.next().is_some() {
                return Err(failed(std::io::Error::from(std::io::ErrorKind::DirectoryNotEmpty)));
            }
            Ok(path)
        }
        None => tempfile::Builder::new()
            .prefix("wharf-engine-")
            .tempdir()
            .map(tempfile::TempDir::keep)
            .map_err(|error| EngineError::io("make a state directory", error)),
    }
}
