//! Running a pod as a transaction: its secret, the pod, and the owner of the secret. At most three requests; waiting rides on
//! the shared watch.

use std::time::Duration;

use futures::{FutureExt, future::try_join};
use k8s_openapi::api::core::v1::{Pod, Secret};
use runtime_core::{
    Context, Error, ExistingPolicy, Leftover, Object, PodRun, Recorder, Result, RunOptions, StartedContainer,
    WaitFor, compose::Mark, lost, marks, spec::PodSpec,
};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    api::Api,
    cache::Following,
    driver::K8sDriver,
    error::Refusal,
    id::PodKey,
    options::K8sPodOptions,
    persist::persist,
    translate::{self, Objects, failure, status},
    volumes::Volumes,
    wait::{self, Goal},
};

/// How long a request may take that must not be interrupted, since its outcome would be unknown.
const STEP_TIMEOUT: Duration = Duration::from_secs(60);

/// How often somebody else may be faster, each time with another pod of the name.
const MAX_ROUNDS: u32 = 16;

/// How long the watch may take to tell of a pod that has just been made.
const WATCH_LAG: Duration = Duration::from_secs(2);

/// Runs a pod. What this call made is undone if anything fails or the future is dropped.
pub(crate) async fn run(
    driver: &K8sDriver,
    cx: &Context,
    spec: &PodSpec,
    options: &RunOptions,
) -> Result<PodRun> {
    let mut spec = spec.clone();
    let namespace = spec.namespace.get_or_insert_with(|| driver.client().namespace().to_owned()).clone();
    // What can't be carried is refused before any request.
    let objects = translate::objects(&spec, &namespace, None, driver.server().arch_label())?;
    driver.permissions().check(driver.client(), cx, &namespace, objects.secret.is_some()).await?;
    drop(objects);
    let creation = Creation { driver: driver.clone(), spec, namespace, options: options.clone() };
    let running = |cx, recorder| Box::pin(async move { creation.run(&cx, &recorder).await });
    driver.janitor().transact(cx, running).await
}

struct Creation {
    driver: K8sDriver,
    spec: PodSpec,
    namespace: String,
    options: RunOptions,
}

/// A pod of the name that was asked for.
struct Taken {
    pod: Pod,
    following: Following,
    began: Instant,
    adopted: bool,
    /// What is to belong to the pod.
    secret: Option<String>,
}

impl Creation {
    async fn run(&self, cx: &Context, recorder: &Recorder) -> Result<PodRun> {
        let options: K8sPodOptions = self.spec.extensions.get()?;
        let mut taken = self.take_name(cx, recorder).boxed().await?;
        let key = status::key(&taken.pod);
        let goal = Goal {
            wait_for: self.options.wait_for,
            began: taken.began,
            unschedulable_limit: options.unschedulable_limit(),
        };
        let secret = taken.secret.take();
        let owning = async {
            match &secret {
                Some(secret) => self.own(cx, secret, &key).await,
                None => Ok(()),
            }
        };
        let waiting = async {
            let mut volumes = Volumes::of(self.driver.client(), &self.namespace);
            wait::until_reached(cx, &mut taken.following, taken.pod, &goal, &mut volumes).await?;
            if goal.wait_for == WaitFor::Created {
                // So that a list that follows has it. A watch that is away holds nobody up.
                let soon = cx.clone().with_timeout(WATCH_LAG);
                drop(taken.following.next(&soon, &key.uid).await);
            }
            Ok(())
        };
        try_join(owning, waiting).await?;
        cx.check()?;
        let started = self.spec.containers.iter().map(|container| {
            let mut started = StartedContainer::new(&container.name, key.container(&container.name).id());
            started.adopted = taken.adopted;
            started
        });
        let mut run = PodRun::new(key.id(), started.collect());
        run.adopted = taken.adopted;
        Ok(run)
    }

    /// Makes the pod, or deals with the one that has its name.
    async fn take_name(&self, cx: &Context, recorder: &Recorder) -> Result<Taken> {
        let pods = self.driver.pods_in(&self.namespace);
        let cache = self.driver.cache(&self.namespace);
        let policy = self.options.existing;
        let mut rounds = 0;
        loop {
            cx.check()?;
            // Before anything is made, so that nothing of its life is missed.
            let mut following = cache.follow(&self.spec.name);
            if policy != ExistingPolicy::Fail
                && let Some(pod) = pods.find(cx, &self.spec.name).await?
            {
                if policy == ExistingPolicy::Adopt {
                    self.adoptable(&pod)?;
                    following.since(&pod);
                    return Ok(Taken { pod, following, began: Instant::now(), adopted: true, secret: None });
                }
                self.driver.remove_life(&step(cx), &status::key(&pod)).boxed().await?;
            }
            let mark = Mark::of_pod(&self.spec, self.spec.attempt)?;
            let objects = translate::objects(
                &self.spec,
                &self.namespace,
                Some(&mark),
                self.driver.server().arch_label(),
            )?;
            let secret = objects.secret.as_ref().and_then(|secret| secret.metadata.name.clone());
            self.record(recorder, &mark, secret.clone());
            match self.make(cx, &pods, objects, &mark).boxed().await {
                Ok(pod) => {
                    following.since(&pod);
                    return Ok(Taken { pod, following, began: Instant::now(), adopted: false, secret });
                }
                Err(refusal) if refusal.is_already_exists() => {
                    let there = pods.find(cx, &self.spec.name).await?;
                    match there {
                        Some(pod) if policy == ExistingPolicy::Fail || rounds >= MAX_ROUNDS => {
                            return Err(self.refused(&pod, None));
                        }
                        // It went meanwhile, or somebody else was faster.
                        _ if rounds < MAX_ROUNDS => rounds += 1,
                        _ => return Err(refusal.into()),
                    }
                }
                Err(refusal) => return Err(refusal.into()),
            }
        }
    }

    /// Makes the secret and the pod. One whose answer was lost is looked for.
    async fn make(
        &self,
        cx: &Context,
        pods: &Api<Pod>,
        objects: Objects,
        mark: &Mark,
    ) -> Result<Pod, Refusal> {
        let secrets: Vec<_> = self.secrets();
        let hidden = |refusal: Refusal| refusal.without(secrets.iter().map(String::as_str));
        if let Some(secret) = &objects.secret {
            let all: Api<Secret> = Api::of(self.driver.client(), &self.namespace);
            match all.create(&step(cx), secret).await {
                Ok(_) => {}
                // The name has the mark in it: it is this one.
                Err(refusal) if refusal.is_already_exists() => {}
                Err(refusal) if refusal.is_lost() => {
                    let name = secret.metadata.name.clone().unwrap_or_default();
                    lost::wait_for(|| async { Ok(all.find(&step(cx), &name).await?) })
                        .await
                        .ok_or_else(|| hidden(refusal))?;
                }
                Err(refusal) => return Err(hidden(refusal)),
            }
            cx.check().map_err(Refusal::unsent)?;
        }
        let refusal = match pods.create(&step(cx), &objects.pod).await {
            Ok(pod) => return Ok(pod),
            Err(refusal) => hidden(refusal),
        };
        let is_ours = |pod: &Pod| has_mark(pod, mark.id());
        if refusal.is_lost() {
            let found = lost::wait_for(|| async { Ok(pods.find(&step(cx), &self.spec.name).await?) }).await;
            return found.filter(is_ours).ok_or(refusal);
        }
        if refusal.is_already_exists()
            && let Some(pod) = pods.find(&step(cx), &self.spec.name).await?.filter(is_ours)
        {
            return Ok(pod);
        }
        Err(refusal)
    }

    /// Makes a secret the pod's own, so that it goes with it, whoever removes it.
    async fn own(&self, cx: &Context, secret: &str, key: &PodKey) -> Result<()> {
        let secrets: Api<Secret> = Api::of(self.driver.client(), &self.namespace);
        let owner = json!({"apiVersion": "v1", "kind": "Pod", "name": key.name, "uid": key.uid});
        let patch = json!({"metadata": {"ownerReferences": [owner]}});
        persist(cx, || async { Ok(secrets.patch(cx, secret, &patch).await.map(drop)?) }).await
    }

    fn record(&self, recorder: &Recorder, mark: &Mark, secret: Option<String>) {
        let leftover =
            Leftover::marked(Object::pod(format!("{}/{}", self.namespace, self.spec.name)), mark.id());
        let (driver, mark) = (self.driver.clone(), mark.id().to_owned());
        let (namespace, name) = (self.namespace.clone(), self.spec.name.clone());
        recorder.record(leftover, move |cx, _| async move {
            driver.remove_marked(&cx, &namespace, &name, &mark, secret.as_deref()).await
        });
    }

    /// Whether a pod can be taken over.
    fn adoptable(&self, pod: &Pod) -> Result<()> {
        let annotations = pod.metadata.annotations.clone().unwrap_or_default();
        if !Mark::is_of_pod(&annotations, &self.spec, self.spec.attempt)? {
            return Err(self.refused(pod, Some("it was made from another spec")));
        }
        if pod.metadata.deletion_timestamp.is_some() || wait::has_ended(pod) {
            return Err(self.refused(pod, Some("it has ended")));
        }
        if failure::has_lost_a_container(pod) {
            return Err(self.refused(pod, Some("a container of it has ended")));
        }
        Ok(())
    }

    fn refused(&self, pod: &Pod, why: Option<&str>) -> Error {
        let object = Object::pod(format!("{}/{}", self.namespace, self.spec.name));
        let error = Error::already_exists(object, status::key(pod).id().as_str());
        match why {
            Some(why) => error.with_context("not_taken_over", why),
            None => error,
        }
    }

    /// What a server may quote.
    fn secrets(&self) -> Vec<String> {
        let all = self.spec.all_containers();
        all.flat_map(|(_, one)| one.env.iter().map(|variable| variable.value.expose().to_owned())).collect()
    }
}

/// Whether a pod was made by the create of this mark.
pub(crate) fn has_mark(pod: &Pod, mark: &str) -> bool {
    let labels = pod.metadata.labels.as_ref();
    labels.and_then(|labels| labels.get(marks::CREATE)).is_some_and(|own| own == mark)
}

/// The context of a request that must not be interrupted by the caller's end.
fn step(cx: &Context) -> Context {
    cx.fresh(STEP_TIMEOUT)
}

#[cfg(test)]
mod tests;
