//! Listening for hints: those that came together are followed together, and a system that gives none is left in peace.

use std::{collections::BTreeSet, future::pending, time::Duration};

use futures::{StreamExt, stream::ReadyChunks};
use tokio::time::Instant;

use super::{Change, Hint, Hints, Source};
use crate::{Context, Error, ErrorKind, PodId, Result};

/// Hints that end sooner never worked, so nothing was missed with them.
const SHORT_LIFE: Duration = Duration::from_secs(1);
/// The most hints that are followed together.
const TOGETHER: usize = 1024;

/// The system's hints, if it gives any.
#[derive(Default)]
pub(super) struct Listening {
    hints: Option<ReadyChunks<Hints>>,
    since: Option<Instant>,
    never: bool,
}

/// What hints that came together say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hinted {
    /// Anything may have changed.
    pub(super) somewhere: bool,
    /// Something in these pods may have.
    pub(super) pods: BTreeSet<PodId>,
    /// These have, in this order.
    pub(super) changes: Vec<Change>,
}

impl Listening {
    /// Listens anew.
    pub(super) fn begin(&mut self, source: &impl Source, cx: &Context) {
        self.since = Some(Instant::now());
        let hints = if self.never { None } else { source.hints(cx) };
        self.hints = hints.map(|hints| hints.ready_chunks(TOGETHER));
    }

    /// Listens anew where hints ended early, but not over and over.
    pub(super) fn begin_again(&mut self, source: &impl Source, cx: &Context) {
        if self.hints.is_none() && self.is_old() {
            self.begin(source, cx);
        }
    }

    pub(super) fn are_there(&self) -> bool {
        self.hints.is_some()
    }

    /// The next hints; waits for ever where there are none. The error is why some may have been missed.
    pub(super) async fn next(&mut self) -> Result<Hinted, String> {
        loop {
            let Some(hints) = &mut self.hints else { return pending().await };
            let end = match hints.next().await {
                None => "the system ended its stream of events".to_owned(),
                Some(hints) => match hints.into_iter().collect::<Result<Vec<_>>>() {
                    Ok(hints) => return together(hints),
                    Err(error) => {
                        self.never = gives_none(&error);
                        error.to_string()
                    }
                },
            };
            self.hints = None;
            if !self.never && self.is_old() {
                return Err(end);
            }
        }
    }

    fn is_old(&self) -> bool {
        self.since.is_none_or(|since| since.elapsed() >= SHORT_LIFE)
    }
}

fn gives_none(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied)
}

fn together(hints: Vec<Hint>) -> Result<Hinted, String> {
    let mut hinted = Hinted::default();
    for hint in hints {
        match hint {
            Hint::Somewhere => hinted.somewhere = true,
            Hint::InPod(pod) => drop(hinted.pods.insert(pod)),
            Hint::Changed(change) => hinted.changes.push(change),
            Hint::Lost { reason } => return Err(reason),
        }
    }
    Ok(hinted)
}
