//! What was asked and answered, to be held against the description of the API afterwards.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// A request and its answer. Bodies can hold secrets, so they are not printed.
#[derive(Clone, PartialEq)]
pub struct Exchange {
    /// The HTTP method.
    pub method: String,
    /// The path, undecoded.
    pub path: String,
    /// The query, undecoded; empty if there is none.
    pub query: String,
    /// The body of the request, if it was JSON.
    pub request: Option<Value>,
    /// The status of the answer; `None` if the connection was dropped.
    pub status: Option<u16>,
    /// The body of the answer, if it was JSON.
    pub answer: Option<Value>,
    /// A fault has made the answer what it is.
    pub injected: bool,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, query, status, injected, .. } = self;
        write!(f, "{method} {path}?{query} -> {status:?}{}", if *injected { " (injected)" } else { "" })
    }
}

/// The exchanges so far, in the order in which they were answered.
#[derive(Debug, Clone, Default)]
pub struct Exchanges(Arc<Mutex<Vec<Exchange>>>);

impl Exchanges {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Exchange> {
        self.lock().clone()
    }

    /// How many there were of a method and a path that fits.
    #[must_use]
    pub fn count(&self, method: &str, fits: impl Fn(&str) -> bool) -> usize {
        self.lock().iter().filter(|exchange| exchange.method == method && fits(&exchange.path)).count()
    }

    /// How many there were.
    #[must_use]
    pub fn total(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn push(&self, exchange: Exchange) {
        self.lock().push(exchange);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Exchange>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
