//! Running a pod with its containers on systems that make them one by one.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future::{join, join_all};

use crate::{
    Container, ContainerId, Context, CreateOptions, Error, ErrorKind, Janitor, Leftover, Object, PodId,
    PodRun, Recorder, Result, RunOptions, StartedContainer, WaitFor, marks,
    spec::{ContainerSpec, PodSpec},
};

/// How long one step may take that must not be interrupted, since its outcome would be unknown.
const STEP_TIMEOUT: Duration = Duration::from_secs(120);

/// What a system offers to build a pod from.
///
/// `mark` is a text that is unique to one create. The driver puts it on what it makes, so that a pod or container whose
/// id was lost with the system's answer can be found again.
#[async_trait]
pub trait PodParts: Send + Sync + 'static {
    /// Single containers, as callers see them.
    fn containers(&self) -> &dyn Container;

    /// Makes a container's image present by its pull policy, with the pod's credentials.
    async fn ensure_image(
        &self,
        cx: &Context,
        pod: Option<&PodSpec>,
        container: &ContainerSpec,
    ) -> Result<()>;

    /// Makes the pod itself. The spec has a uid: the caller's, or [`marks::default_uid`].
    async fn create_sandbox(&self, cx: &Context, spec: &PodSpec, mark: &str) -> Result<PodId>;

    /// Makes a container in it whose image is present.
    async fn create_container(
        &self,
        cx: &Context,
        pod: &PodId,
        pod_spec: Option<&PodSpec>,
        spec: &ContainerSpec,
        mark: &str,
    ) -> Result<ContainerId>;

    /// Removes a pod with all its containers; missing is `Ok`.
    async fn remove_sandbox(&self, cx: &Context, id: &PodId) -> Result<()>;

    /// The pod with this mark.
    async fn find_sandbox(&self, cx: &Context, mark: &str) -> Result<Option<PodId>>;

    /// The container with this mark.
    async fn find_container(&self, cx: &Context, mark: &str) -> Result<Option<ContainerId>>;
}

/// Runs a pod: images at the same time (each once) beside the sandbox, init containers in order to their end, then the
/// other containers at the same time. Undone as a whole if anything fails or the future is dropped.
///
/// # Errors
/// Those of the parts; `Failed` when an init container does not end with 0.
pub async fn run_pod<P: PodParts>(
    parts: Arc<P>,
    janitor: &Janitor,
    cx: &Context,
    spec: &PodSpec,
    options: &RunOptions,
) -> Result<PodRun> {
    let (mut spec, options) = (spec.clone(), options.clone());
    // The same name gives the same uid, so that the system itself refuses the second of two runs.
    spec.uid.get_or_insert_with(|| marks::default_uid(&spec.namespace, &spec.name));
    janitor
        .transact(cx, |cx, recorder| async move { build(&parts, &cx, &recorder, &spec, &options).await })
        .await
}

/// Adds a container to a pod. Undone if it fails or the future is dropped.
///
/// # Errors
/// Those of the parts.
pub async fn create_container<P: PodParts>(
    parts: Arc<P>,
    janitor: &Janitor,
    cx: &Context,
    pod: &PodId,
    spec: &ContainerSpec,
    _options: &CreateOptions,
) -> Result<ContainerId> {
    let (pod, spec) = (pod.clone(), spec.clone());
    janitor
        .transact(cx, |cx, recorder| async move {
            parts.ensure_image(&cx, None, &spec).await?;
            cx.check()?;
            let mark = new_mark();
            let may_make = Object::container(format!("{pod}/{}", spec.name));
            record(&parts, &recorder, Leftover::marked(may_make, &mark));
            let id = parts.create_container(&step(&cx), &pod, None, &spec, &mark).await?;
            recorder.made(Leftover::container(id.as_str()));
            Ok(id)
        })
        .await
}

async fn build<P: PodParts>(
    parts: &Arc<P>,
    cx: &Context,
    recorder: &Recorder,
    spec: &PodSpec,
    options: &RunOptions,
) -> Result<PodRun> {
    // Both are waited for even if one fails: an interrupted sandbox could not be undone.
    let (pod, images) = join(create_sandbox(parts, cx, recorder, spec), ensure_images(parts, cx, spec)).await;
    let pod = pod?;
    images?;
    for init in &spec.init_containers {
        cx.check()?;
        let id = parts.create_container(&step(cx), &pod, Some(spec), init, &new_mark()).await?;
        run_init(parts.containers(), cx, init, &id).await?;
    }
    cx.check()?;
    let (parts, pod_id) = (&**parts, &pod);
    let started = join_all(spec.containers.iter().map(|container| async move {
        let id = parts.create_container(&step(cx), pod_id, Some(spec), container, &new_mark()).await?;
        if options.wait_for == WaitFor::Running {
            parts.containers().start(&step(cx), &id).await?;
        }
        Ok(StartedContainer::new(&container.name, id))
    }))
    .await;
    let containers = started.into_iter().collect::<Result<Vec<_>>>()?;
    cx.check()?;
    Ok(PodRun::new(pod, containers))
}

async fn create_sandbox<P: PodParts>(
    parts: &Arc<P>,
    cx: &Context,
    recorder: &Recorder,
    spec: &PodSpec,
) -> Result<PodId> {
    let mark = new_mark();
    let may_make = Object::pod(format!("{}/{}", spec.namespace, spec.name));
    record(parts, recorder, Leftover::marked(may_make, &mark));
    let id = parts.create_sandbox(&step(cx), spec, &mark).await?;
    recorder.made(Leftover::pod(id.as_str()));
    Ok(id)
}

/// Makes every image present, at the same time, each once.
async fn ensure_images<P: PodParts>(parts: &Arc<P>, cx: &Context, spec: &PodSpec) -> Result<()> {
    let mut seen = BTreeSet::new();
    let each_once = spec.all_containers().map(|(_, container)| container).filter(|container| {
        seen.insert((&container.image.reference, container.pull_policy.map(|p| p as u8)))
    });
    let pulls = join_all(each_once.map(|container| parts.ensure_image(cx, Some(spec), container))).await;
    pulls.into_iter().collect()
}

async fn run_init(
    containers: &dyn Container,
    cx: &Context,
    init: &ContainerSpec,
    id: &ContainerId,
) -> Result<()> {
    containers.start(&step(cx), id).await?;
    let exit = cx.run(containers.wait(cx, id)).await?;
    if exit.success() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Failed, format!("init container {:?} {exit}", init.name))
        .with_object(Object::container(id.as_str())))
}

/// Records what a create may make, to be undone as [`reap`] would.
fn record<P: PodParts>(parts: &Arc<P>, recorder: &Recorder, leftover: Leftover) {
    let parts = Arc::clone(parts);
    recorder.record(leftover, |cx, leftover| async move { reap_one(&*parts, &cx, &leftover).await });
}

/// Finishes leftovers, by id or by mark.
///
/// # Errors
/// The last failure, with everything that is still left.
pub async fn reap<P: PodParts>(parts: &P, cx: &Context, leftovers: &[Leftover]) -> Result<()> {
    let mut failure: Option<Error> = None;
    let mut left = Vec::new();
    for leftover in leftovers {
        if let Err(error) = reap_one(parts, cx, leftover).await {
            left.push(leftover.clone());
            failure = Some(error);
        }
    }
    failure.map_or(Ok(()), |error| Err(error.with_leftovers(left)))
}

async fn reap_one<P: PodParts>(parts: &P, cx: &Context, leftover: &Leftover) -> Result<()> {
    use crate::ObjectKind;
    match (leftover.object.kind, &leftover.create_mark) {
        (ObjectKind::Pod, None) => parts.remove_sandbox(cx, &PodId::new(&leftover.object.id)).await,
        (ObjectKind::Pod, Some(mark)) => match parts.find_sandbox(cx, mark).await? {
            Some(id) => parts.remove_sandbox(cx, &id).await,
            None => Ok(()),
        },
        (ObjectKind::Container, None) => {
            parts.containers().remove(cx, &ContainerId::new(&leftover.object.id)).await
        }
        (ObjectKind::Container, Some(mark)) => match parts.find_container(cx, mark).await? {
            Some(id) => parts.containers().remove(cx, &id).await,
            None => Ok(()),
        },
        (kind, _) => Err(Error::invalid("leftovers", format!("can't reap an object of kind {kind:?}"))),
    }
}

/// The context of a step that must not be interrupted by the caller's end.
fn step(cx: &Context) -> Context {
    cx.fresh(STEP_TIMEOUT)
}

/// A text that no other create uses: process, time and a counter.
fn new_mark() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let now = jiff::Timestamp::now().as_nanosecond();
    format!("{:x}-{now:x}-{count:x}", std::process::id())
}
