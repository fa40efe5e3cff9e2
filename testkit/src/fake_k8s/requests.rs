//! Which requests came. No bodies and no headers but the client's name: requests can hold secrets.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// What it was about, as faults name it: `POST pods`, `LIST pods`, `WATCH pods`, `GET pods/exec`, `GET /version`.
    pub operation: String,
    /// The path.
    pub path: String,
    /// The query, undecoded; empty if there is none.
    pub query: String,
    /// How the client calls itself.
    pub user_agent: String,
    /// The status of the answer, once there is one.
    pub status: Option<u16>,
}

/// The requests so far, in the order in which they came.
#[derive(Debug, Clone)]
pub struct Requests(Arc<Log>);

#[derive(Debug)]
struct Log {
    requests: Mutex<Vec<Request>>,
    news: watch::Sender<usize>,
}

/// A request that is to be answered.
#[derive(Debug)]
pub(super) struct Open {
    requests: Requests,
    index: usize,
}

impl Default for Requests {
    fn default() -> Self {
        Self(Arc::new(Log { requests: Mutex::default(), news: watch::Sender::new(0) }))
    }
}

impl Requests {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Request> {
        self.lock().clone()
    }

    /// How many there were of an operation (`POST pods`).
    #[must_use]
    pub fn count(&self, operation: &str) -> usize {
        self.lock().iter().filter(|request| request.operation == operation).count()
    }

    /// How many there were.
    #[must_use]
    pub fn total(&self) -> usize {
        self.lock().len()
    }

    /// Waits until one has been answered that fits. Returns at once if there was one already.
    pub async fn wait_for(&self, fits: impl Fn(&Request) -> bool) {
        let mut news = self.0.news.subscribe();
        while !self.lock().iter().any(&fits) {
            if news.changed().await.is_err() {
                return;
            }
        }
    }

    pub(super) fn open(&self, request: Request) -> Open {
        let mut requests = self.lock();
        requests.push(request);
        self.0.news.send_modify(|news| *news += 1);
        Open { requests: self.clone(), index: requests.len() - 1 }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Request>> {
        self.0.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    pub(super) fn answered(self, status: u16) {
        if let Some(request) = self.requests.lock().get_mut(self.index) {
            request.status = Some(status);
        }
        self.requests.0.news.send_modify(|news| *news += 1);
    }
}
