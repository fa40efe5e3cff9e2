//! What pods are built from: sandboxes and containers, made one by one.

use async_trait::async_trait;
use k8s_cri::v1 as cri;
use runtime_core::{
    Container, ContainerId, Context, Error, ErrorKind, Object, PodId, PodPhase, Result,
    compose::{ExistingContainer, ExistingPod, Mark, PodParts},
    helpers::pull_policy::{PullDecision, PullPolicy},
    lost,
    marks::{CREATE, default_uid},
    spec::{ContainerSpec, PodSpec},
};

use crate::{
    driver::CriDriver,
    error::Refusal,
    image,
    log_directory::{self, Held},
    options::CriPodOptions,
    translate::{self, marks, status},
};

#[async_trait]
impl PodParts for CriDriver {
    fn containers(&self) -> &dyn Container {
        self
    }

    async fn ensure_image(
        &self,
        cx: &Context,
        pod: Option<&PodSpec>,
        container: &ContainerSpec,
    ) -> Result<()> {
        let reference = image::reference(&container.image.reference)?;
        let policy = container.pull_policy.unwrap_or_else(|| PullPolicy::default_for(&reference));
        let present = policy != PullPolicy::Always && self.find_image(cx, &reference).await?.is_some();
        match policy.decide(present) {
            PullDecision::UsePresent => Ok(()),
            PullDecision::Pull => {
                let credentials = pod.and_then(|pod| pod.credentials_for(reference.registry()));
                self.pull_image(cx, &reference, credentials).await.map(drop)
            }
            PullDecision::Missing => Err(Error::new(
                ErrorKind::NotFound,
                "the image is not there, and its pull policy forbids to pull it",
            )
            .with_object(Object::image(reference.to_string()))),
        }
    }

    async fn create_sandbox(&self, cx: &Context, spec: &PodSpec, mark: &Mark) -> Result<PodId> {
        let runtime_handler = spec.extensions.get::<CriPodOptions>()?.runtime_handler.unwrap_or_default();
        let spec = self.resolved(spec);
        let mut config = translate::pod_config(&spec)?;
        config.labels.extend([mark.label()]);
        config.annotations.extend(mark.annotations());
        config.annotations.insert(marks::SPEC.to_owned(), marks::to_json(&spec)?);
        let directory = match &spec.log_directory {
            Some(path) => Some(Held::take(cx, path).await?),
            None => None,
        };
        let is_default = self
            .log_root()
            .is_some_and(|root| spec.log_directory == Some(log_directory::of_pod(root, &spec)));
        if is_default || directory.as_ref().is_some_and(|directory| directory.made) {
            config.annotations.insert(marks::LOG_DIRECTORY.to_owned(), config.log_directory.clone());
        }
        let request = cri::RunPodSandboxRequest { config: Some(config), runtime_handler };
        match self.client().run_pod_sandbox(cx, request).await {
            Ok(response) => Ok(PodId::new(response.pod_sandbox_id)),
            Err(refusal) => Err(self.why_no_sandbox(refusal, cx, &spec, mark.id(), directory).await),
        }
    }

    async fn create_container(
        &self,
        cx: &Context,
        pod: &PodId,
        pod_spec: Option<&PodSpec>,
        spec: &ContainerSpec,
        mark: &Mark,
    ) -> Result<ContainerId> {
        let pod_spec = match pod_spec {
            Some(spec) => self.resolved(spec),
            None => self.stored_spec(cx, pod).await?,
        };
        let sandbox_config = translate::pod_config(&pod_spec)?;
        let mut config = translate::container_config(spec, &pod_spec.security)?;
        config.labels.extend([mark.label()]);
        config.annotations.extend(mark.annotations());
        config.annotations.insert(marks::IMAGE.to_owned(), spec.image.reference.clone());
        if let Some(image) = &mut config.image {
            // In full form, so that nothing can be taken for an image's id.
            image.image = image::reference(&image.image)?.to_string();
        }
        config.mounts.extend(self.toolbox_mount()?);
        let mut held = None;
        if let Some(directory) = &pod_spec.log_directory {
            if config.log_path.is_empty() {
                config.log_path = format!("{}/{}.log", spec.name, spec.attempt);
            }
            held = Some(Held::take(cx, &directory.join(&spec.name)).await?);
        }
        let request = cri::CreateContainerRequest {
            pod_sandbox_id: pod.as_str().to_owned(),
            config: Some(config),
            sandbox_config: Some(sandbox_config),
        };
        match self.client().create_container(cx, request).await {
            Ok(response) => Ok(ContainerId::new(response.container_id)),
            Err(refusal) => {
                let secrets = spec.env.iter().map(|variable| variable.value.expose());
                let error = self.why_no_container(refusal.without(secrets), cx, pod, spec, mark.id()).await;
                if let Some(held) = held {
                    held.abandon().await;
                }
                Err(error)
            }
        }
    }

    async fn remove_sandbox(&self, cx: &Context, id: &PodId) -> Result<()> {
        self.remove_pod(cx, id).await
    }

    async fn find_sandbox(&self, cx: &Context, mark: &str) -> Result<Option<PodId>> {
        let pods = self.pods_with_mark(cx, mark).await?;
        Ok(pods.into_iter().next().map(|pod| PodId::new(pod.id)))
    }

    async fn find_container(&self, cx: &Context, mark: &str) -> Result<Option<ContainerId>> {
        let filter = cri::ContainerFilter { label_selector: by_mark(mark), ..Default::default() };
        let containers =
            self.client().list_containers(cx, cri::ListContainersRequest { filter: Some(filter) });
        Ok(containers.await?.containers.into_iter().next().map(|container| ContainerId::new(container.id)))
    }

    async fn pods_named(&self, cx: &Context, spec: &PodSpec) -> Result<Vec<ExistingPod>> {
        // One that others made has no label to be found by.
        let pods = self.client().list_pod_sandbox(cx, cri::ListPodSandboxRequest::default()).await?.items;
        let named = pods.into_iter().filter_map(|pod| {
            let metadata = pod.metadata.filter(|metadata| has_name(metadata, spec))?;
            let running = status::pod_phase(pod.state) == PodPhase::Running;
            Some(ExistingPod::new(PodId::new(pod.id), metadata.attempt, running, pod.annotations))
        });
        Ok(named.collect())
    }

    async fn containers_in(&self, cx: &Context, pod: &PodId) -> Result<Vec<ExistingContainer>> {
        let filter = cri::ContainerFilter { pod_sandbox_id: pod.as_str().to_owned(), ..Default::default() };
        let request = cri::ListContainersRequest { filter: Some(filter) };
        let containers = self.client().list_containers(cx, request).await?.containers;
        // Runtimes match ids by their beginning.
        let of_pod = containers.into_iter().filter(|container| container.pod_sandbox_id == pod.as_str());
        let existing = of_pod.map(|container| {
            let metadata = container.metadata.unwrap_or_default();
            let (id, phase) = (ContainerId::new(container.id), status::container_phase(container.state));
            ExistingContainer::new(id, metadata.name, metadata.attempt, phase, container.annotations)
        });
        Ok(existing.collect())
    }

    async fn holds_name(&self, cx: &Context, spec: &PodSpec) -> Result<bool> {
        self.is_name_held(cx, spec).await
    }
}

impl CriDriver {
    /// The pod without its containers and secrets, with what the driver decides: uid and log directory.
    fn resolved(&self, spec: &PodSpec) -> PodSpec {
        let mut resolved = spec.clone();
        resolved.containers.clear();
        resolved.init_containers.clear();
        resolved.pull_secrets.clear();
        resolved.uid.get_or_insert_with(|| default_uid(spec.namespace_or_default(), &spec.name));
        if resolved.log_directory.is_none() {
            resolved.log_directory = self.log_root().map(|root| log_directory::of_pod(root, &resolved));
        }
        resolved
    }

    /// The spec of a pod that runs: the one that wharf stored with it, else made from what the runtime tells.
    async fn stored_spec(&self, cx: &Context, id: &PodId) -> Result<PodSpec> {
        let missing = || Error::not_found(Object::pod(id.as_str()));
        let (status, info) = self.find_pod_status(cx, id.as_str(), true).await?.ok_or_else(missing)?;
        if status.state != i32::from(cri::PodSandboxState::SandboxReady) {
            return Err(not_running(id));
        }
        match marks::from_json(&status.annotations) {
            Some(spec) => Ok(spec),
            None => foreign_spec(status, info.document().unwrap_or_default()),
        }
    }

    async fn pods_with_mark(&self, cx: &Context, mark: &str) -> Result<Vec<cri::PodSandbox>> {
        let filter = cri::PodSandboxFilter { label_selector: by_mark(mark), ..Default::default() };
        Ok(self
            .client()
            .list_pod_sandbox(cx, cri::ListPodSandboxRequest { filter: Some(filter) })
            .await?
            .items)
    }

    /// Finds out why there is no sandbox, by looking whether there is another of the same name.
    async fn why_no_sandbox(
        &self,
        refusal: Refusal,
        cx: &Context,
        spec: &PodSpec,
        mark: &str,
        directory: Option<Held>,
    ) -> Error {
        if refusal.is_lost() {
            lost::wait_for(|| self.find_sandbox(cx, mark)).await;
            return refusal.into();
        }
        // All pods, since one that others made has no mark to be found by.
        let Ok(pods) = self.client().list_pod_sandbox(cx, cri::ListPodSandboxRequest::default()).await else {
            return refusal.into();
        };
        let is_ours = |pod: &cri::PodSandbox| pod.labels.get(CREATE).is_some_and(|own| own == mark);
        let is_same = |pod: &cri::PodSandbox| {
            pod.metadata.as_ref().is_some_and(|other| has_name(other, spec) && other.attempt == spec.attempt)
        };
        let same = pods.items.iter().find(|pod| is_same(pod));
        if let (None, Some(directory)) = (same, directory) {
            directory.abandon().await;
        }
        match same.filter(|pod| refusal.is_vague() && !is_ours(pod)) {
            Some(pod) => Error::already_exists(Object::pod(spec.full_name()), &pod.id),
            None => refusal.into(),
        }
    }

    /// Finds out why there is no container: another of the same name, no pod, no image.
    async fn why_no_container(
        &self,
        refusal: Refusal,
        cx: &Context,
        pod: &PodId,
        spec: &ContainerSpec,
        mark: &str,
    ) -> Error {
        if refusal.is_lost() {
            lost::wait_for(|| self.find_container(cx, mark)).await;
        }
        if !refusal.is_vague() {
            return refusal.into();
        }
        let filter = cri::ContainerFilter { pod_sandbox_id: pod.as_str().to_owned(), ..Default::default() };
        let request = cri::ListContainersRequest { filter: Some(filter) };
        let containers = self.client().list_containers(cx, request).await.unwrap_or_default().containers;
        let same = containers.iter().find(|other| {
            let metadata = other.metadata.clone().unwrap_or_default();
            metadata.name == spec.name && metadata.attempt == spec.attempt
        });
        let is_other = |other: &&cri::Container| other.labels.get(CREATE).is_none_or(|own| own != mark);
        if let Some(other) = same.filter(is_other) {
            return Error::already_exists(Object::container(format!("{pod}/{}", spec.name)), &other.id);
        }
        match self.find_pod_status(cx, pod.as_str(), false).await {
            Ok(None) => return Error::not_found(Object::pod(pod.as_str())),
            Ok(Some((status, _))) if status.state != i32::from(cri::PodSandboxState::SandboxReady) => {
                return not_running(pod);
            }
            Ok(Some(_)) | Err(_) => {}
        }
        if let Ok(reference) = image::reference(&spec.image.reference)
            && let Ok(None) = self.find_image(cx, &reference).await
        {
            return Error::not_found(Object::image(reference.to_string()));
        }
        if refusal.is_not_found() { refusal.with_kind(ErrorKind::Failed) } else { refusal.into() }
    }
}

/// The spec of a pod that somebody else made. CRI tells all but the log directory, the cgroup parent and the host name;
/// these are in what containerd tells beyond CRI.
fn foreign_spec(status: cri::PodSandboxStatus, document: serde_json::Value) -> Result<PodSpec> {
    let text = |pointer: &str| document.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default();
    let namespace_options = status.linux.and_then(|linux| linux.namespaces?.options);
    let security_context = cri::LinuxSandboxSecurityContext {
        namespace_options,
        privileged: document.pointer("/config/linux/security_context/privileged") == Some(&true.into()),
        ..Default::default()
    };
    translate::pod_spec(cri::PodSandboxConfig {
        metadata: status.metadata,
        hostname: text("/config/hostname").to_owned(),
        log_directory: text("/config/log_directory").to_owned(),
        labels: status.labels,
        annotations: status.annotations,
        linux: Some(cri::LinuxPodSandboxConfig {
            cgroup_parent: text("/config/linux/cgroup_parent").to_owned(),
            security_context: Some(security_context),
            ..Default::default()
        }),
        ..Default::default()
    })
}

/// Whether a pod has the name that is asked for, as whatever attempt.
fn has_name(metadata: &cri::PodSandboxMetadata, spec: &PodSpec) -> bool {
    metadata.name == spec.name
        && metadata.namespace == spec.namespace_or_default()
        && spec.uid.as_deref() == Some(&metadata.uid)
}

fn by_mark(mark: &str) -> std::collections::HashMap<String, String> {
    [(CREATE.to_owned(), mark.to_owned())].into()
}

fn not_running(pod: &PodId) -> Error {
    Error::new(ErrorKind::InvalidState, "the pod is not running").with_object(Object::pod(pod.as_str()))
}
