//! What can go wrong on demand: faults of requests, and of watches that are open.

use hyper::StatusCode;
use tokio::sync::broadcast;

use super::Refusal;
use super::store::Resource;
use crate::engine::{EngineError, Fault, Faults, Phase};

/// The code of a fault that cuts the connection.
const CUT: &str = "cut";

/// The next request of an operation is refused with an HTTP status, and with `Retry-After` if it is given.
///
/// Operations are `POST pods`, `GET pods`, `LIST pods`, `WATCH pods`, `GET pods/exec`, `GET /version`; `PUT *` is every
/// operation of a method, `*` every request.
#[must_use]
pub fn refuse(operation: &str, status: u16, retry_after_seconds: Option<u32>) -> Fault {
    let code = match retry_after_seconds {
        Some(seconds) => format!("{status};{seconds}"),
        None => status.to_string(),
    };
    Fault::fail(operation, code, "injected")
}

/// The connection of the next request of an operation is cut, and nothing answered.
#[must_use]
pub fn cut(operation: &str) -> Fault {
    Fault::fail(operation, CUT, "injected")
}

/// What a fault makes of an answer.
#[derive(Debug)]
pub(super) enum Wrong {
    Refused(Refusal),
    Cut,
}

/// Meets the faults of an operation, by its own name and by those that stand for several.
pub(super) async fn meet(faults: &Faults, operation: &str, phase: Phase) -> Result<(), Wrong> {
    let method = operation.split(' ').next().unwrap_or_default();
    for name in [operation, &format!("{method} *"), "*"] {
        faults.meet(name, phase).await.map_err(wrong)?;
    }
    Ok(())
}

fn wrong(error: EngineError) -> Wrong {
    let EngineError::Injected { code, message, .. } = error else {
        return Wrong::Refused(Refusal::new(500, "InternalError", error.to_string()));
    };
    if code == CUT {
        return Wrong::Cut;
    }
    let (status, retry_after) = match code.split_once(';') {
        Some((status, seconds)) => (status, seconds.parse().ok()),
        None => (code.as_str(), None),
    };
    let status = status.parse().unwrap_or(500);
    let retry_after_seconds = retry_after.or_else(|| (status == 429).then_some(1));
    Wrong::Refused(Refusal { retry_after_seconds, ..Refusal::new(status, reason(status), message) })
}

/// The reason that goes with a status.
fn reason(status: u16) -> &'static str {
    match status {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        status if StatusCode::from_u16(status).is_ok_and(|status| status.is_server_error()) => {
            "InternalError"
        }
        _ => "",
    }
}

/// What happens to the watches that are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchFault {
    /// They end, as after their timeout.
    Close,
    /// Their connection breaks in the middle of a line.
    Break,
    /// They are told that their version is too old, and end.
    Expire,
    /// They stay open, and tell nothing any more: no event, no bookmark, no end.
    Silence,
    /// They get a line that is no JSON, then go on.
    Garble,
}

/// The faults of open watches.
#[derive(Debug, Clone)]
pub(super) struct WatchFaults(broadcast::Sender<(Resource, WatchFault)>);

impl Default for WatchFaults {
    fn default() -> Self {
        Self(broadcast::Sender::new(64))
    }
}

impl WatchFaults {
    pub(super) fn inject(&self, resource: Resource, fault: WatchFault) {
        // Nobody watches: nobody is hit.
        let _ = self.0.send((resource, fault));
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<(Resource, WatchFault)> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn faults_are_met_by_any_of_their_names() {
        let faults = Faults::default();
        for operation in ["PUT leases", "PUT *", "*"] {
            let handle = faults.inject(refuse(operation, 409, None));
            let met = meet(&faults, "PUT leases", Phase::Before).await.unwrap_err();
            assert!(matches!(met, Wrong::Refused(refusal) if refusal.reason == "Conflict"));
            assert_eq!(handle.hits(), 1);
        }
        meet(&faults, "PUT leases", Phase::Before).await.unwrap();
    }

    #[tokio::test]
    async fn too_many_requests_say_when_to_come_back() {
        let faults = Faults::default();
        faults.inject(refuse("GET pods", 429, Some(7)));
        faults.inject(cut("GET pods"));
        let met = meet(&faults, "GET pods", Phase::Before).await.unwrap_err();
        assert!(matches!(met, Wrong::Refused(refusal) if refusal.retry_after_seconds == Some(7)));
        assert!(matches!(meet(&faults, "GET pods", Phase::Before).await, Err(Wrong::Cut)));
    }
}
