//! Which methods were called, and how often. Only names are kept: requests can hold secrets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The calls that a fake has received, in order, by the method's name in the protocol (`RunPodSandbox`).
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<Mutex<Vec<&'static str>>>);

impl Calls {
    /// How often this method was called.
    #[must_use]
    pub fn count(&self, method: &str) -> usize {
        self.lock().iter().filter(|call| **call == method).count()
    }

    /// Every method that was called, with its count.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for call in self.lock().iter() {
            *counts.entry(*call).or_default() += 1;
        }
        counts
    }

    /// The calls in the order they came.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.lock().clone()
    }

    /// Forgets them.
    pub fn clear(&self) {
        self.lock().clear();
    }

    pub(super) fn record(&self, method: &'static str) {
        self.lock().push(method);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<&'static str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
