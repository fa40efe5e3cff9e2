//! Sandboxes: run, stop, remove, status, list.

use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_cri::v1::*;
use tonic::Status;

use super::fake::Fake;
use super::{filter, ids, names, refusal, security, space, status};
use crate::engine::{EngineError, Pod, PodLaunch};

/// Linux takes no longer host name.
const MAX_HOSTNAME_BYTES: usize = 64;

impl Fake {
    pub(super) async fn run_pod_sandbox(
        &self,
        request: RunPodSandboxRequest,
    ) -> Result<RunPodSandboxResponse, Status> {
        let config = request.config.clone().unwrap_or_default();
        let metadata =
            config.metadata.clone().ok_or_else(|| Status::unknown("sandbox config must include metadata"))?;
        // Held until this call ends, however it ends; in containerd under the id that the sandbox is to have.
        let full_name = names::sandbox(&metadata);
        let Some(_reservation) = self.reserved.take(full_name.clone()) else {
            return Err(names::reserved("sandbox", &full_name, &"0".repeat(64)));
        };
        self.check_sandbox_name(&metadata)?;
        if !matches!(request.runtime_handler.as_str(), "" | "runc") {
            let handler = &request.runtime_handler;
            let text = format!("failed to get sandbox runtime: no runtime for {handler:?} is configured");
            return Err(Status::unknown(text));
        }
        names::check_labels("container", &config.labels)?;
        security::check_sandbox(&config, self.engine.has_networks())?;
        let space = space::of_sandbox(&config, &self.engine)?;
        if config.hostname.len() > MAX_HOSTNAME_BYTES {
            let why = "unable to start container process: error during container init: sethostname: invalid argument";
            return Err(Status::unknown(refusal::start_failed(why)));
        }
        let launch = PodLaunch {
            name: metadata.name.clone(),
            namespace: metadata.namespace.clone(),
            uid: metadata.uid.clone(),
            attempt: metadata.attempt,
            hostname: Some(config.hostname.clone()).filter(|name| !name.is_empty()),
            space,
            log_directory: Some(config.log_directory.clone())
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
            labels: config.labels.clone().into_iter().collect(),
            annotations: config.annotations.clone().into_iter().collect(),
            config: serde_json::to_value(&request).map_err(|error| Status::internal(error.to_string()))?,
        };
        let pod = self.engine.create_pod(launch).await.map_err(|error| match error {
            EngineError::NameTaken { existing, .. } => {
                names::reserved("sandbox", &names::sandbox(&metadata), &existing)
            }
            error => refusal::from_engine(error),
        })?;
        Ok(RunPodSandboxResponse { pod_sandbox_id: pod.id })
    }

    pub(super) async fn stop_pod_sandbox(
        &self,
        request: StopPodSandboxRequest,
    ) -> Result<StopPodSandboxResponse, Status> {
        let wanted = &request.pod_sandbox_id;
        let (pod, _) =
            self.sandbox(wanted, &format!("an error occurred when try to find sandbox {wanted:?}"))?;
        self.engine.stop_pod(&pod.id, Duration::ZERO).await.map_err(refusal::from_engine)?;
        Ok(StopPodSandboxResponse {})
    }

    pub(super) async fn remove_pod_sandbox(
        &self,
        request: RemovePodSandboxRequest,
    ) -> Result<RemovePodSandboxResponse, Status> {
        let wanted = &request.pod_sandbox_id;
        match self.sandbox(wanted, &format!("an error occurred when try to find sandbox {wanted:?}")) {
            Err(error) if error.code() == tonic::Code::NotFound => {}
            Err(error) => return Err(error),
            Ok((pod, _)) => {
                self.engine.remove_pod(&pod.id).await.map_err(refusal::from_engine)?;
                remove_dir(&self.sandbox_dir(&pod.id)).await?;
            }
        }
        Ok(RemovePodSandboxResponse {})
    }

    pub(super) async fn pod_sandbox_status(
        &self,
        request: PodSandboxStatusRequest,
    ) -> Result<PodSandboxStatusResponse, Status> {
        let (pod, run) =
            self.sandbox(&request.pod_sandbox_id, "an error occurred when try to find sandbox")?;
        let info = if request.verbose { status::sandbox_info(&pod, &run) } else { Default::default() };
        let status = Some(status::sandbox_status(&pod, run));
        Ok(PodSandboxStatusResponse { status, info, ..Default::default() })
    }

    pub(super) async fn list_pod_sandbox(
        &self,
        request: ListPodSandboxRequest,
    ) -> Result<ListPodSandboxResponse, Status> {
        let all = self.sandboxes().map(|(pod, run)| status::sandbox_item(&pod, run)).collect();
        Ok(ListPodSandboxResponse { items: filter::sandboxes(all, request.filter.as_ref()) })
    }

    /// The sandbox that a prefix of its id finds, with the request that made it; `context` leads the refusal.
    pub(super) fn sandbox(&self, prefix: &str, context: &str) -> Result<(Pod, RunPodSandboxRequest), Status> {
        let mut all: Vec<_> = self.sandboxes().collect();
        let id = ids::find(all.iter().map(|(pod, _)| pod.id.as_str()), prefix)
            .or_refuse(context, prefix)?
            .to_owned();
        all.retain(|(pod, _)| pod.id == id);
        all.pop().ok_or_else(|| Status::not_found(format!("{context}: not found")))
    }

    /// The engine's pods that were made over this protocol.
    pub(super) fn sandboxes(&self) -> impl Iterator<Item = (Pod, RunPodSandboxRequest)> {
        self.engine.pods().into_iter().filter_map(|pod| {
            let run = serde_json::from_value(pod.launch.config.clone()).ok()?;
            Some((pod, run))
        })
    }

    /// Where files of a sandbox are kept that its containers mount.
    pub(super) fn sandbox_dir(&self, id: &str) -> PathBuf {
        self.dir.join(id)
    }

    /// Before anything else about the sandbox is looked at; the engine decides between two at once.
    fn check_sandbox_name(&self, metadata: &PodSandboxMetadata) -> Result<(), Status> {
        let same = |run: &RunPodSandboxRequest| {
            run.config.as_ref().and_then(|config| config.metadata.as_ref()) == Some(metadata)
        };
        match self.sandboxes().find(|(_, run)| same(run)) {
            None => Ok(()),
            Some((pod, _)) => Err(names::reserved("sandbox", &names::sandbox(metadata), &pod.id)),
        }
    }
}

async fn remove_dir(path: &Path) -> Result<(), Status> {
    match tokio::fs::remove_dir_all(path).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Status::unknown(error.to_string())),
        _ => Ok(()),
    }
}
