//! From what a kubelet knows to the status that it writes.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, ResourceRequirements};
use runtime_core::helpers::quantity::Quantity;
use serde_json::{Value, json};

use super::state::{Outcome, PodState, Slot, SlotState, Terminated};
use crate::fake_k8s::clock::time;

/// The status of a pod. `before` is the one it has; `generation` that of its spec.
pub(super) fn status(state: &mut PodState, before: &Value, generation: i64, now: Timestamp) -> Value {
    let outcome = if state.is_over { Some(state.outcome_when_stopped()) } else { state.outcome() };
    let conditions = conditions(state, outcome, before, generation, now);
    let mut status = json!({
        "observedGeneration": generation,
        "phase": phase(state),
        "conditions": conditions,
        "hostIP": state.host_ip,
        "hostIPs": [{"ip": state.host_ip}],
        "startTime": time(state.started_at),
        "containerStatuses": state.main.iter().map(container).collect::<Vec<_>>(),
        "qosClass": before["qosClass"],
        "resources": total(&state.main, ResourceRequirements::clone),
    });
    if !state.init.is_empty() {
        status["initContainerStatuses"] = state.init.iter().map(container).collect();
    }
    if let Some(ip) = &state.ip {
        status["podIP"] = ip.as_str().into();
        status["podIPs"] = json!([{"ip": ip}]);
    }
    let requests = total(&state.main, |resources| ResourceRequirements {
        requests: resources.requests.clone(),
        ..ResourceRequirements::default()
    });
    if let Some(requests) = requests.get("requests") {
        status["allocatedResources"] = requests.clone();
    }
    if let Some(verdict) = &state.verdict {
        status["reason"] = verdict.reason.as_str().into();
        status["message"] = verdict.message.as_str().into();
    }
    status
}

/// A phase says that all is over only when the sandbox is gone too.
fn phase(state: &PodState) -> &'static str {
    if state.is_over {
        return match state.outcome_when_stopped() {
            Outcome::Succeeded => "Succeeded",
            Outcome::Failed => "Failed",
        };
    }
    let has_run = |slot: &Slot| {
        slot.is_running()
            || slot.last.as_ref().or(slot.terminated()).is_some_and(|ended| ended.started_at.is_some())
    };
    if state.main.iter().any(has_run) { "Running" } else { "Pending" }
}

fn conditions(
    state: &mut PodState,
    outcome: Option<Outcome>,
    before: &Value,
    generation: i64,
    now: Timestamp,
) -> Vec<Value> {
    let names =
        |slots: Vec<&Slot>| slots.iter().map(|slot| slot.spec.name.as_str()).collect::<Vec<_>>().join(" ");
    let incomplete = names(state.init.iter().filter(|slot| !slot.is_initialized()).collect());
    let unready = names(
        state
            .init
            .iter()
            .filter(|slot| slot.is_sidecar)
            .chain(&state.main)
            .filter(|slot| !slot.ready)
            .collect(),
    );
    let completed = outcome == Some(Outcome::Succeeded);
    let initialized = match incomplete.as_str() {
        "" => Condition::new(true, completed.then_some("PodCompleted"), None),
        names => Condition::new(
            false,
            Some("ContainersNotInitialized"),
            Some(format!("containers with incomplete status: [{names}]")),
        ),
    };
    let ready = match (outcome, unready.as_str()) {
        (Some(Outcome::Succeeded), _) => Condition::new(false, Some("PodCompleted"), None),
        (Some(Outcome::Failed), _) => Condition::new(false, Some("PodFailed"), None),
        (None, "") => Condition::new(true, None, None),
        (None, names) => Condition::new(
            false,
            Some("ContainersNotReady"),
            Some(format!("containers with unready status: [{names}]")),
        ),
    };
    let sandbox = Condition::new(state.sandbox_ready, None, None);
    let mut all: Vec<Value> = [
        ("PodReadyToStartContainers", sandbox),
        ("Initialized", initialized),
        ("Ready", ready.clone()),
        ("ContainersReady", ready),
    ]
    .into_iter()
    .map(|(kind, condition)| condition.told(kind, state, generation, now))
    .collect();
    let scheduled = before["conditions"].as_array().into_iter().flatten();
    for condition in scheduled.filter(|it| it["type"] == "PodScheduled" || it["type"] == "DisruptionTarget") {
        let mut condition = condition.clone();
        condition["observedGeneration"] = generation.into();
        all.push(condition);
    }
    all
}

#[derive(Debug, Clone)]
struct Condition {
    holds: bool,
    reason: Option<&'static str>,
    message: Option<String>,
}

impl Condition {
    fn new(holds: bool, reason: Option<&'static str>, message: Option<String>) -> Self {
        Self { holds, reason, message }
    }

    fn told(self, kind: &'static str, state: &mut PodState, generation: i64, now: Timestamp) -> Value {
        let status = if self.holds { "True" } else { "False" };
        let since = state.transitions.entry(kind).or_insert_with(|| (status.to_owned(), now));
        if since.0 != status {
            *since = (status.to_owned(), now);
        }
        let mut told = json!({
            "type": kind,
            "observedGeneration": generation,
            "status": status,
            "lastProbeTime": null,
            "lastTransitionTime": time(since.1),
        });
        if let Some(reason) = self.reason {
            told["reason"] = reason.into();
        }
        if let Some(message) = self.message {
            told["message"] = message.into();
        }
        told
    }
}

fn container(slot: &Slot) -> Value {
    let mut status = json!({
        "name": slot.spec.name,
        "state": slot_state(&slot.state),
        "lastState": slot.last.as_ref().map_or_else(|| json!({}), |last| json!({"terminated": terminated(last)})),
        "ready": slot.ready,
        "restartCount": slot.restarts,
        "image": slot.image,
        "imageID": slot.image_id,
        "started": slot.started,
    });
    if let Some(id) = &slot.id {
        status["containerID"] = format!("containerd://{id}").into();
        status["resources"] = requirements(slot.spec.resources.as_ref());
        if let Some(requests) = status["resources"].get("requests").cloned() {
            status["allocatedResources"] = requests;
        }
    }
    status
}

fn slot_state(state: &SlotState) -> Value {
    match state {
        SlotState::Waiting { reason, message } => {
            let mut waiting = json!({"reason": reason});
            if let Some(message) = message {
                waiting["message"] = message.as_str().into();
            }
            json!({"waiting": waiting})
        }
        SlotState::Running { started_at } => json!({"running": {"startedAt": time(*started_at)}}),
        SlotState::Terminated(ended) => json!({"terminated": terminated(ended)}),
    }
}

fn terminated(ended: &Terminated) -> Value {
    let mut told = json!({
        "exitCode": ended.exit_code,
        "reason": ended.reason,
        "startedAt": time(ended.started_at.unwrap_or(Timestamp::UNIX_EPOCH)),
        "finishedAt": time(ended.finished_at),
    });
    if let Some(message) = ended.message.as_ref().filter(|message| !message.is_empty()) {
        told["message"] = message.as_str().into();
    }
    if let Some(id) = &ended.container_id {
        told["containerID"] = format!("containerd://{id}").into();
    }
    told
}

fn requirements(resources: Option<&ResourceRequirements>) -> Value {
    resources.and_then(|resources| serde_json::to_value(resources).ok()).unwrap_or_else(|| json!({}))
}

/// What the containers have together; that of a single one word for word.
fn total(slots: &[Slot], part: impl Fn(&ResourceRequirements) -> ResourceRequirements) -> Value {
    let mut parts = slots.iter().map(|slot: &Slot| requirements(resources(&slot.spec).map(&part).as_ref()));
    let first = parts.next().unwrap_or_else(|| json!({}));
    parts.fold(first, |mut sum, part| {
        for (kind, amounts) in part.as_object().into_iter().flatten() {
            for (name, amount) in amounts.as_object().into_iter().flatten() {
                let sum = &mut sum[kind][name];
                *sum = add(name, sum.as_str(), amount.as_str().unwrap_or_default()).into();
            }
        }
        sum
    })
}

fn resources(container: &Container) -> Option<&ResourceRequirements> {
    container.resources.as_ref()
}

fn add(name: &str, sum: Option<&str>, amount: &str) -> String {
    let Some(sum) = sum else { return amount.to_owned() };
    let parse = |text: &str| text.parse::<Quantity>().ok();
    let (Some(left), Some(right)) = (parse(sum), parse(amount)) else { return amount.to_owned() };
    if name == "cpu" {
        let milli = |quantity: Quantity| quantity.to_milli().unwrap_or_default();
        return match milli(left) + milli(right) {
            whole if whole % 1000 == 0 => (whole / 1000).to_string(),
            milli => format!("{milli}m"),
        };
    }
    (left.value() + right.value()).to_string()
}
