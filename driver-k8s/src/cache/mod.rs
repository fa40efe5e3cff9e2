//! What is known of a namespace's pods, from one watch that all share.
//!
//! A [`Cache`] lists the pods of a namespace in pages, then watches them. It keeps what lists and events show of each pod, and
//! hands whole pods to those who [`follow`](Cache::follow) one. It is started by the first who asks, and ends with the driver.
//!
//! - *A watch that ends* goes on at the version where it ended, so nothing is missed. Servers end each after some minutes.
//! - *A version that is too old*, and an event that can't be read, begin anew with a list. Who follows pods is told of those
//!   that went meanwhile; who follows everything is told that something may have been missed.
//! - *A watch that is silent* counts as dead after [`Config::watch_silence`](crate::Config::watch_silence), and after 10 s at
//!   first while somebody waits for a change. It goes on at its version as well.
//! - *A server that is away* is asked again, after 0.1 s first and every 2 s at most, without end, and at once for whoever wants to
//!   know. Meanwhile nothing is made up: what is kept counts as known only while the watch is live.
//! - *A pod that the server has said to be gone* is [forgotten](Cache::forget) at once, however late the watch is.

mod follow;
mod lines;
mod page;
mod run;
mod store;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use k8s_openapi::api::core::v1::Pod;
use runtime_core::{
    ContainerSummary, Context, Error, ErrorKind, PodId, PodSummary, Result, events::Snapshot,
};
use tokio::sync::{broadcast, watch};
use tokio_util::task::AbortOnDropHandle;

pub(crate) use follow::{Following, Seen};
pub(crate) use store::Entry;

use self::{run::Runner, store::Store};
use crate::{api::Api, client::Client, id::PodKey};

/// The caches of a driver, by namespace.
#[derive(Debug, Default)]
pub(crate) struct Caches(Mutex<HashMap<String, Cache>>);

/// What is known of a namespace's pods. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    shared: Arc<Shared>,
    /// The work ends with the last clone.
    _task: Arc<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    pods: Api<Pod>,
    store: Mutex<Store>,
    state: watch::Sender<State>,
    changes: broadcast::Sender<Change>,
    /// Somebody waits anew: a watch that is dead should be found out soon, and a server that is away be asked.
    hurry: tokio::sync::Notify,
    /// How often somebody wanted to know what is so.
    questions: AtomicU64,
}

/// Whether what is kept is what is so.
#[derive(Debug, Clone)]
enum State {
    /// Nothing is known yet.
    Begun,
    /// The watch is open.
    Live,
    /// The server can't be asked, for this reason; what is kept may be old. As of which question that is so.
    Away(Error, u64),
}

/// What those are told who follow everything.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// Something in this pod.
    Pod(PodId),
    /// Changes may have been missed, for this reason.
    Missed(String),
}

/// How many changes wait for who follows everything.
const ROOM: usize = 4096;

impl Caches {
    /// The cache of a namespace, which begins its work if it is the first time.
    pub(crate) fn of(&self, client: &Client, namespace: &str) -> Cache {
        let mut caches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = caches.entry(namespace.to_owned());
        begun.or_insert_with(|| Cache::begin(client, namespace)).clone()
    }

    /// Lets a pod be gone, as the server has just said, if anything is kept of it.
    pub(crate) fn forget(&self, pod: &PodKey) {
        let caches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cache) = caches.get(&pod.namespace) {
            cache.forget(pod);
        }
    }
}

impl Cache {
    fn begin(client: &Client, namespace: &str) -> Self {
        let shared = Arc::new(Shared {
            pods: Api::of(client, namespace),
            store: Mutex::default(),
            state: watch::Sender::new(State::Begun),
            changes: broadcast::Sender::new(ROOM),
            hurry: tokio::sync::Notify::new(),
            questions: AtomicU64::default(),
        });
        let task = tokio::spawn(Runner::new(Arc::clone(&shared), client.config()).run());
        Self { shared, _task: Arc::new(AbortOnDropHandle::new(task)) }
    }

    /// Waits until everything is known. A server that was away is asked once more.
    ///
    /// # Errors
    /// Why it can't be known now, or the context's end.
    pub(crate) async fn known(&self, cx: &Context) -> Result<()> {
        let mut state = self.shared.state.subscribe();
        let question = self.shared.questions.fetch_add(1, Ordering::Relaxed) + 1;
        if matches!(*state.borrow(), State::Away(..)) {
            self.shared.hurry.notify_one();
        }
        let waiting = state.wait_for(|state| match state {
            State::Begun => false,
            State::Live => true,
            // What was found out before is no answer.
            State::Away(_, asked) => *asked >= question,
        });
        match cx.run(async { Ok(waiting.await.map(|state| state.clone())) }).await? {
            Ok(State::Away(error, _)) => Err(error),
            Ok(State::Live | State::Begun) => Ok(()),
            Err(_) => Err(Error::new(ErrorKind::Cancelled, "the driver has ended")),
        }
    }

    /// The pods that fit. Shared, not copied.
    pub(crate) fn pods(&self, fits: impl Fn(&PodSummary) -> bool) -> Vec<PodSummary> {
        let store = self.shared.store();
        store.entries().map(|entry| &entry.summary).filter(|pod| fits(pod)).cloned().collect()
    }

    /// The containers that fit.
    pub(crate) fn containers(&self, fits: impl Fn(&ContainerSummary) -> bool) -> Vec<ContainerSummary> {
        // Copies take their time, in which the watch is not to wait.
        let all: Vec<_> = self.shared.store().entries().map(|entry| Arc::clone(&entry.containers)).collect();
        all.iter().flat_map(|containers| containers.iter()).filter(|one| fits(one)).cloned().collect()
    }

    /// What is kept of one pod.
    pub(crate) fn entry(&self, name: &str) -> Option<Entry> {
        self.shared.store().entry(name).cloned()
    }

    /// Everything, for events.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let entries: Vec<Entry> = self.shared.store().entries().cloned().collect();
        let containers = entries.iter().flat_map(|entry| entry.containers.iter().cloned()).collect();
        Snapshot::new(entries.into_iter().map(|entry| entry.summary).collect(), containers)
    }

    /// Lets a pod be gone.
    fn forget(&self, pod: &PodKey) {
        let gone = self.shared.store().forget(pod);
        self.shared.tell(gone);
    }

    /// What changes from now on.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Change> {
        self.shared.changes.subscribe()
    }

    /// Every change from now on of the pod of this name, whole.
    pub(crate) fn follow(&self, name: &str) -> Following {
        Following::new(&self.shared, name)
    }
}

impl Shared {
    fn store(&self) -> std::sync::MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a pod as it is now, and tells who wants to know.
    fn apply(&self, pod: Pod) {
        let changed = self.store().apply(pod);
        self.tell(changed);
    }

    /// Tells who follows everything. Nobody listening is fine.
    fn tell(&self, changed: impl IntoIterator<Item = PodId>) {
        for pod in changed {
            drop(self.changes.send(Change::Pod(pod)));
        }
    }
}

#[cfg(test)]
mod tests;
