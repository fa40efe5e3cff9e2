//! Making a pod: who of several of the same name has it, and what becomes of one that is there.

mod assembly;
mod rival;

use std::time::Duration;

use runtime_core::{
    Context, Error, ErrorKind, ExistingPolicy, Object, PodId, PodRun, Recorder, Result, RunOptions,
    StartedContainer, WaitFor,
    compose::Mark,
    marks,
    spec::{PodSpec, Protocol},
};

use crate::{
    driver::VicDriver,
    id::container_id,
    translate::{
        annotations::Vm,
        resources::{self, VmSize},
        status::State,
    },
};

/// How long a commit may take that must not be interrupted, since its outcome would be unknown.
const STEP_TIMEOUT: Duration = Duration::from_secs(120);

/// How often somebody else may be faster, each time with another pod of the name.
const MAX_ROUNDS: u32 = 16;

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
}

/// The context of a request that must not be interrupted by the caller's end.
fn step(cx: &Context) -> Context {
    cx.fresh(STEP_TIMEOUT)
}

#[cfg(test)]
mod tests;
