//! Stops beside a pod's own grace period, and what is left to read.

use std::time::{Duration, Instant};

use futures::TryStreamExt;
use testkit::{
    cases,
    conformance::{Env, Failure, Verdict, kind_of},
    ensure, ensure_eq,
};
use wharf::{ContainerHandle, ErrorKind, LogOptions, PodHandle, PodPhase, StopOptions, k8s::K8sPodOptions};

cases! { Lifecycle;
    less_time_than_a_pods_own: proves [], needs [PodStop, PodRun, ContainerWait, ContainerLogsFollow];
    more_time_than_a_pods_own: proves [], needs [PodStop, PodRun, ContainerWait, ContainerLogsFollow];
    who_ends_in_time_keeps_its_log: proves [], needs [PodStop, PodRun, ContainerWait, ContainerLogsFollow];
    a_removal_does_not_wait_for_a_pods_own_time: proves [], needs [PodRemove, PodRun, ContainerLogsFollow];
}

/// Runs a command in a pod with a grace period of its own.
async fn run<const N: usize>(
    env: &Env,
    own_seconds: u32,
    command: [&str; N],
) -> Result<(PodHandle, ContainerHandle), Failure> {
    let mut spec = env.pod_running(command);
    let mut options = K8sPodOptions::default();
    options.termination_grace_period_seconds = Some(own_seconds);
    spec.extensions.set(&options)?;
    env.run_ready(&spec).await
}

async fn less_time_than_a_pods_own(env: &Env) -> Verdict {
    for grace in [Duration::ZERO, Duration::from_secs(2)] {
        let (pod, container) = run(env, 600, ["ignore-term"]).await?;
        let started = Instant::now();
        pod.stop(&StopOptions::after(grace)).await?;
        ensure!(started.elapsed() >= grace, "killed after {:?}", started.elapsed());
        ensure!(started.elapsed() < grace + Duration::from_secs(20), "it took {:?}", started.elapsed());
        ensure_eq!(pod.status().await?.summary.phase, PodPhase::Stopped);
        ensure_eq!(container.wait().await?.code(), Some(137));
        pod.remove().await?;
        kind_of(pod.status().await, ErrorKind::NotFound)?;
    }
    Ok(())
}

async fn more_time_than_a_pods_own(env: &Env) -> Verdict {
    let (pod, container) = run(env, 1, ["linger", "4", "6"]).await?;
    let started = Instant::now();
    pod.stop(&StopOptions::after(Duration::from_secs(40))).await?;
    ensure!(started.elapsed() >= Duration::from_secs(4), "it was given {:?}", started.elapsed());
    ensure!(started.elapsed() < Duration::from_secs(25), "it took {:?}", started.elapsed());
    ensure_eq!(pod.status().await?.summary.phase, PodPhase::Stopped);
    ensure_eq!(container.wait().await?.code(), Some(6));
    Ok(())
}

async fn who_ends_in_time_keeps_its_log(env: &Env) -> Verdict {
    let (pod, container) = run(env, 30, ["on-term", "bye", "3"]).await?;
    pod.stop(&StopOptions::after(Duration::from_secs(20))).await?;
    ensure_eq!(container.wait().await?.code(), Some(3));
    let lines: Vec<_> = container.logs(&LogOptions::default()).await?.try_collect().await?;
    let text: Vec<_> = lines.iter().map(|line| line.text()).collect();
    ensure_eq!(text, ["ready", "bye"]);
    Ok(())
}

async fn a_removal_does_not_wait_for_a_pods_own_time(env: &Env) -> Verdict {
    let (pod, _) = run(env, 600, ["ignore-term"]).await?;
    let started = Instant::now();
    pod.remove().await?;
    ensure!(started.elapsed() < Duration::from_secs(20), "it took {:?}", started.elapsed());
    env.ensure_nothing_left().await
}
