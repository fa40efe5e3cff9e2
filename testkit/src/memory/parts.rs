//! What the core builds pods from.

use async_trait::async_trait;
use runtime_core::{
    Container, ContainerId, Context, Error, ErrorKind, Object, PodId, Result,
    compose::{ExistingContainer, ExistingPod, Mark, PodParts},
    helpers::{
        image_ref::ImageReference,
        pull_policy::{PullDecision, PullPolicy},
    },
    spec::{ContainerSpec, PodSpec},
};

use super::{MemoryDriver, error::convert, logs, translate};
use crate::engine::PidSpace;

#[async_trait]
impl PodParts for MemoryDriver {
    fn containers(&self) -> &dyn Container {
        self
    }

    async fn ensure_image(
        &self,
        cx: &Context,
        pod: Option<&PodSpec>,
        container: &ContainerSpec,
    ) -> Result<()> {
        let reference: ImageReference =
            container.image.reference.parse().map_err(|error| Error::invalid("image", error))?;
        let name = reference.to_string();
        let policy = container.pull_policy.unwrap_or_else(|| PullPolicy::default_for(&reference));
        match policy.decide(self.engine().image(&name).is_ok()) {
            PullDecision::UsePresent => Ok(()),
            PullDecision::Missing => {
                Err(Error::new(ErrorKind::NotFound, "is not present and must not be pulled")
                    .with_object(Object::image(name))
                    .with_reason("ErrImageNeverPull"))
            }
            PullDecision::Pull => {
                let credentials = pod.and_then(|pod| pod.credentials_for(reference.registry()));
                let credentials = credentials.map(translate::credentials).transpose()?;
                self.call(cx, self.engine().pull(&name, credentials).finish()).await.map(drop)
            }
        }
    }

    async fn create_sandbox(&self, cx: &Context, spec: &PodSpec, mark: &Mark) -> Result<PodId> {
        let engine = self.engine();
        let launch = translate::pod_launch(
            engine.isolation(),
            spec,
            mark,
            &logs::default_directory(engine, mark.id()),
        );
        let pod = self.call(cx, engine.create_pod(launch)).await?;
        Ok(PodId::new(pod.id))
    }

    async fn create_container(
        &self,
        cx: &Context,
        pod: &PodId,
        _pod_spec: Option<&PodSpec>,
        spec: &ContainerSpec,
        mark: &Mark,
    ) -> Result<ContainerId> {
        let engine = self.engine();
        let image = engine.image(&spec.image.reference).map_err(convert)?;
        let in_pod = engine.pod(pod.as_str()).map_err(convert)?;
        let launch = translate::launch(engine.isolation(), &in_pod, spec, &image, mark)?;
        if let PidSpace::Target(target) = &launch.pids
            && engine.container(target).map_err(convert)?.pod != in_pod.id
        {
            return Err(Error::invalid("security.namespaces.target", "it is in another pod"));
        }
        let container = self.call(cx, engine.create_container(pod.as_str(), launch)).await?;
        Ok(ContainerId::new(container.id))
    }

    async fn remove_sandbox(&self, cx: &Context, id: &PodId) -> Result<()> {
        self.remove_pod(cx, id).await
    }

    async fn find_sandbox(&self, _cx: &Context, mark: &str) -> Result<Option<PodId>> {
        let mut pods = self.engine().pods().into_iter();
        Ok(pods.find(|pod| translate::has_mark(&pod.launch.labels, mark)).map(|pod| PodId::new(pod.id)))
    }

    async fn find_container(&self, _cx: &Context, mark: &str) -> Result<Option<ContainerId>> {
        let mut containers = self.engine().containers().into_iter();
        let found = containers.find(|container| translate::has_mark(&container.launch.labels, mark));
        Ok(found.map(|container| ContainerId::new(container.id)))
    }

    async fn pods_named(&self, _cx: &Context, spec: &PodSpec) -> Result<Vec<ExistingPod>> {
        let mut pods = self.engine().pods();
        pods.retain(|pod| {
            let launch = &pod.launch;
            launch.name == spec.name
                && launch.namespace == spec.namespace_or_default()
                && Some(launch.uid.as_str()) == spec.uid.as_deref()
        });
        Ok(pods.into_iter().map(|pod| translate::existing_pod(&pod)).collect())
    }

    async fn containers_in(&self, _cx: &Context, pod: &PodId) -> Result<Vec<ExistingContainer>> {
        let containers = self.engine().containers();
        let of_pod = containers.iter().filter(|container| container.pod == pod.as_str());
        Ok(of_pod.map(translate::existing_container).collect())
    }

    async fn holds_name(&self, _cx: &Context, _spec: &PodSpec) -> Result<bool> {
        // The engine lists what it makes in the moment that it takes the name.
        Ok(false)
    }
}
