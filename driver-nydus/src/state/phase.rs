//! Where a pod is in its life, from what is known of it.

use runtime_core::{ExitCause, PodPhase};

use super::Found;

/// Phase, reason and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) phase: PodPhase,
    pub(crate) reason: Option<&'static str>,
    pub(crate) message: Option<String>,
}

/// Where a pod is. `runs` says whether its daemon does, `creator` whether the process that starts it is still there.
pub(crate) fn phase(found: &Found, runs: bool, creator: bool) -> Standing {
    let ready = found.started.as_ref().is_some_and(|started| started.ready_at.is_some());
    let (phase, reason, message) = match (&found.ended, runs) {
        (None, true) if ready => (PodPhase::Running, None, None),
        (None, _) if !ready && creator => (PodPhase::Pending, Some("Starting"), None),
        (None, _) if !ready => {
            let message = "the process that started it ended before it was ready".to_owned();
            (PodPhase::Failed, Some("StartInterrupted"), Some(message))
        }
        (ended, _) if found.stopping.is_some() => {
            let message = ended.as_ref().map(|ended| ended.status.to_string());
            (PodPhase::Stopped, Some("Stopped"), message)
        }
        (None, _) => (PodPhase::Failed, Some("Vanished"), Some("it ended, and nobody saw how".to_owned())),
        (Some(ended), _) => {
            let reason = match ended.status.cause {
                ExitCause::Exited(_) => "Exited",
                ExitCause::Signaled(_) => "Killed",
                _ => "Vanished",
            };
            let mut message = ended.status.to_string();
            if !ended.last_words.is_empty() {
                message.push_str("; its last words: ");
                message.push_str(&ended.last_words);
            }
            (PodPhase::Failed, Some(reason), Some(message))
        }
    };
    Standing { phase, reason, message }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::Timestamp;
    use runtime_core::{ExitStatus, PodId, spec::PodSpec};

    use super::*;
    use crate::{
        Mode, NydusPodOptions,
        process::{check::Places, identity::Identity},
        state::{Ended, Record, Started, Stopping},
    };

    fn found(ready: Option<bool>, stopping: bool, ended: Option<ExitCause>) -> Found {
        let creator = Identity::own().unwrap();
        let now = Timestamp::now();
        let started = ready.map(|ready| Started { process: creator.clone(), ready_at: ready.then_some(now) });
        Found {
            record: Record {
                id: PodId::new("p"),
                spec: PodSpec::new("p"),
                places: Places::new(&NydusPodOptions::default(), Mode::Fuse, Path::new("/w")),
                created_at: now,
                creator,
            },
            started,
            stopping: stopping.then_some(Stopping { asked_at: now }),
            ended: ended
                .map(|cause| Ended { status: ExitStatus::new(cause), last_words: "no space".to_owned() }),
        }
    }

    #[test]
    fn every_standing() {
        use PodPhase::{Failed, Pending, Running, Stopped};
        let killed = Some(ExitCause::Signaled(9));
        for (found, runs, creator, expected, reason) in [
            (found(None, false, None), false, true, Pending, Some("Starting")),
            (found(Some(false), false, None), true, true, Pending, Some("Starting")),
            (found(Some(false), false, None), true, false, Failed, Some("StartInterrupted")),
            (found(None, false, None), false, false, Failed, Some("StartInterrupted")),
            (found(Some(true), false, None), true, false, Running, None),
            (found(Some(true), true, None), true, true, Running, None),
            (found(Some(true), false, None), false, true, Failed, Some("Vanished")),
            (found(Some(true), true, None), false, true, Stopped, Some("Stopped")),
            (found(Some(true), true, killed.clone()), false, true, Stopped, Some("Stopped")),
            (found(Some(true), false, killed), false, true, Failed, Some("Killed")),
            (found(Some(true), false, Some(ExitCause::Exited(0))), false, true, Failed, Some("Exited")),
            (found(Some(true), false, Some(ExitCause::Unknown)), false, true, Failed, Some("Vanished")),
        ] {
            let standing = phase(&found, runs, creator);
            assert_eq!((standing.phase, standing.reason), (expected, reason), "{found:?} {runs} {creator}");
        }
    }

    #[test]
    fn who_was_killed_has_last_words() {
        let standing = phase(&found(Some(true), false, Some(ExitCause::Signaled(6))), false, true);
        assert_eq!(standing.message.as_deref(), Some("ended by signal 6; its last words: no space"));
    }
}
