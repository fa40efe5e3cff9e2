//! The daemons that this driver watches: those that run, whoever started them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use runtime_core::{Error, ErrorKind, Object, PodId, PodPhase, Result};
use tokio::sync::watch;

use crate::{
    api::Client,
    driver::NydusDriver,
    look::Look,
    process::{check::Places, exit::Watching, identity::Held},
    state::Record,
};

/// Daemons by pod.
#[derive(Debug, Default)]
pub(crate) struct Daemons(Mutex<HashMap<PodId, Arc<Running>>>);

/// A daemon that runs, or has run a moment ago.
#[derive(Debug)]
pub(crate) struct Running {
    record: Record,
    client: Client,
    /// It serves all it shall.
    ready: AtomicBool,
    watching: Watching,
}

impl Running {
    pub(crate) fn new(record: Record, client: Client, watching: Watching, ready: bool) -> Arc<Self> {
        Arc::new(Self { record, client, ready: AtomicBool::new(ready), watching })
    }

    /// Its API, on a connection that all calls share.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Where its things are.
    pub(crate) fn places(&self) -> &Places {
        &self.record.places
    }

    /// Becomes true when its end is written down and everything is cleared away.
    pub(crate) fn ended(&self) -> watch::Receiver<bool> {
        self.watching.ended()
    }

    pub(crate) fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    fn serves(&self) -> bool {
        self.ready.load(Ordering::Relaxed) && !self.watching.has_ended()
    }
}

impl Daemons {
    pub(crate) fn get(&self, id: &PodId) -> Option<Arc<Running>> {
        self.lock().get(id).cloned()
    }

    /// Adds one, unless it is there.
    pub(crate) fn add(&self, id: &PodId, make: impl FnOnce() -> Arc<Running>) -> Arc<Running> {
        Arc::clone(self.lock().entry(id.clone()).or_insert_with(make))
    }

    /// Forgets one that has been removed.
    pub(crate) fn forget(&self, id: &PodId) {
        self.lock().remove(id);
    }

    /// Forgets those that have ended.
    pub(crate) fn prune(&self) {
        self.lock().retain(|_, running| !running.watching.has_ended());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PodId, Arc<Running>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NydusDriver {
    /// The daemon of a pod that runs. One that this driver knows is not looked for again.
    ///
    /// # Errors
    /// `NotFound` for a missing pod, `InvalidState` for one that does not run.
    pub(crate) async fn running(&self, id: &PodId) -> Result<Arc<Running>> {
        if let Some(running) = self.daemons().get(id).filter(|running| running.serves()) {
            return Ok(running);
        }
        let Some((look, running)) = self.look(id).await? else {
            return Err(Error::not_found(Object::pod(id.as_str())));
        };
        running.filter(|_| look.standing.phase == PodPhase::Running).ok_or_else(|| {
            let message = format!("the pod is {}, not running", look.standing.phase);
            Error::new(ErrorKind::InvalidState, message).with_object(Object::pod(id.as_str()))
        })
    }

    /// Watches a daemon that others started, unless it is watched.
    pub(crate) fn watch(&self, look: &Look, process: Held) -> Arc<Running> {
        let record = &look.found.record;
        let ready = look.standing.phase == PodPhase::Running;
        let running = self.daemons().add(&record.id, || {
            let watching = Watching::other(self.store().clone(), record.clone(), process);
            Running::new(record.clone(), Client::new(record.places.api_socket.clone()), watching, ready)
        });
        if ready {
            running.set_ready();
        }
        running
    }
}
