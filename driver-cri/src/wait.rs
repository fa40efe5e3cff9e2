//! Waiting for a container's end.
//!
//! CRI has no call for it, and containerd 1.6 no events. Where the container's process can be seen from here, its end is
//! waited for through a pidfd; else the runtime is asked, after 1 ms first and at least every [`MAX_PAUSE`].

use std::time::Duration;

use runtime_core::{ContainerPhase, Context, ExitCause, ExitStatus, Result};
use tokio::time::Instant;

use crate::{
    driver::{CriDriver, Info},
    error::Refusal,
    process::Process,
    translate::status,
};

/// The longest time between two questions.
const MAX_PAUSE: Duration = Duration::from_millis(500);

/// The same once the process is known to have ended, so that the runtime is about to notice it.
const MAX_PAUSE_AT_END: Duration = Duration::from_millis(10);

/// How long after a container's end its runtime may still learn that memory was the reason: containerd is told of the two by
/// different events, in any order.
const OOM_NOTICE: Duration = Duration::from_millis(500);

/// How long a runtime may be out of reach while somebody waits: enough to be started again.
const MAX_OUTAGE: Duration = Duration::from_secs(60);

/// Waits until a container has ended. One that is removed, or isn't there, is `Removed`.
pub(crate) async fn for_exit(driver: &CriDriver, cx: &Context, id: &str) -> Result<ExitStatus> {
    let mut pause = Duration::from_millis(1);
    let mut max_pause = MAX_PAUSE;
    let mut watched = false;
    let mut notice_ends = None;
    let mut outage = Outage::default();
    loop {
        let (container, info) = match driver.find_container_status(cx, id, !watched).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(ExitStatus::new(ExitCause::Removed)),
            Err(refusal) if outage.goes_on(&refusal) => {
                paused(cx, pause).await?;
                pause = MAX_PAUSE.min(pause * 2);
                continue;
            }
            Err(refusal) => return Err(refusal.into()),
        };
        outage = Outage::default();
        match status::container_phase(container.state) {
            ContainerPhase::Exited => {
                let now = Instant::now();
                let first_seen = notice_ends.is_none();
                let notice_ends = *notice_ends.get_or_insert(now + OOM_NOTICE);
                if !status::may_be_oom(&container) || now >= notice_ends {
                    return Ok(
                        status::exit(&container).unwrap_or_else(|| ExitStatus::new(ExitCause::Unknown))
                    );
                }
                if first_seen {
                    (pause, max_pause) = (Duration::from_millis(1), MAX_PAUSE_AT_END);
                }
            }
            ContainerPhase::Unknown => return Ok(ExitStatus::new(ExitCause::Unknown)),
            ContainerPhase::Running if !watched => {
                // Once is enough: the runtime takes a moment to notice the end, and is asked from then on.
                watched = true;
                if let Some(process) = process(id, &info) {
                    cx.run(async { process.ended().await.or(Ok(())) }).await?;
                    (pause, max_pause) = (Duration::from_millis(1), MAX_PAUSE_AT_END);
                    continue;
                }
            }
            _ => {}
        }
        paused(cx, pause).await?;
        pause = max_pause.min(pause * 2);
    }
}

/// The pid of a container's first process, as the runtime has it.
pub(crate) fn pid(info: &Info) -> Option<i32> {
    i32::try_from(info.document()?.get("pid")?.as_i64()?).ok()
}

/// A time in which the runtime can't be asked, as when it is started again. The container goes on meanwhile.
#[derive(Debug, Default)]
struct Outage {
    ends: Option<Instant>,
}

impl Outage {
    /// Whether a refusal is part of an outage that has not lasted too long.
    fn goes_on(&mut self, refusal: &Refusal) -> bool {
        // A runtime that has just been started answers, and leaves open why it can't tell.
        let is_part = refusal.error.is_transient() || (self.ends.is_some() && refusal.is_vague());
        is_part && Instant::now() < *self.ends.get_or_insert_with(|| Instant::now() + MAX_OUTAGE)
    }
}

async fn paused(cx: &Context, pause: Duration) -> Result<()> {
    let pausing = async {
        tokio::time::sleep(pause).await;
        Ok(())
    };
    cx.run(pausing).await
}

/// The container's first process, if it is one of this host as seen from here.
fn process(id: &str, info: &Info) -> Option<Process> {
    Process::of(id, pid(info)?)
}

#[cfg(test)]
mod tests {
    use tonic::{Code, Status};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_begins_with_a_lost_runtime_and_lasts_so_long() {
        let lost = Refusal::new(&Status::new(Code::Unavailable, "gone"));
        let vague = Refusal::new(&Status::new(Code::Unknown, "not yet"));
        let denied = Refusal::new(&Status::new(Code::PermissionDenied, "no"));
        let mut outage = Outage::default();
        assert!(!outage.goes_on(&vague));
        assert!(outage.goes_on(&lost) && outage.goes_on(&vague));
        assert!(!outage.goes_on(&denied));
        tokio::time::advance(MAX_OUTAGE).await;
        assert!(!outage.goes_on(&lost) && !outage.goes_on(&vague));
    }
}
