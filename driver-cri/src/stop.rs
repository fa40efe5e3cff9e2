//! Stopping and removing, until it is done.
//!
//! A stop of CRI is one call that lasts as long as the grace period. What cuts it short (a lost connection, a runtime that is
//! started again) leaves open whether the signal was sent; so it is repeated, and the grace period is not started anew.

use std::{path::PathBuf, time::Duration};

use futures::future::{join_all, try_join_all};
use k8s_cri::v1 as cri;
use runtime_core::{
    ContainerId, Context, Error, ErrorKind, PodId, Result, StopOptions,
    helpers::retry::RetryPolicy,
    marks::CREATE,
    persist::{Setback, for_up_to, persist},
};
use tokio::time::Instant;

use crate::{
    container::is_running, driver::CriDriver, log_directory, logs, process::Process, translate::marks,
};

/// How long a try may take beyond what it takes by its nature, which is a grace period or nothing.
const TRY_MARGIN: Duration = Duration::from_secs(10);

/// How long after the beginning, and the grace period, another try may begin. Enough for one that hangs, one more, and for a
/// runtime that is started again.
const BUDGET: Duration = Duration::from_secs(25);

/// How many calls may fail before processes are killed without the runtime: enough for a fault of a moment.
const TRIES_BEFORE_KILL: u32 = 4;

/// How long after the grace period another of these tries may begin. One that hung is not repeated.
const BUDGET_BEFORE_KILL: Duration = Duration::from_secs(1);

/// How long the runtime may take beyond the grace period before processes are killed without it.
const MARGIN_BEFORE_KILL: Duration = Duration::from_secs(3);

/// How long processes that were killed may take to end, and then the runtime to notice it.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// How often it is looked for processes that were forked while others were killed.
const KILL_ROUNDS: usize = 10;

impl CriDriver {
    /// Stops a container; missing is `Ok`.
    pub(crate) async fn stop_container(
        &self,
        cx: &Context,
        id: &ContainerId,
        options: &StopOptions,
    ) -> Result<()> {
        let Err(error) = self.stop_by_runtime(cx, id.as_str(), options).await else { return Ok(()) };
        if !options.force_kill || cx.check().is_err() {
            return Err(error);
        }
        kill(cx, &[id.as_str().to_owned()], error).await?;
        let noticing = cx.child().with_timeout(KILL_TIMEOUT);
        let request = cri::StopContainerRequest { container_id: id.as_str().to_owned(), timeout: 0 };
        if let Err(refusal) = self.client().stop_container(&noticing, request).await {
            tracing::warn!(container = %id, error = %refusal.error, "killed, which the runtime has not noticed yet");
        }
        Ok(())
    }

    /// Stops a pod: its containers with their grace period, since a sandbox is stopped without one. Missing is `Ok`.
    pub(crate) async fn stop_pod(&self, cx: &Context, id: &PodId, options: &StopOptions) -> Result<()> {
        let tries = Tries::new(cx, options);
        // The containers are asked for while the runtime still answers, for their processes to be found if it stops to.
        // If it doesn't, nothing can be said of them, and nothing is killed.
        let ids = match options {
            StopOptions { force_kill: false, grace_period, .. } if grace_period.is_zero() => Vec::new(),
            _ => persist(cx, tries.policy, |cx| self.running_in(cx.with_timeout(tries.margin), id)).await?,
        };
        let mut failure = None;
        if !options.grace_period.is_zero() {
            let stops = ids.iter().map(|container| self.stop_by_runtime(cx, container, options));
            failure = join_all(stops).await.into_iter().find_map(Result::err);
        }
        if failure.is_none() || !options.force_kill {
            let stopped =
                persist(cx, tries.policy, |cx| self.stop_sandbox(cx.with_timeout(tries.margin), id));
            failure = failure.or(stopped.await.err());
        }
        let Some(error) = failure else { return Ok(()) };
        if !options.force_kill || cx.check().is_err() {
            return Err(error);
        }
        kill(cx, &[ids, vec![id.as_str().to_owned()]].concat(), error).await?;
        let noticing = cx.child().with_timeout(KILL_TIMEOUT);
        if let Err(setback) = self.stop_sandbox(noticing, id).await {
            tracing::warn!(pod = %id, ?setback, "killed, which the runtime has not noticed yet");
        }
        Ok(())
    }

    /// Removes a container, which is killed if it runs, with the log that wharf had written. Missing is `Ok`.
    pub(crate) async fn remove_container(&self, cx: &Context, id: &ContainerId) -> Result<()> {
        let policy = for_up_to(BUDGET);
        let found = persist(cx, policy, async |cx| {
            Ok(self.find_container_status(&cx.with_timeout(TRY_MARGIN), id.as_str(), false).await?)
        });
        let Some((container, _)) = found.await? else { return Ok(()) };
        persist(cx, policy, async |cx| {
            let cx = cx.with_timeout(TRY_MARGIN);
            let request = cri::RemoveContainerRequest { container_id: id.as_str().to_owned() };
            match self.client().remove_container(&cx, request).await {
                Ok(_) => Ok(()),
                Err(refusal) if refusal.is_vague() => {
                    let found = self.find_container_status(&cx, id.as_str(), false).await?;
                    if found.is_none() { Ok(()) } else { Err(Setback::passing(refusal)) }
                }
                Err(refusal) => Err(refusal.into()),
            }
        })
        .await?;
        // Logs of containers that others made are theirs.
        if container.labels.contains_key(CREATE) && self.log_root().is_some() {
            logs::remove(container.log_path.as_ref()).await?;
        }
        Ok(())
    }

    /// Removes a pod with its containers, which are killed, and the log directory that wharf made for it. Missing is `Ok`.
    pub(crate) async fn remove_pod(&self, cx: &Context, id: &PodId) -> Result<()> {
        let policy = for_up_to(BUDGET);
        let found = persist(cx, policy, async |cx| {
            Ok(self.find_pod_status(&cx.with_timeout(TRY_MARGIN), id.as_str(), false).await?)
        });
        let Some((pod, _)) = found.await? else { return Ok(()) };
        persist(cx, policy, async |cx| {
            let cx = cx.with_timeout(TRY_MARGIN);
            let request = cri::RemovePodSandboxRequest { pod_sandbox_id: id.as_str().to_owned() };
            match self.client().remove_pod_sandbox(&cx, request).await {
                Ok(_) => Ok(()),
                Err(refusal) if refusal.is_vague() => {
                    let found = self.find_pod_status(&cx, id.as_str(), false).await?;
                    if found.is_none() { Ok(()) } else { Err(Setback::passing(refusal)) }
                }
                Err(refusal) => Err(refusal.into()),
            }
        })
        .await?;
        // Only a directory that the stored spec names as well, so that a stray annotation removes nothing.
        let made = pod.annotations.get(marks::LOG_DIRECTORY).map(PathBuf::from);
        let named = marks::from_json(&pod.annotations).and_then(|spec| spec.log_directory);
        match made {
            Some(made) if named.as_ref() == Some(&made) => log_directory::remove(&made).await,
            _ => Ok(()),
        }
    }

    /// Stops a container through the runtime. The first try gets the grace period, the next ones what is left of it.
    async fn stop_by_runtime(&self, cx: &Context, id: &str, options: &StopOptions) -> Result<()> {
        let tries = Tries::new(cx, options);
        let started = Instant::now();
        persist(cx, tries.policy, async |cx| {
            let grace = whole_seconds(options.grace_period.saturating_sub(started.elapsed()));
            let own = Duration::from_secs(u64::try_from(grace).unwrap_or_default());
            self.try_stop(&cx.with_timeout(own.saturating_add(tries.margin)), id, grace).await
        })
        .await
    }

    async fn try_stop(&self, cx: &Context, id: &str, timeout: i64) -> Result<(), Setback> {
        if !self.may_be_container(cx, id).await? {
            return Ok(());
        }
        let request = cri::StopContainerRequest { container_id: id.to_owned(), timeout };
        match self.client().stop_container(cx, request).await {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.is_not_found() => Ok(()),
            Err(refusal) if refusal.is_vague() => match self.find_container_status(cx, id, false).await? {
                Some((container, _)) if is_running(&container) => Err(Setback::passing(refusal)),
                _ => Ok(()),
            },
            Err(refusal) => Err(refusal.into()),
        }
    }

    async fn stop_sandbox(&self, cx: Context, id: &PodId) -> Result<(), Setback> {
        if !self.may_be_pod(&cx, id.as_str()).await? {
            return Ok(());
        }
        let request = cri::StopPodSandboxRequest { pod_sandbox_id: id.as_str().to_owned() };
        match self.client().stop_pod_sandbox(&cx, request).await {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.is_not_found() => Ok(()),
            // The network may be what can't be given back yet; a sandbox that is not ready is stopped by that, too.
            Err(refusal) if refusal.is_vague() => {
                match self.find_pod_status(&cx, id.as_str(), false).await? {
                    Some(_) => Err(Setback::passing(refusal)),
                    None => Ok(()),
                }
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    async fn running_in(&self, cx: Context, pod: &PodId) -> Result<Vec<String>, Setback> {
        let state = cri::ContainerState::ContainerRunning.into();
        let filter = cri::ContainerFilter {
            pod_sandbox_id: pod.as_str().to_owned(),
            state: Some(cri::ContainerStateValue { state }),
            ..Default::default()
        };
        let request = cri::ListContainersRequest { filter: Some(filter) };
        let running = self.client().list_containers(&cx, request).await?.containers;
        // Runtimes match ids by their beginning.
        let of_pod = running.into_iter().filter(|container| container.pod_sandbox_id == pod.as_str());
        Ok(of_pod.map(|container| container.id).collect())
    }
}

/// How often a stop is tried, and how long beyond its grace period a try may take.
struct Tries {
    policy: RetryPolicy,
    margin: Duration,
}

impl Tries {
    fn new(cx: &Context, options: &StopOptions) -> Self {
        let mut tries =
            Self { policy: for_up_to(options.grace_period.saturating_add(BUDGET)), margin: TRY_MARGIN };
        if options.force_kill {
            // A caller in a hurry has time left for the kill.
            let spare = cx.remaining().map(|left| left.saturating_sub(options.grace_period) / 2);
            tries.margin = spare.unwrap_or(Duration::MAX).min(MARGIN_BEFORE_KILL);
            tries.policy.max_attempts = TRIES_BEFORE_KILL;
            tries.policy.total_budget = options.grace_period.saturating_add(BUDGET_BEFORE_KILL);
        }
        tries
    }
}

/// Kills all processes of these containers and sandboxes, without the runtime.
///
/// The runtime is not asked for their numbers, since it may not answer any more. What it would say had to be proven by the
/// processes' cgroups anyway, and these also name the processes that the runtime doesn't know. The shim of a pod is in none
/// of these cgroups.
///
/// # Errors
/// `why` if there is nothing to kill, or something survives.
async fn kill(cx: &Context, ids: &[String], why: Error) -> Result<()> {
    let bounded = cx.child().with_timeout(KILL_TIMEOUT);
    let killed = bounded.run(async {
        let mut seen = 0;
        for _ in 0..KILL_ROUNDS {
            let found = try_join_all(ids.iter().map(|id| Process::all_of(id))).await;
            let found: Vec<_> = found.map_err(cannot_kill)?.into_iter().flatten().collect();
            seen += found.len();
            // One that has ended can be seen until the shim asks how.
            let running: Vec<_> = found.iter().filter(|process| !process.has_ended()).collect();
            if running.is_empty() {
                return Ok(seen);
            }
            for process in &running {
                process.kill().map_err(cannot_kill)?;
            }
            for process in &running {
                process.ended().await.map_err(cannot_kill)?;
            }
        }
        Err(Error::new(ErrorKind::Failed, "new processes come as fast as they are killed"))
    });
    match killed.await {
        Ok(0) => Err(why.with_context("force_kill", "no process of it is seen from here")),
        Ok(_) => Ok(()),
        Err(error) => {
            cx.check()?;
            Err(why.with_context("force_kill", error.to_string()))
        }
    }
}

fn cannot_kill(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Failed, error.to_string())
}

/// Seconds, rounded up: CRI counts grace in whole ones, and a period is never cut short.
pub(crate) fn whole_seconds(duration: Duration) -> i64 {
    let seconds = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grace_is_never_cut_short() {
        for (grace, seconds) in [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2), (10_000, 10)] {
            assert_eq!(whole_seconds(Duration::from_millis(grace)), seconds, "{grace} ms");
        }
        assert_eq!(whole_seconds(Duration::MAX), i64::MAX);
    }
}
