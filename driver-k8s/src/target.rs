//! A container as the server shows it, of the one life of its pod that is meant.

use k8s_openapi::api::core::v1 as core;
use runtime_core::{Context, Error, ErrorKind, Object, Result};

use crate::{
    api::Api,
    driver::K8sDriver,
    ending,
    error::Refusal,
    id::{ContainerKey, PodKey},
    translate::{TOOLBOX_NAME, kept::Kept, status},
};

/// A container of a pod, as both are now.
#[derive(Debug)]
pub(crate) struct Target {
    pod: core::Pod,
    name: String,
}

impl Target {
    /// The container; `None` when the pod has none of this name.
    fn of(pod: core::Pod, name: &str) -> Option<Self> {
        let target = Self { pod, name: name.to_owned() };
        target.spec().is_some().then_some(target)
    }

    /// What was asked for.
    pub(crate) fn spec(&self) -> Option<&core::Container> {
        let spec = self.pod.spec.as_ref()?;
        let init = spec.init_containers.as_deref().unwrap_or_default();
        spec.containers.iter().chain(init).find(|container| container.name == self.name)
    }

    /// What has become of it; `None` as long as no kubelet has said anything of it.
    pub(crate) fn status(&self) -> Option<&core::ContainerStatus> {
        let status = self.pod.status.as_ref()?;
        let init = status.init_container_statuses.as_deref().unwrap_or_default();
        let containers = status.container_statuses.as_deref().unwrap_or_default();
        containers.iter().chain(init).find(|status| status.name == self.name)
    }

    /// Where the toolbox is in it that the driver put there, in whichever process.
    pub(crate) fn toolbox(&self) -> Option<String> {
        let mounts = self.spec()?.volume_mounts.as_deref()?;
        let is_mounted = mounts.iter().any(|mount| mount.name == TOOLBOX_NAME);
        Kept::of(&self.pod)?.toolbox.filter(|_| is_mounted).map(|toolbox| toolbox.path())
    }

    /// How often it was started anew.
    pub(crate) fn restarts(&self) -> i32 {
        self.status().map_or(0, |status| status.restart_count)
    }

    pub(crate) fn is_running(&self) -> bool {
        let state = self.status().and_then(|status| status.state.as_ref());
        state.is_some_and(|state| state.running.is_some())
    }

    /// Whether it runs, or has ever run.
    pub(crate) fn has_started(&self) -> bool {
        let has_run = |state: &core::ContainerState| state.running.is_some() || state.terminated.is_some();
        self.status()
            .is_some_and(|status| [&status.state, &status.last_state].into_iter().flatten().any(has_run))
    }

    /// Whether a life of it before the present one is known.
    pub(crate) fn has_previous(&self) -> bool {
        let last = self.status().and_then(|status| status.last_state.as_ref());
        last.is_some_and(|state| state.terminated.is_some())
    }

    /// Whether the pod has ended, so that nothing in it will start any more.
    pub(crate) fn pod_has_ended(&self) -> bool {
        status::is_over(&self.pod)
    }

    /// Whether the pod was deleted, though it may be kept.
    pub(crate) fn pod_is_going(&self) -> bool {
        ending::is_going(&self.pod)
    }
}

impl K8sDriver {
    /// The pod of this very life, if it is there.
    pub(crate) async fn pod_of(&self, cx: &Context, key: &PodKey) -> Result<Option<core::Pod>, Refusal> {
        let found = Api::<core::Pod>::of(self.client(), &key.namespace).find(cx, &key.name).await?;
        let found = found.filter(|pod| pod.metadata.uid.as_deref() == Some(&key.uid));
        if found.is_none() {
            self.gone(key);
        }
        Ok(found)
    }

    /// A container, if it is there.
    pub(crate) async fn find_target(&self, cx: &Context, key: &ContainerKey) -> Result<Option<Target>> {
        let pod = self.pod_of(cx, &key.pod).await?;
        Ok(pod.and_then(|pod| Target::of(pod, &key.container)))
    }

    /// A container that runs.
    ///
    /// # Errors
    /// `NotFound`, `InvalidState` when it does not run.
    pub(crate) async fn running(&self, cx: &Context, key: &ContainerKey) -> Result<Target> {
        let target = self.find_target(cx, key).await?.ok_or_else(|| missing(key))?;
        if target.is_running() { Ok(target) } else { Err(not_running()) }
    }

    /// Why a stream of a container was refused, from how the container is: a server that has no code of its own for it
    /// (a container that has not started is an internal error) is asked again.
    pub(crate) async fn why_refused(&self, cx: &Context, key: &ContainerKey, refusal: Refusal) -> Error {
        if !is_vague(&refusal) {
            return refusal.into();
        }
        match self.running(cx, key).await {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidState) => error,
            _ => refusal.into(),
        }
    }

    /// The same for a stream of a pod.
    pub(crate) async fn why_pod_refused(&self, cx: &Context, key: &PodKey, refusal: Refusal) -> Error {
        if !is_vague(&refusal) {
            return refusal.into();
        }
        match self.running_pod(cx, key).await {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidState) => error,
            _ => refusal.into(),
        }
    }

    /// Checks that a pod runs.
    ///
    /// # Errors
    /// `NotFound`, `InvalidState` when it does not run.
    pub(crate) async fn running_pod(&self, cx: &Context, key: &PodKey) -> Result<()> {
        let pod = self.pod_of(cx, key).await?;
        let pod = pod.ok_or_else(|| Error::not_found(Object::pod(key.id().as_str())))?;
        match pod.status.as_ref().and_then(|status| status.phase.as_deref()) {
            Some("Running") => Ok(()),
            _ => Err(Error::new(ErrorKind::InvalidState, "the pod is not running")),
        }
    }
}

/// Whether the answer may be about the container's state, rather than about who asks, or the server.
fn is_vague(refusal: &Refusal) -> bool {
    matches!(refusal.code, Some(400 | 404 | 409 | 500..))
}

pub(crate) fn missing(key: &ContainerKey) -> Error {
    Error::not_found(Object::container(key.id().as_str()))
}

fn not_running() -> Error {
    Error::new(ErrorKind::InvalidState, "the container is not running")
}
