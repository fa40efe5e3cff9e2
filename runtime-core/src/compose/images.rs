//! The images of a pod: present at the same time, each once.

use std::sync::{Mutex, PoisonError};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared, try_join_all},
};

use super::PodParts;
use crate::{
    Context, Error, ErrorKind, Result,
    helpers::pull_policy::PullPolicy,
    spec::{ContainerSpec, PodSpec},
};

/// What makes one image the same as another.
type Key<'a> = (&'a str, Option<PullPolicy>);

/// Where the first failure goes: many may wait for one pull, and an error can't be given to all of them.
#[derive(Debug, Default)]
pub(super) struct Failure(Mutex<Option<Error>>);

/// Pulls that containers wait for, each for its own. Nothing is pulled before somebody waits.
pub(super) struct Images<'a>(Vec<(Key<'a>, Shared<BoxFuture<'a, bool>>)>);

impl Failure {
    /// The error that made the waiting ones fail.
    pub(super) fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note(&self, error: Error) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

impl<'a> Images<'a> {
    pub(super) fn new<P: PodParts>(
        parts: &'a P,
        cx: &'a Context,
        spec: &'a PodSpec,
        failure: &'a Failure,
    ) -> Self {
        let mut pulls: Vec<(Key<'a>, _)> = Vec::new();
        for (_, container) in spec.all_containers() {
            if pulls.iter().all(|(key, _)| *key != key_of(container)) {
                let pull = async move {
                    let pulled = parts.ensure_image(cx, Some(spec), container).await;
                    pulled.map_err(|error| failure.note(error)).is_ok()
                };
                pulls.push((key_of(container), pull.boxed().shared()));
            }
        }
        Self(pulls)
    }

    /// Waits for a container's image.
    ///
    /// # Errors
    /// That there was one; which, [`Failure`] knows.
    pub(super) async fn of(&self, container: &ContainerSpec) -> Result<()> {
        match self.0.iter().find(|(key, _)| *key == key_of(container)) {
            Some((_, pull)) if !pull.clone().await => Err(missing()),
            _ => Ok(()),
        }
    }

    /// Waits for all, but no longer than until one fails.
    ///
    /// # Errors
    /// As of [`of`](Self::of).
    pub(super) async fn all(&self) -> Result<()> {
        let pulls = self.0.iter().map(|(_, pull)| pull.clone().map(|there| there.then_some(()).ok_or(())));
        try_join_all(pulls).await.map(drop).map_err(|()| missing())
    }
}

fn key_of(container: &ContainerSpec) -> Key<'_> {
    (&container.image.reference, container.pull_policy)
}

fn missing() -> Error {
    Error::new(ErrorKind::Failed, "an image of the pod is not there")
}
