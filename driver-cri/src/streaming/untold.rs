//! Commands whose end the runtime never tells.
//!
//! containerd 1.6 tells the end of a command when it has got rid of all input that it has taken from the connection. What the
//! command leaves unread stays in a pipe whose reading end the shim keeps open too, so what doesn't fit there (160 KiB) is
//! waited for until the container ends. The outputs end in time. So when they have and the status doesn't follow, it is looked
//! whether the command's process is there, and if not, its end is told here: that it has ended, but not how.

use std::{sync::Weak, time::Duration};

use remotecommand::{Ended, Remote};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

/// How long after the outputs the status may come, which mostly takes less than a millisecond, and how long after the process
/// is seen to be gone.
const PATIENCE: Duration = Duration::from_secs(1);

/// The longest time between two looks at a command that has closed its outputs and goes on.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// How long a process may be out of sight before it counts as ended: longer than it is searched for.
const OUT_OF_SIGHT: Duration = Duration::from_secs(30);

/// Notices that the end of a command isn't told.
pub(super) struct Untold {
    /// Whether all outputs have ended.
    outputs_over: watch::Receiver<bool>,
    ended: watch::Sender<Option<Ended>>,
}

impl Untold {
    /// For a session whose end is told to `ended`.
    pub(super) fn new(outputs_over: watch::Receiver<bool>, ended: watch::Sender<Option<Ended>>) -> Self {
        Self { outputs_over, ended }
    }

    /// Watches a session until it has ended.
    pub(super) async fn watch(mut self, session: Weak<Remote>) {
        if self.outputs_over.wait_for(|over| *over).await.is_err() {
            // The session has ended.
            return;
        }
        let (mut pause, mut seen) = (PATIENCE, Instant::now());
        loop {
            sleep(pause).await;
            let Some(kill) =
                session.upgrade().filter(|session| !session.has_ended()).map(|session| session.kill())
            else {
                return;
            };
            let has_ended = match kill {
                Some(kill) => kill.has_ended().await,
                // An attached container is asked by itself.
                None => return,
            };
            match has_ended {
                Ok(true) => break,
                Ok(false) => seen = Instant::now(),
                Err(error) if seen.elapsed() > OUT_OF_SIGHT => {
                    tracing::warn!(%error, "a command counts as ended that can't be seen");
                    break;
                }
                Err(_) => {}
            }
            pause = MAX_PAUSE.min(pause * 2);
        }
        sleep(PATIENCE).await;
        tell(&self.ended, Ended::Untold);
    }
}

/// Tells how a session ended, unless that was told before.
pub(super) fn tell(ended: &watch::Sender<Option<Ended>>, end: Ended) {
    ended.send_if_modified(|told| {
        let is_first = told.is_none();
        told.get_or_insert(end);
        is_first
    });
}
