//! Who of several of the same name is left.
//!
//! The port layer lets any number of containers have one name. So whoever makes a pod looks first, makes it, and looks again
//! before it is started: of two that both see each other the younger one goes. The older one waits for that, since the younger
//! may have been alone when it looked; if it stays, or is started, the older one goes. So at most one is left.

use std::time::Duration;

use runtime_core::{Context, Error, ErrorKind, PodId, Result};
use tokio::time::Instant;

use super::Creation;
use crate::{
    patience::Pauses,
    translate::{annotations::Vm, status::State},
};

/// How long a younger pod of the same name may take to go.
const RIVAL_PATIENCE: Duration = Duration::from_secs(5);

impl Creation {
    /// The pod that has the name instead of this one.
    pub(super) async fn rival(&self, cx: &Context, own: &PodId) -> Result<Option<PodId>> {
        let (end, mut pauses) = (Instant::now() + RIVAL_PATIENCE, Pauses::new());
        loop {
            let all = self.driver.named(cx, &self.spec).await?;
            let Some(place) = all.iter().position(|vm| vm.id() == *own) else {
                let message = "somebody removed the pod before it was started";
                return Err(Error::new(ErrorKind::Failed, message));
            };
            let is_there = |vm: &&Vm| State::of(vm) != State::Removing && vm.id() != *own;
            if let Some(older) = all[..place].iter().find(is_there) {
                return Ok(Some(older.id()));
            }
            let Some(younger) = all[place..].iter().find(is_there) else { return Ok(None) };
            if State::of(younger) != State::Created || Instant::now() >= end {
                return Ok(Some(younger.id()));
            }
            pauses.pause(cx).await?;
        }
    }
}
