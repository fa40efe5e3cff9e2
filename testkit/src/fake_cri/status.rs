//! The engine's pods and containers as CRI messages, and the two calls about the runtime itself.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use jiff::Timestamp;
use k8s_cri::v1::*;
use serde_json::json;
use tonic::Status;

use super::container::Kept;
use super::fake::Fake;
use crate::engine::{self, Exit};

const VERSION: &str = "1.6.20~ds1";
/// Without a network of its own a sandbox is on the host's loopback.
const SANDBOX_IP: Ipv4Addr = Ipv4Addr::LOCALHOST;
const SNAPSHOTTER: &str = "overlayfs";
const RUNTIME_TYPE: &str = "io.containerd.runc.v2";

impl Fake {
    pub(super) async fn version(&self, _: VersionRequest) -> Result<VersionResponse, Status> {
        Ok(VersionResponse {
            version: "0.1.0".into(),
            runtime_name: "containerd".into(),
            runtime_version: VERSION.into(),
            runtime_api_version: "v1".into(),
        })
    }

    pub(super) async fn status(&self, request: StatusRequest) -> Result<StatusResponse, Status> {
        let ready = |kind: &str| RuntimeCondition { r#type: kind.into(), status: true, ..Default::default() };
        let conditions = vec![ready("RuntimeReady"), ready("NetworkReady")];
        let config = json!({"containerd": {"snapshotter": SNAPSHOTTER, "defaultRuntimeName": "runc"}});
        let info = if request.verbose {
            HashMap::from([("config".into(), config.to_string())])
        } else {
            HashMap::new()
        };
        Ok(StatusResponse { status: Some(RuntimeStatus { conditions }), info, ..Default::default() })
    }

    pub(super) async fn update_runtime_config(
        &self,
        request: UpdateRuntimeConfigRequest,
    ) -> Result<UpdateRuntimeConfigResponse, Status> {
        let network = request.runtime_config.and_then(|config| config.network_config).unwrap_or_default();
        let cidr = network.pod_cidr;
        if !cidr.is_empty() && !is_cidr(&cidr) {
            return Err(Status::unknown(format!("get routes: invalid CIDR address: {cidr}")));
        }
        Ok(UpdateRuntimeConfigResponse {})
    }

    pub(super) async fn runtime_config(
        &self,
        _: RuntimeConfigRequest,
    ) -> Result<RuntimeConfigResponse, Status> {
        if !self.newer_calls {
            return Err(Status::unimplemented(
                "unknown method RuntimeConfig for service runtime.v1.RuntimeService",
            ));
        }
        let linux = LinuxRuntimeConfiguration { cgroup_driver: CgroupDriver::Cgroupfs.into() };
        Ok(RuntimeConfigResponse { linux: Some(linux) })
    }
}

/// An address, a slash, a number of bits that it has.
fn is_cidr(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, bits)| {
        let most = address.parse().map(|address: IpAddr| if address.is_ipv4() { 32 } else { 128 });
        most.is_ok_and(|most| bits.parse::<u8>().is_ok_and(|bits| bits <= most))
    })
}

pub(super) fn sandbox_item(pod: &engine::Pod, request: RunPodSandboxRequest) -> PodSandbox {
    let config = request.config.unwrap_or_default();
    PodSandbox {
        id: pod.id.clone(),
        metadata: config.metadata,
        state: sandbox_state(pod).into(),
        created_at: nanoseconds(pod.created_at),
        labels: config.labels,
        annotations: config.annotations,
        runtime_handler: request.runtime_handler,
    }
}

pub(super) fn sandbox_status(pod: &engine::Pod, request: RunPodSandboxRequest) -> PodSandboxStatus {
    let config = request.config.unwrap_or_default();
    let security = config.linux.and_then(|linux| linux.security_context);
    let options = security.and_then(|security| security.namespace_options).unwrap_or_default();
    let has_ip = pod.is_ready() && options.network() != NamespaceMode::Node;
    let ip = if has_ip { pod.address.unwrap_or(SANDBOX_IP).to_string() } else { String::new() };
    PodSandboxStatus {
        id: pod.id.clone(),
        metadata: config.metadata,
        state: sandbox_state(pod).into(),
        created_at: nanoseconds(pod.created_at),
        network: Some(PodSandboxNetworkStatus { ip, additional_ips: Vec::new() }),
        linux: Some(LinuxPodSandboxStatus { namespaces: Some(Namespace { options: Some(options) }) }),
        labels: config.labels,
        annotations: config.annotations,
        runtime_handler: request.runtime_handler,
    }
}

pub(super) fn sandbox_info(pod: &engine::Pod, request: &RunPodSandboxRequest) -> HashMap<String, String> {
    let info = json!({
        "pid": pod.pid.unwrap_or(0),
        "processStatus": if pod.is_ready() { "running" } else { "deleted" },
        "netNamespaceClosed": !pod.is_ready(),
        "snapshotKey": pod.id,
        "snapshotter": SNAPSHOTTER,
        "runtimeHandler": request.runtime_handler,
        "runtimeType": RUNTIME_TYPE,
        "config": request.config,
    });
    HashMap::from([("info".into(), info.to_string())])
}

pub(super) fn container_item(container: &engine::Container, kept: Kept) -> Container {
    Container {
        id: container.id.clone(),
        pod_sandbox_id: container.pod.clone(),
        metadata: kept.config.metadata,
        image: kept.config.image,
        image_ref: container.image.id.clone(),
        state: container_state(container).into(),
        created_at: nanoseconds(container.created_at),
        labels: kept.config.labels,
        annotations: kept.config.annotations,
        ..Default::default()
    }
}

/// `image` and `image_ref` are as they are in the image store now.
pub(super) fn container_status(
    container: &engine::Container,
    kept: Kept,
    image: Option<ImageSpec>,
    image_ref: String,
) -> ContainerStatus {
    let (started_at, exit) = match &container.state {
        engine::ContainerState::Created => (None, None),
        engine::ContainerState::Running { started_at, .. } => (Some(*started_at), None),
        engine::ContainerState::Exited(exit) => (exit.started_at, Some(exit)),
    };
    let start_error = exit.and_then(|exit| exit.start_error.as_deref());
    let resources = kept.config.linux.and_then(|linux| linux.resources).unwrap_or_default();
    let resources = LinuxContainerResources {
        // Unless something else is asked for, both limits are the same.
        memory_swap_limit_in_bytes: match resources.memory_swap_limit_in_bytes {
            0 => resources.memory_limit_in_bytes,
            swap => swap,
        },
        ..resources
    };
    ContainerStatus {
        id: container.id.clone(),
        metadata: kept.config.metadata,
        state: container_state(container).into(),
        created_at: nanoseconds(container.created_at),
        started_at: started_at.map_or(0, nanoseconds),
        finished_at: exit.map_or(0, |exit| nanoseconds(exit.finished_at)),
        exit_code: exit.map_or(0, |exit| exit.outcome.code()),
        image,
        image_ref,
        reason: exit.map(reason).unwrap_or_default().into(),
        message: start_error.map(super::refusal::start_failed).unwrap_or_default(),
        labels: kept.config.labels,
        annotations: kept.config.annotations,
        mounts: kept.config.mounts,
        log_path: kept.log_path,
        resources: Some(ContainerResources { linux: Some(resources), windows: None }),
        ..Default::default()
    }
}

pub(super) fn container_info(container: &engine::Container, kept: &Kept) -> HashMap<String, String> {
    let pid = match container.state {
        engine::ContainerState::Running { pid, .. } => pid,
        _ => 0,
    };
    let info = json!({
        "sandboxID": container.pod,
        "pid": pid,
        "removing": false,
        "snapshotKey": container.id,
        "snapshotter": SNAPSHOTTER,
        "runtimeType": RUNTIME_TYPE,
        "config": kept.config,
    });
    HashMap::from([("info".into(), info.to_string())])
}

/// A container that only fills a list.
pub(super) fn synthetic(number: usize) -> Container {
    Container {
        id: format!("5{number:063x}"),
        pod_sandbox_id: format!("50d{:061x}", number / 4),
        metadata: Some(ContainerMetadata { name: format!("synthetic-{number}"), attempt: 0 }),
        image: Some(ImageSpec { image: "localhost/synthetic:1".into(), ..Default::default() }),
        image_ref: format!("sha256:{:064x}", 1),
        state: ContainerState::ContainerExited.into(),
        created_at: 1,
        labels: HashMap::from([("synthetic".into(), number.to_string())]),
        ..Default::default()
    }
}

/// What little there is to say about a synthetic container.
pub(super) fn synthetic_status(item: Container) -> ContainerStatus {
    ContainerStatus {
        id: item.id,
        metadata: item.metadata,
        state: item.state,
        created_at: item.created_at,
        started_at: item.created_at,
        finished_at: item.created_at,
        image: item.image,
        image_ref: item.image_ref,
        reason: "Completed".into(),
        labels: item.labels,
        ..Default::default()
    }
}

/// The state's name in messages of containerd.
pub(super) fn state_name(container: &engine::Container) -> &'static str {
    container_state(container).as_str_name()
}

fn container_state(container: &engine::Container) -> ContainerState {
    match container.state {
        engine::ContainerState::Created => ContainerState::ContainerCreated,
        engine::ContainerState::Running { .. } => ContainerState::ContainerRunning,
        engine::ContainerState::Exited(_) => ContainerState::ContainerExited,
    }
}

fn sandbox_state(pod: &engine::Pod) -> PodSandboxState {
    if pod.is_ready() { PodSandboxState::SandboxReady } else { PodSandboxState::SandboxNotready }
}

fn reason(exit: &Exit) -> &'static str {
    match exit {
        Exit { start_error: Some(_), .. } => "StartError",
        Exit { oom_killed: true, .. } => "OOMKilled",
        exit if exit.outcome.code() == 0 => "Completed",
        _ => "Error",
    }
}

pub(super) fn nanoseconds(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX)
}
