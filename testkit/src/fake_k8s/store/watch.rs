//! Following the changes of a resource.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use futures::stream::{self, Stream};
use serde_json::Value;
use tokio::sync::watch::Receiver;

use super::history::Change;
use super::{EventType, Resource, Selection, Store};
use crate::fake_k8s::Refusal;

/// A change as a watch tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What happened.
    pub kind: EventType,
    /// The object after it.
    pub object: Arc<Value>,
}

/// From where a watch tells changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// What is there first, as if it was just added; then what changes.
    Start,
    /// The changes after this version.
    Version(u64),
}

/// A watch of one resource. It holds nothing but its place in the store's history, so a slow reader costs nothing, and
/// falls out of the history if it is too slow.
#[derive(Debug)]
pub struct Watch {
    store: Store,
    resource: Resource,
    selection: Selection,
    version: u64,
    initial: VecDeque<Arc<Value>>,
    news: Receiver<u64>,
}

impl Store {
    /// Watches a resource.
    #[must_use]
    pub fn watch(&self, resource: Resource, from: From) -> Watch {
        self.watch_selected(resource, Selection::default(), from)
    }

    /// Watches the objects of a resource that fit the selection.
    #[must_use]
    pub fn watch_selected(&self, resource: Resource, selection: Selection, from: From) -> Watch {
        let state = self.lock();
        let (version, initial) = match from {
            From::Start => (state.version, state.selected(resource, &selection).cloned().collect()),
            From::Version(version) => (version, VecDeque::new()),
        };
        let news = state.news.subscribe();
        drop(state);
        Watch { store: self.clone(), resource, selection, version, initial, news }
    }
}

impl Watch {
    /// Waits for the next event. Dropping the future loses none.
    ///
    /// # Errors
    /// 410 if what comes next is forgotten already; the watch is of no use then.
    pub async fn next(&mut self) -> Result<Event, Refusal> {
        loop {
            // Before looking, so that what comes after the look is news.
            self.news.borrow_and_update();
            if let Some(event) = self.take()? {
                return Ok(event);
            }
            if self.news.changed().await.is_err() {
                // The sender lives in the store that this holds.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Up to where everything was told: the version for a bookmark. `None` while objects of the start are left.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.initial.is_empty().then_some(self.version)
    }

    /// The events as a stream, which ends after an error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Event, Refusal>> + Send {
        stream::unfold(Some(self), |watch| async move {
            let mut watch = watch?;
            let event = watch.next().await;
            let rest = event.is_ok().then_some(watch);
            Some((event, rest))
        })
    }

    fn take(&mut self) -> Result<Option<Event>, Refusal> {
        if let Some(object) = self.initial.pop_front() {
            return Ok(Some(Event { kind: EventType::Added, object }));
        }
        let state = self.store.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = state.history.oldest();
        if self.version < oldest {
            return Err(Refusal::too_old(self.version, oldest));
        }
        while let Some(change) = state.history.next(self.resource, self.version) {
            self.version = change.version;
            if let Some(event) = told(change, &self.selection) {
                return Ok(Some(event));
            }
        }
        self.version = self.version.max(state.version);
        Ok(None)
    }
}

/// What a watch with this selection tells of a change.
fn told(change: &Change, selection: &Selection) -> Option<Event> {
    let did_fit = change.before.as_ref().is_some_and(|before| selection.fits(before));
    let fits = !change.is_deletion && selection.fits(&change.object);
    let kind = match (did_fit, fits) {
        (false, true) => EventType::Added,
        (true, true) => EventType::Modified,
        (true, false) => EventType::Deleted,
        (false, false) => return None,
    };
    Some(Event { kind, object: Arc::clone(&change.object) })
}
