//! Containers: create, start, stop, remove, status, list.

use std::path::Path;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use k8s_cri::v1::*;
use serde::{Deserialize, Serialize};
use tonic::{Code, Status};

use super::fake::Fake;
use super::{filter, ids, launch, names, refusal, security, status};
use crate::engine::{self, EngineError, Object};

/// What is kept with the engine's container, to be told again.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) config: ContainerConfig,
    pub(super) log_path: String,
}

impl Fake {
    pub(super) async fn create_container(
        &self,
        request: CreateContainerRequest,
    ) -> Result<CreateContainerResponse, Status> {
        let wanted = &request.pod_sandbox_id;
        let (pod, run) = self.sandbox(wanted, &format!("failed to find sandbox id {wanted:?}"))?;
        if !pod.is_ready() {
            let task = format!("task {} not found: not found", pod.id);
            return Err(Status::not_found(format!(
                "failed to get sandbox container task: no running task found: {task}"
            )));
        }
        let config = request.config.unwrap_or_default();
        let metadata = config
            .metadata
            .clone()
            .ok_or_else(|| Status::unknown("container config must include metadata"))?;
        let Some(sandbox) = request.sandbox_config else {
            return Err(Status::unavailable("a request without sandbox_config crashes containerd 1.6"));
        };
        let name = names::container(&metadata, &sandbox.metadata.clone().unwrap_or_default());
        self.check_container_name(&pod.id, &metadata, &name)?;
        let reference = config.image.as_ref().map_or("", |image| &image.image);
        let image = self
            .resolve_image(reference)
            .ok_or_else(|| Status::not_found(format!("failed to resolve image {reference:?}: not found")))?;
        names::check_labels("container", &config.labels)?;
        // What the sandbox was made with, whatever this request says of it.
        let made_with = run.config.unwrap_or_default();
        let pids = self.pids(&config, &made_with)?;
        let pod_security = made_with.linux.as_ref().and_then(|linux| linux.security_context.as_ref());
        let privileged = pod_security.is_some_and(|security| security.privileged);
        security::check_container(&config, privileged, self.engine.isolation())?;
        let files = self.sandbox_files(&pod.id, &made_with).await?;
        let mut launch = launch::launch(&config, &sandbox, &image, self.engine.isolation(), files, pids)?;
        let log_path =
            launch.log_path.as_deref().map_or_else(String::new, |path| path.to_string_lossy().into_owned());
        launch.config = serde_json::to_value(Kept { config, log_path })
            .map_err(|error| Status::internal(error.to_string()))?;
        let made = self.engine.create_container(&pod.id, launch).await.map_err(|error| match error {
            EngineError::NameTaken { existing, .. } => names::reserved("container", &name, &existing),
            error => refusal::from_engine(error),
        })?;
        Ok(CreateContainerResponse { container_id: made.id })
    }

    pub(super) async fn start_container(
        &self,
        request: StartContainerRequest,
    ) -> Result<StartContainerResponse, Status> {
        let (container, _) = self.container(&request.container_id)?;
        let id = &container.id;
        match self.engine.start_container(id).await {
            Ok(_) => Ok(StartContainerResponse {}),
            Err(EngineError::InvalidState { object: Object::Pod, id: pod, .. }) => {
                Err(Status::unknown(format!("sandbox container {pod:?} is not running")))
            }
            Err(EngineError::InvalidState { .. }) => {
                let state = status::state_name(&self.container(id)?.0);
                Err(Status::unknown(format!(
                    "failed to set starting state for container {id:?}: container is in {state} state"
                )))
            }
            Err(
                error @ (EngineError::Injected { .. } | EngineError::NotFound { .. } | EngineError::ShutDown),
            ) => Err(refusal::from_engine(error)),
            Err(error) => Err(Status::unknown(refusal::start_failed(&error.to_string()))),
        }
    }

    pub(super) async fn stop_container(
        &self,
        request: StopContainerRequest,
    ) -> Result<StopContainerResponse, Status> {
        if !self.is_synthetic(&request.container_id) {
            let (container, _) = self.container(&request.container_id)?;
            let grace = Duration::from_secs(u64::try_from(request.timeout).unwrap_or(0));
            self.engine.stop_container(&container.id, None, grace).await.map_err(refusal::from_engine)?;
        }
        Ok(StopContainerResponse {})
    }

    pub(super) async fn remove_container(
        &self,
        request: RemoveContainerRequest,
    ) -> Result<RemoveContainerResponse, Status> {
        let wanted = &request.container_id;
        self.synthetic().retain(|container| container.id != *wanted);
        match self.container(wanted) {
            Err(error) if error.code() == Code::NotFound => {}
            Err(error) => return Err(error),
            Ok((container, _)) => {
                self.engine.remove_container(&container.id, true).await.map_err(refusal::from_engine)?;
            }
        }
        Ok(RemoveContainerResponse {})
    }

    pub(super) async fn list_containers(
        &self,
        request: ListContainersRequest,
    ) -> Result<ListContainersResponse, Status> {
        let mut all = self.synthetic().clone();
        all.extend(self.containers().map(|(container, kept)| status::container_item(&container, kept)));
        let pods = self.engine.pods();
        let pod_ids = pods.iter().map(|pod| pod.id.as_str());
        Ok(ListContainersResponse { containers: filter::containers(all, pod_ids, request.filter.as_ref()) })
    }

    pub(super) async fn container_status(
        &self,
        request: ContainerStatusRequest,
    ) -> Result<ContainerStatusResponse, Status> {
        let wanted = &request.container_id;
        if let Some(item) = self.synthetic_container(wanted) {
            let status = Some(status::synthetic_status(item));
            return Ok(ContainerStatusResponse { status, ..Default::default() });
        }
        let (container, kept) = self.container(wanted)?;
        let info =
            if request.verbose { status::container_info(&container, &kept) } else { Default::default() };
        let (mut image, mut image_ref) = (kept.config.image.clone(), container.image.id.clone());
        // As long as the image is there, the container shows its names of now.
        if let Ok(now) = self.engine.image(&container.image.id) {
            if let Some(name) = now.tags.first().or(now.digests.first()) {
                image = Some(ImageSpec { image: name.clone(), ..image.unwrap_or_default() });
            }
            image_ref = now.digests.first().cloned().unwrap_or(image_ref);
        }
        let status = Some(status::container_status(&container, kept, image, image_ref));
        Ok(ContainerStatusResponse { status, info })
    }

    pub(super) async fn reopen_container_log(
        &self,
        request: ReopenContainerLogRequest,
    ) -> Result<ReopenContainerLogResponse, Status> {
        let (container, _) = self.container(&request.container_id)?;
        match self.engine.reopen_log(&container.id).await {
            Ok(()) => Ok(ReopenContainerLogResponse {}),
            Err(EngineError::InvalidState { .. }) => Err(Status::unknown("container is not running")),
            Err(error) => Err(refusal::from_engine(error)),
        }
    }

    /// The container that a prefix of its id finds, with what is kept about it.
    pub(super) fn container(&self, prefix: &str) -> Result<(engine::Container, Kept), Status> {
        self.container_in(prefix, &format!("an error occurred when try to find container {prefix:?}"))
    }

    /// The same with other words in front of the refusal.
    pub(super) fn container_in(
        &self,
        prefix: &str,
        context: &str,
    ) -> Result<(engine::Container, Kept), Status> {
        let mut all = self.engine.containers();
        let id =
            ids::find(all.iter().map(|one| one.id.as_str()), prefix).or_refuse(context, prefix)?.to_owned();
        all.retain(|one| one.id == id);
        all.pop().and_then(with_kept).ok_or_else(|| Status::not_found(format!("{context}: not found")))
    }

    /// The engine's containers that were made over this protocol.
    pub(super) fn containers(&self) -> impl Iterator<Item = (engine::Container, Kept)> {
        self.engine.containers().into_iter().filter_map(with_kept)
    }

    fn synthetic_container(&self, id: &str) -> Option<Container> {
        self.synthetic().iter().find(|container| container.id == id).cloned()
    }

    fn synthetic(&self) -> MutexGuard<'_, Vec<Container>> {
        self.synthetic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_synthetic(&self, id: &str) -> bool {
        self.synthetic_container(id).is_some()
    }

    /// Before the image is looked at; the engine decides between two at once.
    fn check_container_name(
        &self,
        pod: &str,
        metadata: &ContainerMetadata,
        name: &str,
    ) -> Result<(), Status> {
        let same = |container: &engine::Container| {
            container.pod == pod
                && container.launch.name == metadata.name
                && container.launch.attempt == metadata.attempt
        };
        match self.engine.containers().into_iter().find(same) {
            None => Ok(()),
            Some(container) => Err(names::reserved("container", name, &container.id)),
        }
    }

    /// The files that every container of a sandbox finds in `/etc`.
    async fn sandbox_files(
        &self,
        pod: &str,
        sandbox: &PodSandboxConfig,
    ) -> Result<Vec<engine::Mount>, Status> {
        let dir = self.sandbox_dir(pod);
        let resolv = match &sandbox.dns_config {
            Some(dns) if *dns != DnsConfig::default() => {
                engine::resolv_conf(&dns.servers, &dns.searches, &dns.options)
            }
            _ => read_host("/etc/resolv.conf").await,
        };
        let hostname = format!("{}\n", launch::hostname(sandbox));
        let contents =
            [("hostname", hostname), ("hosts", read_host("/etc/hosts").await), ("resolv.conf", resolv)];
        let failed =
            |error: std::io::Error| Status::unknown(format!("failed to set up sandbox files: {error}"));
        tokio::fs::create_dir_all(&dir).await.map_err(failed)?;
        let mut files = Vec::new();
        for (name, content) in contents {
            let host_path = dir.join(name);
            if !host_path.exists() {
                tokio::fs::write(&host_path, content).await.map_err(failed)?;
            }
            files.push(engine::Mount::bind(host_path, format!("/etc/{name}")));
        }
        Ok(files)
    }
}

fn with_kept(container: engine::Container) -> Option<(engine::Container, Kept)> {
    let kept = Kept::deserialize(&container.launch.config).ok()?;
    Some((container, kept))
}

async fn read_host(path: impl AsRef<Path>) -> String {
    // A host without the file gives an empty one.
    tokio::fs::read_to_string(path).await.unwrap_or_default()
}
