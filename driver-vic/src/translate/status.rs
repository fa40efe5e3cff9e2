//! How a pod and its containers are, by what the server says of the VM.
//!
//! The server tells the end of the first task alone. What it does not tell of other containers is not made up: they run while
//! the VM does, and have ended for an unknown reason when it has.

use std::net::IpAddr;

use jiff::Timestamp;
use runtime_core::{
    ContainerPhase, ContainerStatus, ContainerSummary, ExitCause, ExitStatus, ImageId, PodPhase, PodStatus,
    PodSummary,
};

use super::annotations::{KeptContainer, Vm};
use crate::{api::models::ProcessConfig, id::container_id};

/// What the server writes once the first task was launched.
const LAUNCHED: &str = "true";

/// What the guest writes as exit code of a task that a signal ended. Which one is not told.
const BY_SIGNAL: i32 = -1;

/// The states of a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Created,
    Starting,
    Running,
    Stopping,
    Stopped,
    /// Being removed, or removed.
    Removing,
    /// What has no name, suspended ones among it.
    Unknown,
}

impl State {
    pub(crate) fn of(vm: &Vm) -> Self {
        match vm.info.container_config.state.as_str() {
            "Created" => Self::Created,
            "Starting" => Self::Starting,
            "Running" => Self::Running,
            "Stopping" => Self::Stopping,
            "Stopped" => Self::Stopped,
            "Removing" | "Removed" => Self::Removing,
            _ => Self::Unknown,
        }
    }

    /// Whether its power is on, as far as is known.
    pub(crate) fn is_on(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Stopping | Self::Unknown)
    }
}

/// Why the first task could not be launched, if so.
pub(crate) fn launch_error(process: &ProcessConfig) -> Option<&str> {
    Some(process.status.as_str()).filter(|status| !status.is_empty() && *status != LAUNCHED)
}

/// Where a pod is in its life.
pub(crate) fn pod_phase(vm: &Vm) -> PodPhase {
    match State::of(vm) {
        State::Created | State::Starting => PodPhase::Pending,
        State::Running | State::Stopping => PodPhase::Running,
        State::Stopped => match first_exit(vm) {
            exit if !exit.success() => PodPhase::Failed,
            _ if vm.kept.containers.len() > 1 => PodPhase::Stopped,
            _ => PodPhase::Succeeded,
        },
        State::Removing => PodPhase::Stopped,
        State::Unknown => PodPhase::Unknown,
    }
}

/// A pod as lists show it.
pub(crate) fn pod_summary(vm: &Vm) -> PodSummary {
    let kept = &vm.kept;
    let mut summary = PodSummary::new(vm.id(), &kept.name, &kept.namespace, pod_phase(vm));
    summary.uid = Some(kept.uid.clone());
    summary.attempt = Some(kept.attempt);
    summary.created_at = nanoseconds(vm.info.container_config.create_time);
    summary.labels.clone_from(&kept.labels);
    summary.annotations.clone_from(&kept.annotations);
    summary
}

/// All that is known of a pod.
pub(crate) fn pod_status(vm: &Vm) -> PodStatus {
    let mut status = PodStatus::new(pod_summary(vm), &vm.info.container_config.state);
    status.message = message(&vm.info.process_config);
    status.addresses = vm.info.endpoints.iter().filter_map(|endpoint| address(&endpoint.address)).collect();
    status.containers = container_summaries(vm).collect();
    status
}

/// The containers of a pod, in the order of the spec.
pub(crate) fn container_summaries(vm: &Vm) -> impl Iterator<Item = ContainerSummary> {
    vm.kept.containers.iter().map(|container| container_summary(vm, container))
}

fn container_summary(vm: &Vm, container: &KeptContainer) -> ContainerSummary {
    let pod = vm.id();
    let phase = container_phase(vm);
    let mut summary = ContainerSummary::new(container_id(&pod, &container.name), &container.name, phase);
    summary.pod = Some(pod);
    summary.attempt = Some(container.attempt);
    summary.image.clone_from(&container.image);
    summary.image_id = Some(ImageId::new(&container.image_id));
    summary.created_at = nanoseconds(vm.info.container_config.create_time);
    summary.labels.clone_from(&container.labels);
    summary.annotations.clone_from(&container.annotations);
    summary
}

/// All that is known of the container at this place.
pub(crate) fn container_status(vm: &Vm, index: usize, container: &KeptContainer) -> ContainerStatus {
    let process = &vm.info.process_config;
    let mut status = ContainerStatus::new(container_summary(vm, container), &vm.info.container_config.state);
    status.started_at = seconds(process.start_time);
    status.exit = exit(vm, index);
    if index == 0 {
        status.message = message(process);
    }
    status
}

/// How the container at this place ended, if it has.
pub(crate) fn exit(vm: &Vm, index: usize) -> Option<ExitStatus> {
    (container_phase(vm) == ContainerPhase::Exited).then(|| match index {
        0 => first_exit(vm),
        _ => ExitStatus::new(ExitCause::Unknown).at(seconds(vm.info.process_config.stop_time)),
    })
}

fn container_phase(vm: &Vm) -> ContainerPhase {
    match State::of(vm) {
        // It goes as soon as the guest has noticed.
        State::Starting if launch_error(&vm.info.process_config).is_some() => ContainerPhase::Exited,
        State::Created | State::Starting => ContainerPhase::Created,
        State::Running | State::Stopping => ContainerPhase::Running,
        State::Stopped | State::Removing => ContainerPhase::Exited,
        State::Unknown => ContainerPhase::Unknown,
    }
}

/// How the first task of a VM that is off ended.
fn first_exit(vm: &Vm) -> ExitStatus {
    let process = &vm.info.process_config;
    let cause = match launch_error(process) {
        Some(error) => ExitCause::Exited(code_of_launch(error)),
        None => ExitCause::Exited(code(process)),
    };
    ExitStatus::new(cause).at(seconds(process.stop_time))
}

/// As the docker persona tells it: by a signal is 137, and 143 before it was launched.
fn code(process: &ProcessConfig) -> i32 {
    match (process.exit_code, process.status.as_str()) {
        (BY_SIGNAL, LAUNCHED) => 137,
        (BY_SIGNAL, _) => 143,
        (code, _) => code,
    }
}

/// The code of a command that could not be launched, as a shell has it. The guest has no codes for the reasons, so this is the
/// one place that looks at its words; the docker persona does the same.
pub(crate) fn code_of_launch(error: &str) -> i32 {
    if error.to_ascii_lowercase().contains("no such") { 127 } else { 126 }
}

fn message(process: &ProcessConfig) -> Option<String> {
    let own = Some(process.error_msg.as_str()).filter(|message| !message.is_empty());
    launch_error(process).or(own).map(str::to_owned)
}

/// An address with or without prefix length.
fn address(text: &str) -> Option<IpAddr> {
    text.split('/').next()?.parse().ok()
}

fn seconds(time: i64) -> Option<Timestamp> {
    (time > 0).then(|| Timestamp::from_second(time).ok())?
}

fn nanoseconds(time: i64) -> Option<Timestamp> {
    (time > 0).then(|| Timestamp::from_nanosecond(i128::from(time)).ok())?
}

#[cfg(test)]
mod tests {
    use runtime_core::spec::{ContainerSpec, PodSpec};

    use super::*;
    use crate::{api::models::Endpoint, translate::annotations::tests::vm as kept_vm};

    fn vm(state: &str, status: &str, exit_code: i32) -> Vm {
        let mut vm = kept_vm(&PodSpec::new("p").with_container(ContainerSpec::new("c", "busybox")));
        vm.info.container_config.state = state.to_owned();
        vm.info.process_config.status = status.to_owned();
        vm.info.process_config.exit_code = exit_code;
        vm
    }

    #[test]
    fn every_state_has_its_phase() {
        use {ContainerPhase as C, PodPhase as P};
        for (state, status, code, pod, container, exit) in [
            ("Created", "", 0, P::Pending, C::Created, None),
            ("Starting", "", 0, P::Pending, C::Created, None),
            ("Starting", "no such file or directory", 0, P::Pending, C::Exited, Some(127)),
            ("Running", "true", 0, P::Running, C::Running, None),
            ("Stopping", "true", 0, P::Running, C::Running, None),
            ("Stopped", "true", 0, P::Succeeded, C::Exited, Some(0)),
            ("Stopped", "true", 3, P::Failed, C::Exited, Some(3)),
            ("Stopped", "true", -1, P::Failed, C::Exited, Some(137)),
            ("Stopped", "", -1, P::Failed, C::Exited, Some(143)),
            ("Stopped", "permission denied", 0, P::Failed, C::Exited, Some(126)),
            ("Stopped", "No such file", 0, P::Failed, C::Exited, Some(127)),
            ("Removing", "true", 0, P::Stopped, C::Exited, Some(0)),
            ("", "true", 0, P::Unknown, C::Unknown, None),
            ("error", "true", 0, P::Unknown, C::Unknown, None),
        ] {
            let vm = vm(state, status, code);
            assert_eq!((pod_phase(&vm), container_phase(&vm)), (pod, container), "{state} {status}");
            assert_eq!(super::exit(&vm, 0).and_then(|exit| exit.code()), exit, "{state} {status} {code}");
        }
    }

    #[test]
    fn the_end_of_other_containers_is_not_made_up() {
        let pod = PodSpec::new("p")
            .with_container(ContainerSpec::new("a", "busybox"))
            .with_container(ContainerSpec::new("b", "busybox"));
        let mut vm = kept_vm(&pod);
        vm.info.container_config.state = "Stopped".to_owned();
        vm.info.process_config.status = "true".to_owned();
        assert_eq!(pod_phase(&vm), PodPhase::Stopped);
        assert_eq!(super::exit(&vm, 0).unwrap().cause, ExitCause::Exited(0));
        assert_eq!(super::exit(&vm, 1).unwrap().cause, ExitCause::Unknown);
        vm.info.process_config.exit_code = 1;
        assert_eq!(pod_phase(&vm), PodPhase::Failed);
    }

    #[test]
    fn times_have_three_units_and_addresses_two_forms() {
        let mut vm = vm("Stopped", "true", 0);
        vm.info.container_config.create_time = 1_500_000_000_000_000_001;
        vm.info.process_config.start_time = 1_500_000_001;
        vm.info.process_config.stop_time = 1_500_000_002;
        let of = |address: &str| Endpoint { address: address.to_owned() };
        vm.info.endpoints = vec![of(""), of("172.16.0.2/16"), of("10.0.0.1")];
        let status = pod_status(&vm);
        assert_eq!(status.summary.created_at.unwrap().as_nanosecond(), 1_500_000_000_000_000_001);
        assert_eq!(
            status.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["172.16.0.2", "10.0.0.1"]
        );
        let container = container_status(&vm, 0, &vm.kept.containers[0]);
        assert_eq!(container.started_at.unwrap().as_second(), 1_500_000_001);
        assert_eq!(container.exit.unwrap().finished_at.unwrap().as_second(), 1_500_000_002);
    }
}
