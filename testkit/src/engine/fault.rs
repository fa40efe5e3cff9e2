//! Failures on demand: a queue of injected faults that operations run into.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::EngineError;

/// A fault that waits for its operation. By default it hits the next call, once, before the call has any effect.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The operation's name: one of the engine's (`create_container`) or of the protocol of the fake in front of it.
    pub operation: String,
    /// How many calls pass unharmed first.
    pub after: u32,
    /// How many calls are hit.
    pub times: u32,
    /// Whether the call has had its effect when the fault hits.
    pub phase: Phase,
    /// What happens.
    pub action: Action,
}

impl Fault {
    /// The next call of `operation` fails before it does anything.
    pub fn fail(operation: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(operation, Action::Fail { code: code.into(), message: message.into() })
    }

    /// The next call of `operation` meets `action`.
    pub fn new(operation: impl Into<String>, action: Action) -> Self {
        Self { operation: operation.into(), after: 0, times: 1, phase: Phase::Before, action }
    }

    /// Lets `calls` calls pass first.
    #[must_use]
    pub fn after(self, calls: u32) -> Self {
        Self { after: calls, ..self }
    }

    /// Hits `times` calls in a row.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// Hits once the call has had its effect: the work is done and the caller is not told.
    #[must_use]
    pub fn late(self) -> Self {
        Self { phase: Phase::After, ..self }
    }
}

/// When a fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before the call has any effect.
    Before,
    /// After its effect, before its answer.
    After,
}

/// What a fault does to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Fails it with [`EngineError::Injected`].
    Fail {
        /// For the fake: what to answer with.
        code: String,
        /// The message to answer with.
        message: String,
    },
    /// Makes it wait, then lets it go on.
    Delay(Duration),
    /// Makes it wait until [`FaultHandle::release`], then lets it go on.
    Hang,
}

/// The faults of one engine.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Vec<Arc<Queued>>>>);

/// A fault that has been injected.
#[derive(Debug, Clone)]
pub struct FaultHandle(Arc<Queued>);

impl FaultHandle {
    /// Lets every call go that hangs in this fault, now or later.
    pub fn release(&self) {
        self.0.released.cancel();
    }

    /// How many calls it has hit.
    pub fn hits(&self) -> u32 {
        self.0.hits.load(Ordering::SeqCst)
    }
}

impl Faults {
    /// Queues a fault. Of two for one operation the older one is met first.
    pub fn inject(&self, fault: Fault) -> FaultHandle {
        let queued = Arc::new(Queued {
            seen: AtomicU32::new(0),
            hits: AtomicU32::new(0),
            released: CancellationToken::new(),
            fault,
        });
        self.lock().push(Arc::clone(&queued));
        FaultHandle(queued)
    }

    /// Forgets every fault and releases whatever hangs.
    pub fn clear(&self) {
        for queued in self.lock().drain(..) {
            queued.released.cancel();
        }
    }

    /// Runs `call` as operation `operation` among the faults.
    ///
    /// # Errors
    /// Those of `call`, and [`EngineError::Injected`].
    pub async fn around<T, E: From<EngineError>>(
        &self,
        operation: &str,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.meet(operation, Phase::Before).await?;
        let answer = call.await?;
        self.meet(operation, Phase::After).await?;
        Ok(answer)
    }

    /// Meets the faults of one phase: for calls that cannot be wrapped by [`Faults::around`].
    ///
    /// # Errors
    /// [`EngineError::Injected`].
    pub async fn meet(&self, operation: &str, phase: Phase) -> Result<(), EngineError> {
        let hit = self.lock().iter().find(|queued| queued.take(operation, phase)).map(Arc::clone);
        let Some(queued) = hit else { return Ok(()) };
        match &queued.fault.action {
            Action::Fail { code, message } => {
                return Err(EngineError::Injected {
                    operation: operation.to_owned(),
                    code: code.clone(),
                    message: message.clone(),
                });
            }
            Action::Delay(time) => tokio::time::sleep(*time).await,
            Action::Hang => queued.released.cancelled().await,
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Queued>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Queued {
    fault: Fault,
    seen: AtomicU32,
    hits: AtomicU32,
    released: CancellationToken,
}

impl Queued {
    /// Counts a call; true when it is one to hit. Called under the queue's lock.
    fn take(&self, operation: &str, phase: Phase) -> bool {
        if self.fault.operation != operation || self.fault.phase != phase {
            return false;
        }
        let seen = self.seen.load(Ordering::SeqCst);
        if seen >= self.fault.after.saturating_add(self.fault.times) {
            return false;
        }
        self.seen.store(seen + 1, Ordering::SeqCst);
        let hit = seen >= self.fault.after;
        if hit {
            self.hits.fetch_add(1, Ordering::SeqCst);
        }
        hit
    }
}
