//! Pulls on their way: callers who want the same image from the same hand share one.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};

use futures::Stream;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::pull::fetch;
use super::{Credentials, HOST_IMAGE, ImageRecord, Reference};
use crate::engine::process::lock;
use crate::engine::{Engine, EngineError};

/// A pull, as a stream that ends with [`PullEvent::Done`] or an error. When everybody who shares it has dropped
/// theirs, it is given up and leaves nothing behind.
pub struct Pull(BoxStream<'static, Result<PullEvent, EngineError>>);

/// News of a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullEvent {
    /// How far the layers are; empty until the manifest is there. A slow reader misses some.
    Progress(Vec<LayerProgress>),
    /// The image is here.
    Done(Arc<ImageRecord>),
}

/// How far a layer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerProgress {
    /// Its digest.
    pub digest: String,
    /// Bytes that have come.
    pub done_bytes: u64,
    /// Bytes that are to come in all.
    pub total_bytes: u64,
}

impl Engine {
    /// Pulls an image from a registry on loopback, over plain HTTP. The built-in image is always here. Nothing happens
    /// unless the pull is polled once. Fault name `pull_image`.
    pub fn pull(&self, reference: &str, credentials: Option<Credentials>) -> Pull {
        let engine = self.clone();
        let reference = reference.to_owned();
        let opened = async move {
            match engine.join_flight(&reference, credentials) {
                Ok(Joined::Here(record)) => stream::iter([Ok(PullEvent::Done(record))]).boxed(),
                Ok(Joined::Flight(flight)) => flight.events(),
                Err(error) => stream::iter([Err(error)]).boxed(),
            }
        };
        Pull(stream::once(opened).flatten().boxed())
    }

    fn join_flight(&self, text: &str, credentials: Option<Credentials>) -> Result<Joined, EngineError> {
        let shared = self.shared();
        shared.check_open()?;
        let reference = Reference::parse(text)?;
        if reference.to_string() == HOST_IMAGE {
            return Ok(Joined::Here(self.image(HOST_IMAGE)?));
        }
        let key = (reference, credentials);
        let mut flights = lock(&shared.images.flights.0);
        flights.retain(|_, flight| flight.strong_count() > 0);
        if let Some(flight) = flights.get(&key).and_then(Weak::upgrade).filter(|flight| flight.is_open()) {
            return Ok(Joined::Flight(flight));
        }
        let (sender, state) = watch::channel(State::Going(Vec::new()));
        let (task, (reference, credentials)) = (Arc::clone(shared), key.clone());
        let running = shared.runtime.spawn(async move {
            let progress = |layers: &[LayerProgress]| {
                sender.send_replace(State::Going(layers.to_vec()));
            };
            let fetched =
                task.faults.around("pull_image", fetch(&task, &reference, credentials.as_ref(), progress));
            let fetched = fetched.await;
            sender.send_replace(State::Ended(fetched));
        });
        let flight = Arc::new(Flight { state, task: running.abort_handle() });
        flights.insert(key, Arc::downgrade(&flight));
        Ok(Joined::Flight(flight))
    }
}

impl Pull {
    /// Waits for the end and leaves out the progress.
    ///
    /// # Errors
    /// [`EngineError::Pull`] with the reason; [`EngineError::InvalidArgument`] for what is not a reference.
    pub async fn finish(mut self) -> Result<Arc<ImageRecord>, EngineError> {
        while let Some(event) = self.next().await {
            if let PullEvent::Done(record) = event? {
                return Ok(record);
            }
        }
        Err(EngineError::ShutDown)
    }
}

impl fmt::Debug for Pull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pull")
    }
}

impl Stream for Pull {
    type Item = Result<PullEvent, EngineError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

enum Joined {
    Here(Arc<ImageRecord>),
    Flight(Arc<Flight>),
}

type Key = (Reference, Option<Credentials>);

/// Those that somebody waits for.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<Key, Weak<Flight>>>);

impl Flights {
    /// Gives all of them up.
    pub(super) fn clear(&self) {
        for flight in lock(&self.0).drain().filter_map(|(_, flight)| flight.upgrade()) {
            flight.task.abort();
        }
    }
}

#[derive(Debug)]
struct Flight {
    state: watch::Receiver<State>,
    task: AbortHandle,
}

#[derive(Debug, Clone)]
enum State {
    Going(Vec<LayerProgress>),
    Ended(Result<Arc<ImageRecord>, EngineError>),
}

impl Flight {
    fn is_open(&self) -> bool {
        matches!(*self.state.borrow(), State::Going(_)) && self.state.has_changed().is_ok()
    }

    fn events(self: Arc<Self>) -> BoxStream<'static, Result<PullEvent, EngineError>> {
        let mut state = self.state.clone();
        state.mark_changed();
        stream::unfold(Some((self, state)), async |open| {
            let (flight, mut state) = open?;
            if state.changed().await.is_err() {
                return Some((Err(EngineError::ShutDown), None));
            }
            let now = state.borrow_and_update().clone();
            match now {
                State::Going(layers) => Some((Ok(PullEvent::Progress(layers)), Some((flight, state)))),
                State::Ended(ended) => Some((ended.map(PullEvent::Done), None)),
            }
        })
        .boxed()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.task.abort();
    }
}
