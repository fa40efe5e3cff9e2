//! Stopping a pod.
//!
//! The stop signal goes to the first task. When the grace period has passed the server kills that, and after as much time again
//! it turns the power off; so containers other than the first may run for two grace periods.

use std::time::Duration;

use runtime_core::{
    Context, PodId, Result, StopOptions,
    persist::{Setback, persist},
};

use crate::{
    api::Target,
    driver::VicDriver,
    patience::{self, of_handle},
    translate::status::State,
};

/// The number of the signal that the server turns the power off for.
const KILL: i32 = 9;

impl VicDriver {
    pub(crate) async fn stop_pod(&self, cx: &Context, id: &PodId, options: &StopOptions) -> Result<()> {
        let grace = options.grace_period;
        let stopped = persist(cx, patience::ending(grace.saturating_mul(2)), |cx| async move {
            match self.vm(&cx, id).await? {
                Some(vm) if State::of(&vm).is_on() => {}
                _ => return Ok(false),
            }
            if grace.is_zero() {
                self.kill(&cx, id).await?;
            }
            self.power_off(&cx, id, whole_seconds(grace)).await.map(|()| true)
        });
        if stopped.await? {
            // Only now: others may have the address as soon as it is given back.
            self.unbind(cx, id).await?;
        }
        Ok(())
    }

    /// Ends everything in a VM at once. One that is off, or gone, is fine.
    pub(crate) async fn kill(&self, cx: &Context, id: &PodId) -> Result<(), Setback> {
        match self.client().signal(cx, id.as_str(), KILL).await {
            Err(refusal) if !refusal.is_not_found() => Err(Setback::if_transient(refusal.error)),
            _ => Ok(()),
        }
    }

    /// Stops a VM. One that is off, or gone, is fine.
    pub(crate) async fn power_off(&self, cx: &Context, id: &PodId, wait_seconds: u32) -> Result<(), Setback> {
        let client = self.client();
        let handle = match client.open(cx, id.as_str()).await {
            Err(refusal) if refusal.is_not_found() && self.vm(cx, id).await?.is_none() => return Ok(()),
            handle => handle.map_err(of_handle)?,
        };
        let handle = client.set_state(cx, &handle, Target::Stopped).await.map_err(of_handle)?;
        client.commit(cx, &handle, Some(wait_seconds)).await.map_err(of_handle)
    }

    /// Gives the addresses of a VM back that was stopped, and has the VM know it.
    async fn unbind(&self, cx: &Context, id: &PodId) -> Result<()> {
        persist(cx, patience::conflicts(), |cx| async move {
            let client = self.client();
            let handle = match client.open(&cx, id.as_str()).await {
                Err(refusal) if refusal.is_not_found() && self.vm(&cx, id).await?.is_none() => return Ok(()),
                handle => handle.map_err(of_handle)?,
            };
            let handle = client.unbind_scopes(&cx, &handle).await.map_err(of_handle)?;
            client.commit(&cx, &handle, None).await.map_err(of_handle)
        })
        .await
    }
}

/// A grace period as the server has them: whole seconds, and zero would be its own choice.
pub(crate) fn whole_seconds(grace: Duration) -> u32 {
    let seconds = grace.as_secs().saturating_add(u64::from(grace.subsec_nanos() > 0));
    u32::try_from(seconds).unwrap_or(i32::MAX.unsigned_abs()).clamp(1, i32::MAX.unsigned_abs())
}

#[cfg(test)]
mod tests;
