//! A container VM as it is now, with the version that every change of it counts up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Mutex as AsyncMutex;
use tokio::sync::watch;

use super::Config;
use crate::fake_vic::interaction::Streams;

/// The states that a container VM is shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fake_vic) enum State {
    Created,
    Starting,
    Running,
    Stopping,
    Stopped,
    Removing,
}

impl State {
    pub(in crate::fake_vic) fn name(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Starting => "Starting",
            Self::Running => "Running",
            Self::Stopping => "Stopping",
            Self::Stopped => "Stopped",
            Self::Removing => "Removing",
        }
    }
}

/// A container VM.
pub(in crate::fake_vic) struct Machine {
    pub(in crate::fake_vic) id: String,
    /// vSphere's name for it, as in `VirtualMachine:vm-7`.
    pub(in crate::fake_vic) reference: String,
    /// The engine's pod that stands for it.
    pub(in crate::fake_vic) pod: String,
    /// Held while its power is turned on or off, and while it is removed.
    pub(in crate::fake_vic) turn: AsyncMutex<()>,
    live: Mutex<Live>,
    news: watch::Sender<u64>,
}

/// What changes of a VM.
pub(in crate::fake_vic) struct Live {
    pub(in crate::fake_vic) config: Config,
    pub(in crate::fake_vic) state: State,
    pub(in crate::fake_vic) powered_on: bool,
    /// Goes up with each reconfiguration, each change of power, and whatever the guest writes.
    pub(in crate::fake_vic) version: u64,
    /// How often it was powered on or off: what belongs to an earlier time has no say any more.
    pub(in crate::fake_vic) boot: u32,
    /// What the guest does for each task, by id, since it was powered on.
    pub(in crate::fake_vic) runs: BTreeMap<String, Run>,
    pub(in crate::fake_vic) removed: bool,
}

/// What the guest does for a task.
#[derive(Clone)]
pub(in crate::fake_vic) struct Run {
    pub(in crate::fake_vic) phase: RunPhase,
    /// The engine's container that it is, or runs in; empty before it was launched.
    pub(in crate::fake_vic) container: String,
    /// The streams of a command.
    pub(in crate::fake_vic) streams: Option<Arc<Streams>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fake_vic) enum RunPhase {
    /// It waits for somebody to attach.
    Blocked,
    Launching,
    Running,
    Ended,
}

impl Run {
    pub(in crate::fake_vic) fn new(blocked: bool) -> Self {
        let phase = if blocked { RunPhase::Blocked } else { RunPhase::Launching };
        Self { phase, container: String::new(), streams: None }
    }
}

impl Machine {
    pub(in crate::fake_vic) fn new(
        config: Config,
        reference: String,
        pod: String,
        news: watch::Sender<u64>,
    ) -> Self {
        let live = Live {
            config,
            state: State::Created,
            powered_on: false,
            version: 1,
            boot: 0,
            runs: BTreeMap::new(),
            removed: false,
        };
        let (live, turn) = (Mutex::new(live), AsyncMutex::default());
        let id = lock(&live).config.id.clone();
        Self { id, reference, pod, turn, live, news }
    }

    /// What it is now. Not to be held across anything that waits.
    pub(in crate::fake_vic) fn live(&self) -> MutexGuard<'_, Live> {
        lock(&self.live)
    }

    /// Changes it, and wakes those who wait for a change.
    pub(in crate::fake_vic) fn change<T>(&self, change: impl FnOnce(&mut Live) -> T) -> T {
        let changed = change(&mut self.live());
        self.news.send_modify(|news| *news += 1);
        changed
    }

    /// Waits until it is as wanted.
    pub(in crate::fake_vic) async fn until<T>(&self, fits: impl Fn(&Live) -> Option<T>) -> Option<T> {
        let mut news = self.news.subscribe();
        loop {
            news.mark_unchanged();
            if let Some(found) = fits(&self.live()) {
                return Some(found);
            }
            news.changed().await.ok()?;
        }
    }
}

impl Live {
    /// Whether this is the time since the power was turned on that somebody began in.
    pub(in crate::fake_vic) fn is_boot(&self, boot: u32) -> bool {
        self.powered_on && self.boot == boot
    }
}

/// All container VMs.
#[derive(Default)]
pub(in crate::fake_vic) struct Machines {
    by_id: Mutex<BTreeMap<String, Arc<Machine>>>,
}

impl Machines {
    /// By its id or vSphere's name for it, both in full.
    pub(in crate::fake_vic) fn find(&self, name: &str) -> Option<Arc<Machine>> {
        let by_id = lock(&self.by_id);
        let by_reference = || by_id.values().find(|machine| machine.reference == name);
        by_id.get(name).or_else(by_reference).cloned()
    }

    pub(in crate::fake_vic) fn all(&self) -> Vec<Arc<Machine>> {
        lock(&self.by_id).values().cloned().collect()
    }

    /// `false`: there is one of this id.
    pub(in crate::fake_vic) fn insert(&self, machine: &Arc<Machine>) -> bool {
        let mut by_id = lock(&self.by_id);
        let is_new = !by_id.contains_key(&machine.id);
        if is_new {
            by_id.insert(machine.id.clone(), Arc::clone(machine));
        }
        is_new
    }

    pub(in crate::fake_vic) fn remove(&self, id: &str) {
        lock(&self.by_id).remove(id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
