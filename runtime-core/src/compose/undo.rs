//! Undoing what a create made, at once or later.

use std::sync::Arc;

use super::PodParts;
use crate::{ContainerId, Context, Error, Leftover, ObjectKind, PodId, Recorder, Result};

/// Records what a create may make, to be undone as [`reap`] would.
pub(super) fn record<P: PodParts>(parts: &Arc<P>, recorder: &Recorder, leftover: Leftover) {
    let parts = Arc::clone(parts);
    recorder.record(leftover, |cx, leftover| async move { reap_one(&*parts, &cx, &leftover).await });
}

/// Finishes leftovers, by id or by mark.
///
/// # Errors
/// The last failure, with everything that is still left.
pub async fn reap<P: PodParts>(parts: &P, cx: &Context, leftovers: &[Leftover]) -> Result<()> {
    let mut failure: Option<Error> = None;
    let mut left = Vec::new();
    for leftover in leftovers {
        if let Err(error) = reap_one(parts, cx, leftover).await {
            left.push(leftover.clone());
            failure = Some(error);
        }
    }
    failure.map_or(Ok(()), |error| Err(error.with_leftovers(left)))
}

async fn reap_one<P: PodParts>(parts: &P, cx: &Context, leftover: &Leftover) -> Result<()> {
    match (leftover.object.kind, &leftover.create_mark) {
        (ObjectKind::Pod, None) => parts.remove_sandbox(cx, &PodId::new(&leftover.object.id)).await,
        (ObjectKind::Pod, Some(mark)) => match parts.find_sandbox(cx, mark).await? {
            Some(id) => parts.remove_sandbox(cx, &id).await,
            None => Ok(()),
        },
        (ObjectKind::Container, None) => {
            parts.containers().remove(cx, &ContainerId::new(&leftover.object.id)).await
        }
        (ObjectKind::Container, Some(mark)) => match parts.find_container(cx, mark).await? {
            Some(id) => parts.containers().remove(cx, &id).await,
            None => Ok(()),
        },
        (kind, _) => Err(Error::invalid("leftovers", format!("can't reap an object of kind {kind:?}"))),
    }
}
