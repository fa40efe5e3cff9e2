//! Running a pod: what is done at the same time, and what in order.

use std::{borrow::Cow, pin::pin, sync::Arc, time::Duration};

use futures::future::{Either, join_all, select};
use tokio::time::Instant;

use super::{
    ExistingContainer, Mark, PodParts,
    existing::{self, Taken},
    images::{Failure, Images},
    sleep, step,
    undo::record,
};
use crate::{
    ContainerId, ContainerPhase, Context, Error, ErrorKind, ExistingPolicy, Janitor, Leftover, Object,
    PodRun, Recorder, Result, RunOptions, StartedContainer, WaitFor, marks,
    spec::{ContainerSpec, PodSpec},
};

/// How long another call may take to start a container that this one is refused to, and the longest time between two looks.
const START_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_START_PAUSE: Duration = Duration::from_millis(200);

/// Runs a pod: images at the same time (each once) beside the sandbox, init containers in order to their end, then the
/// other containers at the same time, each as soon as its own image is there. What has the name already is treated by
/// `options.existing`. What this call made is undone as a whole if anything fails or the future is dropped.
///
/// # Errors
/// Those of the parts; `Failed` when an init container does not end with 0; `AlreadyExists`; `Unavailable`, transient, when
/// the system keeps the name for a create that does not end.
pub async fn run_pod<P: PodParts>(
    parts: Arc<P>,
    janitor: &Janitor,
    cx: &Context,
    spec: &PodSpec,
    options: &RunOptions,
) -> Result<PodRun> {
    let (mut spec, options) = (spec.clone(), options.clone());
    // The same name gives the same uid, so that the system itself refuses the second of two runs.
    if spec.uid.is_none() {
        spec.uid = Some(marks::default_uid(spec.namespace_or_default(), &spec.name));
    }
    janitor
        .transact(cx, |cx, recorder| async move { build(&parts, &cx, &recorder, &spec, &options).await })
        .await
}

async fn build<P: PodParts>(
    parts: &Arc<P>,
    cx: &Context,
    recorder: &Recorder,
    spec: &PodSpec,
    options: &RunOptions,
) -> Result<PodRun> {
    // What is there already may need no image.
    let there = match options.existing {
        ExistingPolicy::Adopt => existing::adoptable(&**parts, cx, spec).await?,
        ExistingPolicy::Fail | ExistingPolicy::Replace => None,
    };
    let pulls_at_once = there.is_none();
    let (cx, failure) = (cx.child(), Failure::default());
    let images = Images::new(&**parts, &cx, spec, &failure);
    let making = pin!(async {
        let taken = match there {
            Some(taken) => taken,
            None => existing::take_name(parts, &cx, recorder, spec, options.existing).await?,
        };
        fill(parts, &cx, recorder, &images, spec, options, taken).await
    });
    let pulling = pin!(async { if pulls_at_once { images.all().await } else { Ok(()) } });
    let made = match select(making, pulling).await {
        Either::Left((made, _)) => made,
        Either::Right((Ok(()), making)) => making.await,
        Either::Right((Err(_), making)) => {
            // It ends at its next check. A step under way is waited for: interrupted, it could not be undone.
            cx.cancellation().cancel();
            making.await
        }
    };
    made.map_err(|error| failure.take().unwrap_or(error))
}

/// Makes and starts what is missing in a pod.
async fn fill<P: PodParts>(
    parts: &Arc<P>,
    cx: &Context,
    recorder: &Recorder,
    images: &Images<'_>,
    spec: &PodSpec,
    options: &RunOptions,
    taken: Taken,
) -> Result<PodRun> {
    let spec = match taken.attempt {
        attempt if attempt == spec.attempt => Cow::Borrowed(spec),
        attempt => Cow::Owned(PodSpec { attempt, ..spec.clone() }),
    };
    let filling = Filling { parts, cx, recorder, images, spec: &spec, taken: &taken };
    if !filling.has_begun() {
        for init in &spec.init_containers {
            filling.run_init(init).await?;
        }
    }
    cx.check()?;
    let up = spec.containers.iter().map(|container| filling.bring_up(container, options.wait_for));
    let containers = join_all(up).await.into_iter().collect::<Result<Vec<_>>>()?;
    cx.check()?;
    Ok(PodRun { adopted: taken.adopted, ..PodRun::new(taken.id.clone(), containers) })
}

struct Filling<'a, 'i, P> {
    parts: &'a Arc<P>,
    cx: &'a Context,
    recorder: &'a Recorder,
    images: &'a Images<'i>,
    spec: &'a PodSpec,
    taken: &'a Taken,
}

impl<P: PodParts> Filling<'_, '_, P> {
    /// Whether init containers have ended, because others have started.
    fn has_begun(&self) -> bool {
        let mut there = self.spec.containers.iter().filter_map(|spec| self.taken.container(spec));
        there.any(|container| container.phase != ContainerPhase::Created)
    }

    async fn run_init(&self, spec: &ContainerSpec) -> Result<()> {
        let container = self.present(spec).await?;
        if container.phase == ContainerPhase::Created {
            self.start(&container.id).await?;
        }
        let exit = self.cx.run(self.parts.containers().wait(self.cx, &container.id)).await?;
        if exit.success() {
            return Ok(());
        }
        if container.existed && container.phase == ContainerPhase::Exited {
            return Err(self.taken.refused(self.spec, "an init container of it failed"));
        }
        Err(Error::new(ErrorKind::Failed, format!("init container {:?} {exit}", spec.name))
            .with_object(Object::container(container.id.as_str())))
    }

    async fn bring_up(&self, spec: &ContainerSpec, wait_for: WaitFor) -> Result<StartedContainer> {
        let container = self.present(spec).await?;
        if wait_for != WaitFor::Created && container.phase == ContainerPhase::Created {
            self.start(&container.id).await?;
        }
        Ok(StartedContainer { adopted: container.existed, ..StartedContainer::new(&spec.name, container.id) })
    }

    /// The container that is there, or is made now.
    async fn present(&self, spec: &ContainerSpec) -> Result<Present> {
        if let Some(ExistingContainer { id, phase, .. }) = self.taken.container(spec) {
            return Ok(Present { id: id.clone(), phase: *phase, existed: true });
        }
        self.cx.run(self.images.of(spec)).await?;
        self.cx.check()?;
        let pod = &self.taken.id;
        let mark = Mark::of_container(spec)?;
        if self.taken.adopted {
            // With a pod of this call's own it goes anyway.
            let may_make = Object::container(format!("{pod}/{}", spec.name));
            record(self.parts, self.recorder, Leftover::marked(may_make, mark.id()));
        }
        match self.parts.create_container(&step(self.cx), pod, Some(self.spec), spec, &mark).await {
            Ok(id) => Ok(Present { id, phase: ContainerPhase::Created, existed: false }),
            // Another call that takes over the same pod was faster, also where this one has just made the pod.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let Some(id) = error.existing_id().map(ContainerId::new) else { return Err(error) };
                let status = self.parts.containers().status(self.cx, &id).await?;
                Ok(Present { id, phase: status.summary.phase, existed: true })
            }
            Err(error) => Err(error),
        }
    }

    /// Starts a container. That it was started meanwhile, by another call that takes over the same pod or by a request whose
    /// answer was lost, is as good. A start that failed by itself is the container's end; where it was only refused, another
    /// call may be about to start it.
    async fn start(&self, id: &ContainerId) -> Result<()> {
        let containers = self.parts.containers();
        let began = Instant::now();
        let mut pause = Duration::from_millis(10);
        loop {
            let Err(error) = containers.start(&step(self.cx), id).await else { return Ok(()) };
            if !matches!(error.kind(), ErrorKind::InvalidState | ErrorKind::Failed) {
                return Err(error);
            }
            match containers.status(self.cx, id).await {
                Ok(status) if status.started_at.is_some() => return Ok(()),
                Ok(status)
                    if status.summary.phase == ContainerPhase::Created
                        && error.kind() == ErrorKind::Failed
                        && began.elapsed() < START_TIMEOUT => {}
                _ => return Err(error),
            }
            sleep(self.cx, pause).await?;
            pause = MAX_START_PAUSE.min(pause * 2);
        }
    }
}

struct Present {
    id: ContainerId,
    phase: ContainerPhase,
    existed: bool,
}
