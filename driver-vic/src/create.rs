//! Making a pod: one handle from its create to its commit, and who of several of the same name has it.
//!
//! The port layer lets any number of containers have one name. So whoever makes a pod looks first, makes it, and looks again
//! before it is started: of two that both see each other the younger one goes. The older one waits for that, since the younger
//! may have been alone when it looked; if it stays, or is started, the older one goes. So at most one is left.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use runtime_core::{
    Context, Error, ErrorKind, ExistingPolicy, Leftover, Object, PodId, PodRun, Recorder, Result, RunOptions,
    StartedContainer, WaitFor,
    compose::Mark,
    lost, marks,
    persist::{Setback, persist},
    spec::{PodSpec, Protocol},
};
use tokio::time::Instant;

use crate::{
    api::{
        Handle,
        models::{CreateConfig, ImageJoin, NetworkConfig, ScopeJoin},
    },
    config::Guest,
    driver::VicDriver,
    error::Refusal,
    id::container_id,
    image_cache::ImageConfig,
    patience::{self, Pauses, of_handle},
    translate::{
        annotations::{Kept, Vm},
        config::TaskPlan,
        resources::{self, VmSize},
        status::State,
    },
};

/// How long a commit may take that must not be interrupted, since its outcome would be unknown.
const STEP_TIMEOUT: Duration = Duration::from_secs(120);

/// How often somebody else may be faster, each time with another pod of the name.
const MAX_ROUNDS: u32 = 16;

/// How long a younger pod of the same name may take to go.
const RIVAL_PATIENCE: Duration = Duration::from_secs(5);

/// How many digits of a layer's id guests tell roots apart by.
const ROOT_LABEL: usize = 15;

impl VicDriver {
    /// Runs a pod. What this call made is undone if anything fails or the future is dropped.
    pub(crate) async fn run_pod(&self, cx: &Context, spec: &PodSpec, options: &RunOptions) -> Result<PodRun> {
        let mut spec = spec.clone();
        // The same name gives the same uid.
        if spec.uid.is_none() {
            spec.uid = Some(marks::default_uid(spec.namespace_or_default(), &spec.name));
        }
        check(&spec)?;
        let size = resources::size(&spec)?;
        let creation = Creation { driver: self.clone(), spec, size, options: options.clone() };
        let running = |cx, recorder| async move { Box::pin(creation.run(&cx, &recorder)).await };
        self.janitor().transact(cx, running).await
    }
}

/// Refuses what the port layer has no place for.
fn check(spec: &PodSpec) -> Result<()> {
    for (index, container) in spec.containers.iter().enumerate().skip(1) {
        if container.stop_signal.is_some() {
            let what = format!("containers[{index}].stopSignal, other than the first container's,");
            return Err(Error::unsupported(what));
        }
    }
    for (index, port) in spec.ports.iter().enumerate() {
        if port.host_ip.is_some() {
            return Err(Error::unsupported(format_args!("ports[{index}].hostIp")));
        }
        if port.host_port != 0 && port.protocol == Protocol::Sctp {
            return Err(Error::unsupported(format_args!("ports[{index}].protocol SCTP")));
        }
    }
    Ok(())
}

struct Creation {
    driver: VicDriver,
    spec: PodSpec,
    size: VmSize,
    options: RunOptions,
}

impl Creation {
    async fn run(&self, cx: &Context, recorder: &Recorder) -> Result<PodRun> {
        let policy = self.options.existing;
        let mut images = None;
        for _ in 0..MAX_ROUNDS {
            cx.check()?;
            let others = self.driver.named(cx, &self.spec).await?;
            if let Some(oldest) = others.first() {
                match policy {
                    ExistingPolicy::Fail => return Err(self.refused(&oldest.id(), None)),
                    ExistingPolicy::Adopt => {
                        self.adoptable(oldest)?;
                        match self.finish(cx, &oldest.id(), true).await {
                            // It went meanwhile.
                            Err(error) if error.kind() == ErrorKind::NotFound => continue,
                            done => return done,
                        }
                    }
                    ExistingPolicy::Replace => {
                        for vm in &others {
                            self.driver.remove_pod(&step(cx), &vm.id()).await?;
                        }
                    }
                }
            }
            let images = match &images {
                Some(images) => images,
                None => images.insert(self.driver.images_of(cx, &self.spec).await?),
            };
            cx.check()?;
            let id = self.make(cx, recorder, images).await?;
            cx.check()?;
            let Some(winner) = self.rival(cx, &id).await? else {
                return self.finish(cx, &id, false).await;
            };
            self.driver.remove_pod(&step(cx), &id).await?;
            if policy == ExistingPolicy::Fail {
                return Err(self.refused(&winner, None));
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "others take the name again and again").transient())
    }

    /// Starts a pod if that is wanted, and tells of it.
    async fn finish(&self, cx: &Context, id: &PodId, adopted: bool) -> Result<PodRun> {
        if self.options.wait_for != WaitFor::Created {
            self.driver.start_pod(cx, id).await?;
        }
        cx.check()?;
        let started = self.spec.containers.iter().map(|container| {
            let mut started = StartedContainer::new(&container.name, container_id(id, &container.name));
            started.adopted = adopted;
            started
        });
        let mut run = PodRun::new(id.clone(), started.collect());
        run.adopted = adopted;
        Ok(run)
    }

    /// Makes the pod. Nothing is there before the commit, so what fails before it is done anew from a fresh handle.
    async fn make(&self, cx: &Context, recorder: &Recorder, images: &[ImageConfig]) -> Result<PodId> {
        let plans = self.plans(images)?;
        // Each step ends with the caller's context but the commit, whose outcome would be unknown.
        persist(&step(cx), patience::conflicts(), |_| self.make_once(cx, recorder, images, &plans)).await
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

    async fn make_once(
        &self,
        cx: &Context,
        recorder: &Recorder,
        images: &[ImageConfig],
        plans: &[TaskPlan],
    ) -> Result<PodId, Setback> {
        let client = self.driver.client();
        let mark = Mark::of_pod(&self.spec, self.spec.attempt)?;
        let kept = Kept::of(&self.spec, images, &mark);
        let (id, handle) = self.prepare(cx, &kept, &mark, images, plans).await?;
        let id = PodId::new(id);
        let is_lost = self.record(recorder, &id);
        let committed = client.commit(&step(cx), &handle, None).await;
        is_lost.store(committed.as_ref().is_err_and(|refusal| refusal.is_lost()), Ordering::Relaxed);
        let refusal = match committed {
            Ok(()) => return Ok(id),
            Err(refusal) => refusal.without(self.secrets()),
        };
        if refusal.is_lost() {
            let found = lost::wait_for(|| async { self.driver.vm(&step(cx), &id).await }).await;
            return found.map(|vm| vm.id()).ok_or_else(|| Setback::if_transient(refusal.error));
        }
        Err(of_handle(refusal))
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
        if !crate::id::is_vm(&id) {
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
        runtime_core::helpers::name::sanitize_label(own, runtime_core::helpers::name::MAX_LABEL)
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

    /// The pod that has the name instead of this one.
    async fn rival(&self, cx: &Context, own: &PodId) -> Result<Option<PodId>> {
        let (end, mut pauses) = (Instant::now() + RIVAL_PATIENCE, Pauses::new());
        loop {
            let all = self.driver.named(cx, &self.spec).await?;
            let Some(place) = all.iter().position(|vm| vm.id() == *own) else {
                let message = "somebody removed the pod before it was started";
                return Err(Error::new(ErrorKind::Failed, message));
            };
            let is_there = |vm: &&Vm| State::of(vm) != State::Removing && vm.id() != *own;
            if let Some(older) = all[..place].iter().find(is_there) {
                return Ok(Some(older.id()));
            }
            let Some(younger) = all[place..].iter().find(is_there) else { return Ok(None) };
            if State::of(younger) != State::Created || Instant::now() >= end {
                return Ok(Some(younger.id()));
            }
            pauses.pause(cx).await?;
        }
    }

    /// Whether a pod can be taken over.
    fn adoptable(&self, vm: &Vm) -> Result<()> {
        let annotations = &vm.info.container_config.annotations;
        if !Mark::is_of_pod(annotations, &self.spec, self.spec.attempt)? {
            return Err(self.refused(&vm.id(), Some("it was made from another spec")));
        }
        match State::of(vm) {
            State::Created | State::Starting | State::Running => Ok(()),
            _ => Err(self.refused(&vm.id(), Some("it has ended"))),
        }
    }

    fn refused(&self, id: &PodId, why: Option<&str>) -> Error {
        let error = Error::already_exists(Object::pod(self.spec.full_name()), id.as_str());
        match why {
            Some(why) => error.with_context("not_taken_over", why),
            None => error,
        }
    }

    /// What a server may quote.
    fn secrets(&self) -> impl Iterator<Item = &str> {
        let containers = self.spec.containers.iter();
        containers.flat_map(|one| one.env.iter().map(|variable| variable.value.expose()))
    }
}

/// The context of a request that must not be interrupted by the caller's end.
fn step(cx: &Context) -> Context {
    cx.fresh(STEP_TIMEOUT)
}

#[cfg(test)]
mod tests;
