//! What happened, as it happens.

use jiff::Timestamp;
use tokio::sync::broadcast;

/// How many events a slow subscriber may be behind before it loses the oldest.
const BACKLOG: usize = 4096;

/// Something happened to a pod or a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// To whom.
    pub subject: Subject,
    /// When.
    pub at: Timestamp,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// It was made.
    Created,
    /// It runs. A pod is started when it is created.
    Started,
    /// It stopped, by itself or not.
    Stopped,
    /// It is gone.
    Deleted,
}

/// Whom an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A pod.
    Pod {
        /// Its id.
        id: String,
    },
    /// A container.
    Container {
        /// Its id.
        id: String,
        /// The id of its pod.
        pod: String,
    },
}

#[derive(Debug)]
pub(crate) struct Events(broadcast::Sender<Event>);

impl Events {
    pub(crate) fn new() -> Self {
        Self(broadcast::channel(BACKLOG).0)
    }

    pub(crate) fn pod(&self, kind: EventKind, id: &str) {
        self.send(kind, Subject::Pod { id: id.to_owned() });
    }

    pub(crate) fn container(&self, kind: EventKind, id: &str, pod: &str) {
        self.send(kind, Subject::Container { id: id.to_owned(), pod: pod.to_owned() });
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }

    fn send(&self, kind: EventKind, subject: Subject) {
        // Nobody listening is fine.
        let _ = self.0.send(Event { kind, subject, at: Timestamp::now() });
    }
}
