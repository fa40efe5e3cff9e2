//! Stops of whole pods: how much time they give, what they leave, and how they meet each other and removals.

use std::time::{Duration, Instant};

use futures::future::join;
use runtime_core::{
    ContainerHandle, ContainerPhase, ErrorKind, ExistingPolicy, PodHandle, PodPhase, RunOptions, StopOptions,
};

use crate::conformance::{
    Env, Failure, Verdict,
    case::{cases, ensure, ensure_eq},
    env::kind_of,
};

cases! { Lifecycle;
    a_pods_stop_kills_who_ignores_it: proves [PodStop], needs [PodRun, ContainerWait, ContainerLogsFollow];
    a_pods_stop_at_once: proves [], needs [PodStop, PodRun, ContainerWait, ContainerLogsFollow];
    a_pods_grace_period_in_parts_of_a_second_is_not_cut: proves [], needs [PodStop, PodRun, ContainerWait, ContainerLogsFollow];
    a_pods_stop_gives_more_than_is_usual: proves [], needs [PodStop, PodRun, ContainerWait, ContainerLogsFollow];
    a_pods_stop_in_a_hurry_overtakes_a_patient_one: proves [], needs [PodStop, PodRun, ContainerWait, ContainerLogsFollow];
    a_pods_stop_that_is_given_up_can_be_done_again: proves [], needs [PodStop, PodRun, ContainerWait, ContainerLogsFollow];
    a_pod_that_was_stopped_is_replaced_but_not_taken_over: proves [], needs [PodStop, PodExisting, PodRun, ContainerLogsFollow];
    a_pod_that_ignores_its_signal_is_removed: proves [PodRemove], needs [PodRun, PodStatus, ContainerLogsFollow];
}

/// What is given beyond what was asked for, for a system that is busy.
const SLACK: Duration = Duration::from_secs(20);

async fn ignoring(env: &Env) -> Result<(PodHandle, ContainerHandle), Failure> {
    env.run_ready(&env.pod_running(["ignore-term"])).await
}

/// Another client sees a stopped pod for what it is, and removes it.
async fn is_stopped_for_others(
    env: &Env,
    pod: &PodHandle,
    container: &ContainerHandle,
    code: i32,
) -> Verdict {
    let other = env.reconnect().await?;
    let stopped = other.pod(pod.id().clone());
    let status = stopped.status().await?;
    ensure!(
        matches!(status.summary.phase, PodPhase::Stopped | PodPhase::Failed | PodPhase::Succeeded),
        "{status:?}"
    );
    let listed = other.list_pods(&env.filter()).await?;
    let listed = listed.iter().find(|listed| listed.id == *pod.id()).ok_or("it is not listed")?;
    ensure_eq!(listed.phase, status.summary.phase);
    let ended = other.container(container.id().clone());
    ensure_eq!(ended.wait().await?.code(), Some(code));
    ensure_eq!(ended.status().await?.summary.phase, ContainerPhase::Exited);
    stopped.stop(&StopOptions::now()).await?;
    stopped.remove().await?;
    kind_of(pod.status().await, ErrorKind::NotFound)?;
    env.ensure_nothing_left().await
}

async fn a_pods_stop_kills_who_ignores_it(env: &Env) -> Verdict {
    let (pod, container) = ignoring(env).await?;
    let (started, grace) = (Instant::now(), Duration::from_secs(2));
    pod.stop(&StopOptions::after(grace)).await?;
    ensure!(started.elapsed() >= grace, "killed after {:?}", started.elapsed());
    ensure!(started.elapsed() < grace + SLACK, "it took {:?}", started.elapsed());
    is_stopped_for_others(env, &pod, &container, 137).await
}

async fn a_pods_stop_at_once(env: &Env) -> Verdict {
    let (pod, container) = ignoring(env).await?;
    let started = Instant::now();
    pod.stop(&StopOptions::now()).await?;
    ensure!(started.elapsed() < SLACK, "it took {:?}", started.elapsed());
    is_stopped_for_others(env, &pod, &container, 137).await
}

async fn a_pods_grace_period_in_parts_of_a_second_is_not_cut(env: &Env) -> Verdict {
    let (pod, container) = ignoring(env).await?;
    let started = Instant::now();
    pod.stop(&StopOptions::after(Duration::from_millis(1200))).await?;
    ensure!(started.elapsed() >= Duration::from_millis(1150), "killed after {:?}", started.elapsed());
    is_stopped_for_others(env, &pod, &container, 137).await
}

async fn a_pods_stop_gives_more_than_is_usual(env: &Env) -> Verdict {
    let (pod, container) = env.run_ready(&env.pod_running(["linger", "2", "6"])).await?;
    let started = Instant::now();
    pod.stop(&StopOptions::after(Duration::from_secs(75))).await?;
    ensure!(started.elapsed() >= Duration::from_secs(2), "it was given {:?}", started.elapsed());
    ensure!(started.elapsed() < Duration::from_secs(30), "it took {:?}", started.elapsed());
    is_stopped_for_others(env, &pod, &container, 6).await
}

async fn a_pods_stop_in_a_hurry_overtakes_a_patient_one(env: &Env) -> Verdict {
    // As much as is usual, and more.
    for seconds in [25, 60] {
        let (pod, container) = ignoring(env).await?;
        let started = Instant::now();
        let patient = StopOptions::after(Duration::from_secs(seconds));
        let (first, second) = join(pod.stop(&patient), async {
            let early = tokio::time::timeout(Duration::from_millis(500), container.wait()).await;
            ensure!(early.is_err(), "it ended at once: {early:?}");
            let other = env.reconnect().await?.pod(pod.id().clone());
            Ok(other.stop(&StopOptions::after(Duration::from_secs(1))).await?)
        })
        .await;
        first?;
        second?;
        ensure!(started.elapsed() < SLACK, "it took {:?}", started.elapsed());
        is_stopped_for_others(env, &pod, &container, 137).await?;
    }
    Ok(())
}

async fn a_pods_stop_that_is_given_up_can_be_done_again(env: &Env) -> Verdict {
    for seconds in [25, 60] {
        let (pod, container) = ignoring(env).await?;
        let patient = StopOptions::after(Duration::from_secs(seconds));
        let given_up = tokio::time::timeout(Duration::from_millis(300), pod.stop(&patient)).await;
        ensure!(given_up.is_err(), "it ended although its container ignores the signal: {given_up:?}");
        let started = Instant::now();
        env.reconnect().await?.pod(pod.id().clone()).stop(&StopOptions::now()).await?;
        ensure!(started.elapsed() < SLACK, "it took {:?}", started.elapsed());
        is_stopped_for_others(env, &pod, &container, 137).await?;
    }
    Ok(())
}

async fn a_pod_that_was_stopped_is_replaced_but_not_taken_over(env: &Env) -> Verdict {
    let spec = env.pod_running(["ignore-term"]);
    let (pod, _) = env.run_ready(&spec).await?;
    pod.stop(&StopOptions::now()).await?;
    let with = |existing| RunOptions::default().with_existing(existing);
    let adopted = env.client().run_pod_with(&spec, &with(ExistingPolicy::Adopt)).await;
    ensure_eq!(kind_of(adopted, ErrorKind::AlreadyExists)?.existing_id(), Some(pod.id().as_str()));
    let next = env.client().run_pod_with(&spec, &with(ExistingPolicy::Replace)).await?;
    ensure!(next.id() != pod.id(), "it is the same");
    ensure_eq!(next.status().await?.summary.phase, PodPhase::Running);
    kind_of(pod.status().await, ErrorKind::NotFound)?;
    Ok(())
}

async fn a_pod_that_ignores_its_signal_is_removed(env: &Env) -> Verdict {
    let (pod, _) = ignoring(env).await?;
    let started = Instant::now();
    pod.remove().await?;
    ensure!(started.elapsed() < SLACK, "it took {:?}", started.elapsed());
    kind_of(pod.status().await, ErrorKind::NotFound)?;
    env.ensure_nothing_left().await
}
