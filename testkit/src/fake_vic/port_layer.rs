//! What all requests share.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::FakeVicOptions;
use super::containers::{Machine, Machines};
use super::events::Events;
use super::exchanges::Exchanges;
use super::handles::{Handle, Handles};
use super::kv::KeyValues;
use super::reply::Refusal;
use super::scopes::Scopes;
use super::storage::Storage;
use crate::engine::{Engine, random_id};

/// How many letters of a random id a handle has.
const HANDLE_LETTERS: usize = 32;

pub(super) struct PortLayer {
    pub(super) engine: Engine,
    pub(super) options: FakeVicOptions,
    pub(super) machines: Machines,
    pub(super) handles: Handles,
    pub(super) scopes: Scopes,
    pub(super) storage: Storage,
    pub(super) kv: KeyValues,
    pub(super) events: Events,
    pub(super) exchanges: Exchanges,
    /// Goes up with every change of any VM.
    pub(super) news: watch::Sender<u64>,
    /// Ends what goes on beside requests.
    pub(super) end: CancellationToken,
    next_reference: AtomicU64,
    logs: TempDir,
}

impl PortLayer {
    pub(super) fn new(engine: Engine, options: &FakeVicOptions) -> io::Result<Self> {
        let logs = TempDir::with_prefix_in("fake-vic-", engine.state_dir())?;
        Ok(Self {
            machines: Machines::default(),
            handles: Handles::default(),
            scopes: Scopes::default(),
            storage: Storage::with_store(&options.host_uuid),
            kv: KeyValues::default(),
            events: Events::default(),
            exchanges: Exchanges::default(),
            news: watch::Sender::new(0),
            end: CancellationToken::new(),
            next_reference: AtomicU64::new(1),
            options: options.clone(),
            engine,
            logs,
        })
    }

    /// Goes on with something to its end, or to that of the server.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.end.clone().run_until_cancelled_owned(task));
    }

    /// Looks at a handle or changes it.
    pub(super) fn with_handle<T>(
        &self,
        key: &str,
        unknown: Refusal,
        look: impl FnOnce(&mut Handle) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.handles.with(key, look).ok_or(unknown)?
    }

    /// Makes a handle of it.
    pub(super) fn open_handle(&self, handle: Handle) -> Result<String, Refusal> {
        let mut key = random_id().map_err(|error| Refusal::new(500, error.to_string()))?;
        key.truncate(HANDLE_LETTERS);
        self.handles.open(key.clone(), handle);
        Ok(key)
    }

    /// vSphere's name for a new VM.
    pub(super) fn new_reference(&self) -> String {
        format!("VirtualMachine:vm-{}", self.next_reference.fetch_add(1, Ordering::Relaxed))
    }

    /// Where the output of a container's first task is kept.
    pub(super) fn log_path(&self, machine: &str) -> PathBuf {
        self.logs.path().join(format!("{machine}.log"))
    }

    /// The file that holds it is not looked for any more.
    pub(super) async fn remove_log(&self, machine: &str) {
        // One that was never written is as good as gone.
        let _ = tokio::fs::remove_file(self.log_path(machine)).await;
    }

    pub(super) fn logs(&self) -> &Path {
        self.logs.path()
    }

    /// Removes every VM, whatever it does.
    pub(super) async fn clear(self: &Arc<Self>) {
        for machine in self.machines.all() {
            let _turn = machine.turn.lock().await;
            self.cut_power(&machine).await;
            self.forget(&machine).await;
        }
    }

    /// Takes a VM that is off off the disks and out of the list.
    pub(super) async fn forget(&self, machine: &Machine) {
        if let Err(error) = self.engine.remove_pod(&machine.pod).await {
            tracing::warn!(%error, "a VM was left behind");
        }
        self.remove_log(&machine.id).await;
        self.machines.remove(&machine.id);
        machine.change(|live| live.removed = true);
    }
}
