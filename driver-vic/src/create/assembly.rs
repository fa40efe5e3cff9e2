//! One handle from its create to its commit.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use runtime_core::{
    Context, Error, ErrorKind, Leftover, Object, PodId, Recorder, Result,
    compose::Mark,
    helpers::name::{MAX_LABEL, sanitize_label},
    lost,
    persist::{Setback, persist},
    spec::Protocol,
};

use super::{Creation, step};
use crate::{
    api::{
        Handle,
        models::{CreateConfig, ImageJoin, NetworkConfig, ScopeJoin},
    },
    config::Guest,
    error::Refusal,
    id::is_vm,
    image_cache::ImageConfig,
    patience::{self, of_handle},
    translate::{annotations::Kept, config::TaskPlan},
};

/// How many digits of a layer's id guests tell roots apart by.
const ROOT_LABEL: usize = 15;

impl Creation {
    /// Makes the pod. Nothing is there before the commit, so what fails before it is done anew from a fresh handle.
    pub(super) async fn make(
        &self,
        cx: &Context,
        recorder: &Recorder,
        images: &[ImageConfig],
    ) -> Result<PodId> {
        let plans = self.plans(images)?;
        // Each step ends with the caller's context but the commit, whose outcome would be unknown.
        persist(&step(cx), patience::conflicts(), |_| self.make_once(cx, recorder, images, &plans)).await?
    }

    /// What each container runs.
    fn plans(&self, images: &[ImageConfig]) -> Result<Vec<TaskPlan>> {
        let guest = self.driver.config().guest;
        let mut plans = Vec::with_capacity(images.len());
        for (index, (container, image)) in self.spec.containers.iter().zip(images).enumerate() {
            let plan = TaskPlan::of(container, image)
                .map_err(|error| error.in_field(&format!("containers[{index}]")))?;
            let own = &image.config;
            if guest == Guest::CommandOnly && !(own.user.is_empty() && own.working_dir.is_empty()) {
                tracing::warn!(pod = %self.spec.full_name(), container = %container.name,
                    "the guest ignores the user and the working directory of the image");
            }
            let root = |plan: &TaskPlan| plan.layer.chars().take(ROOT_LABEL).collect::<String>();
            if plans.iter().any(|other| root(other) == root(&plan)) {
                tracing::warn!(pod = %self.spec.full_name(), container = %container.name,
                    "guests may take the roots of containers of the same image for one another");
            }
            plans.push(plan);
        }
        Ok(plans)
    }

    /// One try. The inner error is one after which there must not be another: the VM may be there, or about to be.
    async fn make_once(
        &self,
        cx: &Context,
        recorder: &Recorder,
        images: &[ImageConfig],
        plans: &[TaskPlan],
    ) -> Result<Result<PodId>, Setback> {
        let client = self.driver.client();
        let mark = Mark::of_pod(&self.spec, self.spec.attempt)?;
        let kept = Kept::of(&self.spec, images, &mark);
        let (id, handle) = self.prepare(cx, &kept, &mark, images, plans).await?;
        let id = PodId::new(id);
        let is_lost = self.record(recorder, &id);
        let Err(refusal) = client.commit(&step(cx), &handle, None).await else {
            is_lost.store(false, Ordering::Relaxed);
            return Ok(Ok(id));
        };
        let refusal = refusal.without(self.secrets());
        // With a handle that the server has forgotten nothing was made, nor where somebody was faster.
        if matches!(refusal.code, Some(404 | 409)) {
            is_lost.store(false, Ordering::Relaxed);
            return Err(of_handle(refusal));
        }
        let look = || async { self.driver.vm(&step(cx), &id).await };
        let found = if refusal.is_lost() { lost::wait_for(look).await } else { look().await.ok().flatten() };
        is_lost.store(refusal.is_lost() && found.is_none(), Ordering::Relaxed);
        Ok(match found {
            Some(vm) if refusal.error.is_transient() => Ok(vm.id()),
            _ => Err(refusal.error),
        })
    }

    /// All that comes before the commit.
    async fn prepare(
        &self,
        cx: &Context,
        kept: &Kept,
        mark: &Mark,
        images: &[ImageConfig],
        plans: &[TaskPlan],
    ) -> Result<(String, Handle), Setback> {
        let client = self.driver.client();
        let hidden = |refusal: Refusal| of_handle(refusal.without(self.secrets()));
        let config = CreateConfig {
            name: kept.vm_name(),
            num_cpus: self.size.cpus,
            memory_mib: self.size.memory.0,
            hostname: self.hostname(),
            annotations: kept.to_annotations(mark)?,
        };
        let created = client.create(cx, &config).await.map_err(hidden)?;
        let (id, mut handle) = (created.id, created.handle);
        if !is_vm(&id) {
            let message = format!("the server gave the new container the id {id:?}");
            return Err(Error::new(ErrorKind::Protocol, message).into());
        }
        for ((container, image), plan) in kept.containers.iter().zip(images).zip(plans) {
            let task = container.task.clone().unwrap_or_else(|| id.clone());
            // The disk that the container writes to is its own, also among those of one image.
            let join = ImageJoin {
                handle,
                delta_id: task.clone(),
                image_id: image.image_id.clone(),
                repo_name: container.image.clone(),
            };
            let store = &self.driver.config().host_uuid;
            handle = client.join_image(cx, store, &image.layer, &join).await.map_err(|refusal| {
                // Not the handle, which this call has another status for.
                Setback::if_transient(refusal.error.with_object(Object::image(&container.image)))
            })?;
            let joined = client.join_task(cx, &plan.join(handle, Some(task))?).await.map_err(hidden)?;
            handle = client.bind_task(cx, &joined.handle, &joined.id).await.map_err(hidden)?;
        }
        handle = client.join_scope(cx, &self.scope(handle)).await.map_err(of_handle)?;
        handle = client.join_interaction(cx, &handle).await.map_err(of_handle)?;
        handle = client.join_logging(cx, &handle).await.map_err(of_handle)?;
        Ok((id, handle))
    }

    /// The pod's place in the network, once for all its containers.
    fn scope(&self, handle: Handle) -> ScopeJoin {
        let published = self.spec.ports.iter().filter(|port| port.host_port != 0);
        let ports = published.map(|port| {
            let protocol = if port.protocol == Protocol::Udp { "udp" } else { "tcp" };
            format!("{}:{}/{protocol}", port.host_port, port.container_port)
        });
        let network_name = self.driver.config().scope.clone();
        ScopeJoin {
            handle,
            network_config: NetworkConfig { network_name, aliases: Vec::new(), ports: ports.collect() },
        }
    }

    fn hostname(&self) -> String {
        let own = self.spec.hostname.as_deref().unwrap_or(&self.spec.name);
        sanitize_label(own, MAX_LABEL)
    }

    /// Records what the commit makes. What it answers with is told by the flag: one whose answer was lost may be under way.
    fn record(&self, recorder: &Recorder, id: &PodId) -> Arc<AtomicBool> {
        let is_lost = Arc::new(AtomicBool::new(true));
        let (driver, flag) = (self.driver.clone(), Arc::clone(&is_lost));
        recorder.record(Leftover::pod(id.as_str()), move |cx, leftover| async move {
            let id = PodId::new(leftover.object.id);
            if flag.load(Ordering::Relaxed) {
                lost::wait_for(|| async { driver.vm(&cx, &id).await }).await;
            }
            driver.remove_pod(&cx, &id).await
        });
        is_lost
    }

    /// What a server may quote.
    fn secrets(&self) -> impl Iterator<Item = &str> {
        let containers = self.spec.containers.iter();
        containers.flat_map(|one| one.env.iter().map(|variable| variable.value.expose()))
    }
}
