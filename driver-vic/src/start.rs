//! Starting a pod.
//!
//! An address is given and taken back at once and for all, whatever becomes of the commit. So one is taken back only when the VM
//! is seen to be off: another call may have started it meanwhile, with this very address.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};

use runtime_core::{
    Context, Error, ErrorKind, Object, PodId, Result,
    persist::{Setback, persist},
};

use crate::{
    api::Target,
    driver::VicDriver,
    patience::{self, Pauses, of_handle},
    translate::status::{State, launch_error},
};

/// How long a start may take that must not be interrupted: the server gives the guest three minutes.
const START_TIMEOUT: Duration = Duration::from_secs(240);

/// How long giving an address back may take.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(30);

impl VicDriver {
    /// Starts a pod, and returns when its first task was launched. One that runs is fine.
    pub(crate) async fn start_pod(&self, cx: &Context, id: &PodId) -> Result<()> {
        let (tries, is_bound) = (AtomicU32::new(0), AtomicBool::new(false));
        // A commit that was cut may go on, and nobody would know what became of it.
        let own = cx.fresh(START_TIMEOUT);
        let starting = persist(&own, patience::conflicts(), |step| {
            tries.fetch_add(1, Ordering::Relaxed);
            let is_bound = &is_bound;
            async move {
                cx.check()?;
                self.start_once(&step, id, is_bound).await
            }
        });
        let started = match starting.await {
            // The try before may have been the one that started it, and is not waited for then.
            Ok(()) if tries.load(Ordering::Relaxed) > 1 => self.until_launched(cx, id).await,
            done => done,
        };
        if started.is_err() && is_bound.load(Ordering::Relaxed) {
            self.release_if_off(&cx.fresh(RELEASE_TIMEOUT), id).await;
        }
        started
    }

    async fn start_once(&self, cx: &Context, id: &PodId, is_bound: &AtomicBool) -> Result<(), Setback> {
        let client = self.client();
        let handle = match client.open(cx, id.as_str()).await {
            Ok(handle) => handle,
            // The server also says so when it could not look.
            Err(refusal) if refusal.is_not_found() => {
                self.require(cx, id).await?;
                return Err(of_handle(refusal));
            }
            Err(refusal) => return Err(of_handle(refusal)),
        };
        // One whose answer is lost may have bound.
        is_bound.store(true, Ordering::Relaxed);
        let handle = client.bind_scopes(cx, &handle).await.map_err(of_handle)?;
        let handle = client.set_state(cx, &handle, Target::Running).await.map_err(of_handle)?;
        client.commit(cx, &handle, None).await.map_err(of_handle)
    }

    /// Waits until the first task of a VM that is starting was launched.
    async fn until_launched(&self, cx: &Context, id: &PodId) -> Result<()> {
        let mut pauses = Pauses::new();
        loop {
            let vm = self.require(cx, id).await?;
            if let Some(why) = launch_error(&vm.info.process_config) {
                return Err(Error::new(ErrorKind::Failed, why).with_object(Object::pod(id.as_str())));
            }
            match State::of(&vm) {
                State::Starting => pauses.pause(cx).await?,
                State::Created => {
                    let message = "the server says that the pod was started, and that it was not";
                    return Err(Error::new(ErrorKind::Protocol, message));
                }
                // One that has ended already has run.
                _ => return Ok(()),
            }
        }
    }

    /// Takes back the addresses of a pod that did not start.
    async fn release_if_off(&self, cx: &Context, id: &PodId) {
        let releasing = async {
            match self.vm(cx, id).await? {
                Some(vm) if !State::of(&vm).is_on() => self.release(cx, id).await,
                // What is on has its address, and gives it back when it goes off.
                _ => Ok(()),
            }
        };
        if let Err(error) = releasing.await {
            tracing::warn!(pod = %id, %error, "can't give the address of a pod back that did not start");
        }
    }

    /// Takes back the addresses of a VM that is off and stays so. That is done at once; a commit has no part in it.
    pub(crate) async fn release(&self, cx: &Context, id: &PodId) -> Result<()> {
        persist(cx, patience::conflicts(), |cx| async move {
            let handle = match self.client().open(&cx, id.as_str()).await {
                Err(refusal) if refusal.is_not_found() && self.vm(&cx, id).await?.is_none() => return Ok(()),
                handle => handle.map_err(of_handle)?,
            };
            self.client().unbind_scopes(&cx, &handle).await.map(drop).map_err(of_handle)
        })
        .await
    }
}

#[cfg(test)]
mod tests;
