//! What can go wrong on demand: requests, and what happens behind them in the VM.

use super::Operation;
use super::port_layer::PortLayer;
use super::reply::Refusal;
use crate::engine::{Action, EngineError, Fault, Phase};

/// What VMs and the persona do, by the names that faults find it by.
pub(super) const POWER_ON: &str = "VmPowerOn";
pub(super) const POWER_OFF: &str = "VmPowerOff";
pub(super) const LAUNCH: &str = "VmLaunch";
pub(super) const GUEST_SIGNAL: &str = "VmSignal";
pub(super) const ADDRESS: &str = "VmAddress";
pub(super) const PERSONA_INFO: &str = "PersonaInfo";
pub(super) const PERSONA_PULL: &str = "PersonaPull";

const CUT: &str = "cut";
const NULLS: &str = "nulls";
const EMPTY: &str = "empty ";
const STREAM: &str = "stream";

/// What a commit says that comes too late.
pub(super) const CONFLICT: &str =
    "Cannot complete operation due to concurrent modification by another operation.";

/// The next request of an operation is refused with a status and a message.
#[must_use]
pub fn refuse(operation: Operation, status: u16, message: &str) -> Fault {
    Fault::fail(operation.name(), status.to_string(), message)
}

/// The next request of an operation is refused with a status, and without a body.
#[must_use]
pub fn refuse_without_words(operation: Operation, status: u16) -> Fault {
    Fault::fail(operation.name(), format!("{EMPTY}{status}"), "")
}

/// The connection of the next request of an operation is dropped, and nothing answered, as when a handler panics.
#[must_use]
pub fn cut(operation: Operation) -> Fault {
    Fault::fail(operation.name(), CUT, "injected")
}

/// In the next answer of an operation empty arrays are null.
#[must_use]
pub fn nulls(operation: Operation) -> Fault {
    Fault::fail(operation.name(), NULLS, "injected")
}

/// The next request of an operation meets something else, such as a delay.
#[must_use]
pub fn meet(operation: Operation, action: Action) -> Fault {
    Fault::new(operation.name(), action)
}

/// The next commit comes too late.
#[must_use]
pub fn conflict() -> Fault {
    refuse(Operation::Commit, 409, CONFLICT)
}

/// The next VM can't be powered on.
#[must_use]
pub fn power_on_fails(message: &str) -> Fault {
    Fault::fail(POWER_ON, "", message)
}

/// The power of the next VM can't be cut.
#[must_use]
pub fn power_off_fails(message: &str) -> Fault {
    Fault::fail(POWER_OFF, "", message)
}

/// The next task, or command, can't be launched for this reason.
#[must_use]
pub fn launch_fails(why: &str) -> Fault {
    Fault::fail(LAUNCH, "", why)
}

/// The next task is launched when this fault is released.
#[must_use]
pub fn launch_hangs() -> Fault {
    Fault::new(LAUNCH, Action::Hang)
}

/// The next signal doesn't arrive at the task, which nobody is told.
#[must_use]
pub fn signal_is_lost() -> Fault {
    Fault::fail(GUEST_SIGNAL, "", "injected")
}

/// The next guest tells its address when this fault is released.
#[must_use]
pub fn address_is_late() -> Fault {
    Fault::new(ADDRESS, Action::Hang)
}

/// The persona refuses the next pull with a status, before it has begun to answer.
#[must_use]
pub fn pull_is_refused(status: u16, message: &str) -> Fault {
    Fault::fail(PERSONA_PULL, status.to_string(), message)
}

/// The next pull ends with an error in the middle of an answer that has begun with 200.
#[must_use]
pub fn pull_breaks(message: &str) -> Fault {
    Fault::fail(PERSONA_PULL, STREAM, message)
}

/// The persona refuses the next question for what it is.
#[must_use]
pub fn persona_is_away(status: u16) -> Fault {
    Fault::fail(PERSONA_INFO, status.to_string(), "injected")
}

/// What a fault makes of a request.
#[derive(Debug)]
pub(super) enum Wrong {
    Refused(Refusal),
    /// The answer is spoilt.
    Nulls,
    /// It breaks with these words once it has begun.
    Stream(String),
}

impl From<EngineError> for Wrong {
    fn from(error: EngineError) -> Self {
        let EngineError::Injected { code, message, .. } = error else {
            return Self::Refused(Refusal::new(500, error.to_string()));
        };
        match code.as_str() {
            CUT => Self::Refused(Refusal::Panic),
            NULLS => Self::Nulls,
            STREAM => Self::Stream(message),
            code => match code.strip_prefix(EMPTY) {
                Some(status) => Self::Refused(Refusal::Empty(status.parse().unwrap_or(500))),
                None => Self::Refused(Refusal::new(code.parse().unwrap_or(503), message)),
            },
        }
    }
}

impl PortLayer {
    /// Meets the faults of something that happens in a VM.
    pub(super) async fn meet(&self, name: &str, phase: Phase) -> Result<(), Refusal> {
        match self.engine.faults().meet(name, phase).await.map_err(Wrong::from) {
            Ok(()) | Err(Wrong::Nulls) => Ok(()),
            Err(Wrong::Refused(refusal)) => Err(refusal),
            Err(Wrong::Stream(message)) => Err(Refusal::new(503, message)),
        }
    }
}
