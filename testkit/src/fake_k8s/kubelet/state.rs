//! What a kubelet knows about a pod that it runs.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Container;
use serde_json::Value;

/// A pod's life so far.
#[derive(Debug, Clone)]
pub(super) struct PodState {
    pub(super) started_at: Timestamp,
    pub(super) host_ip: String,
    pub(super) init: Vec<Slot>,
    pub(super) main: Vec<Slot>,
    /// Its sandbox stands.
    pub(super) sandbox_ready: bool,
    /// Told from the first container on.
    pub(super) ip: Option<String>,
    /// How it ended, if something other than its containers ended it.
    pub(super) verdict: Option<Verdict>,
    /// The time that its containers have to end, once they are to.
    pub(super) grace: Option<Duration>,
    /// All has ended and the sandbox is gone: the phase may say so.
    pub(super) is_over: bool,
    pub(super) restart_policy: RestartPolicy,
    /// When each condition became what it is.
    pub(super) transitions: BTreeMap<&'static str, (String, Timestamp)>,
}

/// What ended a pod from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) reason: String,
    pub(super) message: String,
}

/// Whether containers are run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

impl RestartPolicy {
    pub(super) fn named(name: Option<&str>) -> Self {
        match name {
            Some("Never") => Self::Never,
            Some("OnFailure") => Self::OnFailure,
            _ => Self::Always,
        }
    }

    /// Whether a container that has ended with a code is run again.
    pub(super) fn restarts(self, code: i32) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => code != 0,
            Self::Never => false,
        }
    }
}

/// A container of the pod, through all its restarts.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) spec: Container,
    pub(super) state: SlotState,
    pub(super) last: Option<Terminated>,
    pub(super) restarts: u32,
    /// The count of the last one that was made.
    pub(super) attempt: u32,
    /// Its id in the runtime.
    pub(super) id: Option<String>,
    /// The one before, for its log.
    pub(super) previous: Option<String>,
    pub(super) image: String,
    pub(super) image_id: String,
    /// Its startup probe has succeeded, or it has none.
    pub(super) started: bool,
    pub(super) ready: bool,
    /// An init container that runs beside the others.
    pub(super) is_sidecar: bool,
}

/// As `state` of a container's status.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum SlotState {
    Waiting { reason: String, message: Option<String> },
    Running { started_at: Timestamp },
    Terminated(Terminated),
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Terminated {
    pub(super) exit_code: i32,
    pub(super) reason: String,
    pub(super) message: Option<String>,
    /// `None`: it never ran.
    pub(super) started_at: Option<Timestamp>,
    pub(super) finished_at: Timestamp,
    pub(super) container_id: Option<String>,
}

impl Slot {
    pub(super) fn new(spec: Container, waits_for_init: bool, is_init: bool) -> Self {
        let reason = if waits_for_init { "PodInitializing" } else { "ContainerCreating" };
        Self {
            state: SlotState::Waiting { reason: reason.to_owned(), message: None },
            last: None,
            restarts: 0,
            attempt: 0,
            id: None,
            previous: None,
            image: spec.image.clone().unwrap_or_default(),
            image_id: String::new(),
            started: false,
            ready: false,
            is_sidecar: is_init && spec.restart_policy.as_deref() == Some("Always"),
            spec,
        }
    }

    pub(super) fn terminated(&self) -> Option<&Terminated> {
        match &self.state {
            SlotState::Terminated(terminated) => Some(terminated),
            _ => None,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, SlotState::Running { .. })
    }

    /// For an init container: it has done its part.
    pub(super) fn is_initialized(&self) -> bool {
        if self.is_sidecar { self.started } else { self.terminated().is_some_and(|it| it.exit_code == 0) }
    }
}

impl PodState {
    /// From the pod object.
    pub(super) fn new(pod: &k8s_openapi::api::core::v1::Pod, host_ip: &str, now: Timestamp) -> Self {
        let spec = pod.spec.clone().unwrap_or_default();
        let init = spec.init_containers.unwrap_or_default();
        let waits = !init.is_empty();
        Self {
            started_at: now,
            host_ip: host_ip.to_owned(),
            init: init.into_iter().map(|container| Slot::new(container, true, true)).collect(),
            main: spec.containers.into_iter().map(|container| Slot::new(container, waits, false)).collect(),
            sandbox_ready: false,
            ip: None,
            verdict: None,
            grace: None,
            is_over: false,
            restart_policy: RestartPolicy::named(spec.restart_policy.as_deref()),
            transitions: BTreeMap::new(),
        }
    }

    pub(super) fn slot(&self, place: Place) -> Option<&Slot> {
        match place {
            Place::Init(at) => self.init.get(at),
            Place::Main(at) => self.main.get(at),
        }
    }

    pub(super) fn slot_mut(&mut self, place: Place) -> Option<&mut Slot> {
        match place {
            Place::Init(at) => self.init.get_mut(at),
            Place::Main(at) => self.main.get_mut(at),
        }
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.init.iter().chain(&self.main)
    }

    /// By the container's name.
    pub(super) fn named(&self, name: &str) -> Option<&Slot> {
        self.slots().find(|slot| slot.spec.name == name)
    }

    /// What has become of the pod, though its phase may not say it yet. `None`: it goes on.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        if self.verdict.is_some() {
            return Some(Outcome::Failed);
        }
        let broken = |slot: &&Slot| {
            slot.terminated()
                .is_some_and(|it| it.exit_code != 0 && !self.restart_policy.restarts(it.exit_code))
        };
        if self.init.iter().filter(|slot| !slot.is_sidecar).any(|slot| broken(&slot)) {
            return Some(Outcome::Failed);
        }
        if self.main.is_empty() || self.init.iter().any(|slot| !slot.is_sidecar && !slot.is_initialized()) {
            return None;
        }
        let ended: Option<Vec<_>> = self.main.iter().map(Slot::terminated).collect();
        let ended = ended?;
        if ended.iter().any(|it| self.restart_policy.restarts(it.exit_code)) {
            return None;
        }
        Some(outcome_of(&ended))
    }

    /// The outcome of one whose containers were stopped.
    pub(super) fn outcome_when_stopped(&self) -> Outcome {
        if self.verdict.is_some() {
            return Outcome::Failed;
        }
        let ended: Option<Vec<_>> = self.main.iter().map(Slot::terminated).collect();
        ended.map_or(Outcome::Failed, |ended| outcome_of(&ended))
    }
}

fn outcome_of(ended: &[&Terminated]) -> Outcome {
    if ended.iter().all(|it| it.exit_code == 0) { Outcome::Succeeded } else { Outcome::Failed }
}

/// A pod's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Succeeded,
    Failed,
}

/// Which container of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Init(usize),
    Main(usize),
}

impl Place {
    /// As events name it.
    pub(super) fn field_path(self, name: &str) -> String {
        match self {
            Self::Init(_) => format!("spec.initContainers{{{name}}}"),
            Self::Main(_) => format!("spec.containers{{{name}}}"),
        }
    }
}

/// The text of a field, or nothing.
pub(super) fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object["metadata"][key].as_str().unwrap_or_default()
}
