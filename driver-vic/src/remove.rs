//! Removing pods, and what failed calls left.
//!
//! The server refuses to remove what is on, and forgets no address of what it removes: the one comes first, then the other.

use std::time::Duration;

use runtime_core::{
    Context, Error, Leftover, ObjectKind, PodId, Result,
    persist::{Setback, persist},
};

use crate::{driver::VicDriver, patience, translate::status::State};

/// How long the stop may wait for each of its signals after a kill.
const AFTER_KILL_SECONDS: u32 = 1;

impl VicDriver {
    /// Removes a pod. A running one is killed. Missing is fine, and so is what is not wharf's, which is not touched.
    pub(crate) async fn remove_pod(&self, cx: &Context, id: &PodId) -> Result<()> {
        persist(cx, patience::ending(Duration::ZERO), |cx| async move {
            let Some(vm) = self.vm(&cx, id).await? else { return Ok(()) };
            if State::of(&vm).is_on() {
                self.kill(&cx, id).await?;
                self.power_off(&cx, id, AFTER_KILL_SECONDS).await?;
            }
            let is_bound = self.client().is_bound(&cx, id.as_str()).await;
            if is_bound.map_err(|refusal| Setback::if_transient(refusal.error))? {
                self.release(&cx, id).await?;
            }
            match self.client().remove(&cx, id.as_str()).await {
                // That it is not off (409), or vSphere says so (500), may have passed at the next look.
                Err(refusal) if !refusal.is_not_found() => Err(Setback::if_transient(refusal.error)),
                _ => Ok(()),
            }
        })
        .await
    }

    /// Finishes leftovers, by id or by mark.
    pub(crate) async fn reap_all(&self, cx: &Context, leftovers: &[Leftover]) -> Result<()> {
        let (mut failure, mut left) = (None, Vec::new());
        for leftover in leftovers {
            if let Err(error) = self.reap_one(cx, leftover).await {
                left.push(leftover.clone());
                failure = Some(error);
            }
        }
        failure.map_or(Ok(()), |error: Error| Err(error.with_leftovers(left)))
    }

    async fn reap_one(&self, cx: &Context, leftover: &Leftover) -> Result<()> {
        match (leftover.object.kind, &leftover.create_mark) {
            (ObjectKind::Pod, None) => self.remove_pod(cx, &PodId::new(&leftover.object.id)).await,
            (ObjectKind::Pod, Some(mark)) => {
                let marked = self.vms(cx).await?.into_iter().filter(|vm| vm.has_mark(mark));
                for vm in marked {
                    self.remove_pod(cx, &vm.id()).await?;
                }
                Ok(())
            }
            (kind, _) => Err(Error::invalid("leftovers", format!("can't reap an object of kind {kind:?}"))),
        }
    }
}
