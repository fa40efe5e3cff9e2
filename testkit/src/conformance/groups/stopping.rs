//! Stops that last, meet each other, and are given up.

use std::time::{Duration, Instant};

use futures::future::{join, join_all};
use runtime_core::{ContainerPhase, ErrorKind, ExitCause, StopOptions};

use crate::conformance::{
    Env, Verdict,
    case::{cases, ensure, ensure_eq},
    env::kind_of,
};

cases! { Lifecycle;
    what_takes_its_time_is_given_it: proves [ContainerStop], needs [PodRun, ContainerWait, ContainerLogsFollow];
    a_stop_ends_with_its_container: proves [ContainerStop], needs [PodRun, ContainerWait, ContainerLogsFollow];
    a_grace_period_in_parts_of_a_second_is_not_cut: proves [], needs [ContainerStop, PodRun, ContainerWait, ContainerLogsFollow];
    stopping_again_is_fine: proves [], needs [ContainerStop, PodStop, PodRun];
    stopping_what_is_being_stopped: proves [], needs [ContainerStop, PodRun, ContainerWait, ContainerLogsFollow];
    a_stop_in_a_hurry_overtakes_a_patient_one: proves [], needs [ContainerStop, PodRun, ContainerWait, ContainerLogsFollow];
    a_stop_that_is_given_up_can_be_done_again: proves [], needs [ContainerStop, PodRun, ContainerStatus, ContainerLogsFollow];
    a_deadline_before_the_end_of_the_grace_period_is_refused: proves [], needs [ContainerStop, PodStop, PodRun, ContainerStatus];
    many_containers_are_stopped_at_once: proves [], needs [ContainerStop, PodRun, ContainerWait, ContainerLogsFollow];
    a_pods_stop_gives_every_container_its_time: proves [PodStop], needs [PodRun, ContainerWait, ContainerLogsFollow];
    removing_twice_at_once: proves [], needs [ContainerRemove, PodRemove, PodRun, PodList];
    removing_what_is_being_stopped: proves [], needs [ContainerStop, ContainerRemove, PodRun, ContainerStatus, ContainerLogsFollow];
    a_pod_is_removed_while_it_is_stopped: proves [], needs [PodStop, PodRemove, PodRun, PodStatus, ContainerLogsFollow];
    a_stop_that_may_kill_stops_gracefully_where_it_can: proves [ContainerForceKill, PodForceKill], needs [PodRun, ContainerWait, ContainerLogsFollow];
}

async fn what_takes_its_time_is_given_it(env: &Env) -> Verdict {
    let (_, container) = env.run_ready(&env.pod_running(["linger", "2", "6"])).await?;
    let started = Instant::now();
    container.stop(&StopOptions::after(Duration::from_secs(30))).await?;
    let took = started.elapsed();
    ensure!(took >= Duration::from_secs(2), "it was given {took:?} only");
    ensure_eq!(container.wait().await?.cause, ExitCause::Exited(6));
    Ok(())
}

async fn a_stop_ends_with_its_container(env: &Env) -> Verdict {
    let (_, container) = env.run_ready(&env.pod_running(["on-term", "bye", "0"])).await?;
    let started = Instant::now();
    container.stop(&StopOptions::after(Duration::from_secs(80))).await?;
    ensure!(started.elapsed() < Duration::from_secs(20), "it took {:?}", started.elapsed());
    Ok(())
}

async fn a_grace_period_in_parts_of_a_second_is_not_cut(env: &Env) -> Verdict {
    let (_, container) = env.run_ready(&env.pod_running(["ignore-term"])).await?;
    let started = Instant::now();
    container.stop(&StopOptions::after(Duration::from_millis(1200))).await?;
    let took = started.elapsed();
    ensure!(took >= Duration::from_millis(1150), "killed after {took:?}");
    ensure_eq!(container.wait().await?.code(), Some(137));
    Ok(())
}

async fn stopping_again_is_fine(env: &Env) -> Verdict {
    let (pod, container) = env.idle().await?;
    for _ in 0..2 {
        container.stop(&StopOptions::default()).await?;
    }
    for _ in 0..2 {
        pod.stop(&StopOptions::default()).await?;
    }
    container.stop(&StopOptions::default()).await?;
    Ok(())
}

async fn stopping_what_is_being_stopped(env: &Env) -> Verdict {
    let (_, container) = env.run_ready(&env.pod_running(["linger", "1", "6"])).await?;
    let options = StopOptions::after(Duration::from_secs(30));
    let stops = join_all((0..3).map(|_| container.stop(&options))).await;
    ensure!(stops.iter().all(Result::is_ok), "{stops:?}");
    ensure_eq!(container.wait().await?.code(), Some(6));
    Ok(())
}

async fn a_stop_in_a_hurry_overtakes_a_patient_one(env: &Env) -> Verdict {
    let (_, container) = env.run_ready(&env.pod_running(["ignore-term"])).await?;
    let started = Instant::now();
    let (patient, now) = (StopOptions::after(Duration::from_secs(60)), StopOptions::now());
    let (first, second) = join(container.stop(&patient), async {
        let early = tokio::time::timeout(Duration::from_millis(300), container.wait()).await;
        ensure!(early.is_err(), "it ended at once: {early:?}");
        Ok(container.stop(&now).await?)
    })
    .await;
    first?;
    second?;
    ensure!(started.elapsed() < Duration::from_secs(30), "it took {:?}", started.elapsed());
    ensure_eq!(container.wait().await?.code(), Some(137));
    Ok(())
}

async fn a_stop_that_is_given_up_can_be_done_again(env: &Env) -> Verdict {
    let (_, container) = env.run_ready(&env.pod_running(["ignore-term"])).await?;
    let options = StopOptions::after(Duration::from_secs(60));
    let given_up = tokio::time::timeout(Duration::from_millis(300), container.stop(&options)).await;
    ensure!(given_up.is_err(), "it ended although its container ignores the signal: {given_up:?}");
    // The system may go on with it or not. Nothing of it is in the way.
    let started = Instant::now();
    container.stop(&StopOptions::now()).await?;
    ensure!(started.elapsed() < Duration::from_secs(20), "it took {:?}", started.elapsed());
    ensure_eq!(container.status().await?.summary.phase, ContainerPhase::Exited);
    Ok(())
}

async fn a_deadline_before_the_end_of_the_grace_period_is_refused(env: &Env) -> Verdict {
    let (pod, container) = env.idle().await?;
    let hasty = env.client().with_timeout(Duration::from_secs(5));
    let options = StopOptions::after(Duration::from_secs(20));
    for refused in [
        hasty.container(container.id().clone()).stop(&options).await,
        hasty.pod(pod.id().clone()).stop(&options).await,
    ] {
        let error = kind_of(refused, ErrorKind::InvalidArgument)?;
        ensure_eq!(error.field(), Some("gracePeriod"));
    }
    ensure_eq!(container.status().await?.summary.phase, ContainerPhase::Running);
    Ok(())
}

async fn many_containers_are_stopped_at_once(env: &Env) -> Verdict {
    let names: Vec<_> = (0..6).map(|index| format!("c{index}")).collect();
    let spec = names
        .iter()
        .fold(env.pod(), |pod, name| pod.with_container(env.container(name, ["linger", "2", "3"])));
    let (pod, _) = env.run_ready(&spec).await?;
    let containers: Vec<_> = names.iter().filter_map(|name| pod.container(name)).collect();
    ensure_eq!(containers.len(), names.len());
    for container in &containers {
        env.ready(container).await?;
    }
    let started = Instant::now();
    let options = StopOptions::after(Duration::from_secs(30));
    for stopped in join_all(containers.iter().map(|container| container.stop(&options))).await {
        stopped?;
    }
    ensure!(started.elapsed() < Duration::from_secs(10), "one after the other: {:?}", started.elapsed());
    for container in &containers {
        ensure_eq!(container.wait().await?.code(), Some(3));
    }
    Ok(())
}

async fn a_pods_stop_gives_every_container_its_time(env: &Env) -> Verdict {
    let spec = ["one", "two", "three"]
        .iter()
        .fold(env.pod(), |pod, name| pod.with_container(env.container(name, ["linger", "2", "3"])));
    let (pod, _) = env.run_ready(&spec).await?;
    let containers: Vec<_> =
        spec.containers.iter().filter_map(|container| pod.container(&container.name)).collect();
    for container in &containers {
        env.ready(container).await?;
    }
    let started = Instant::now();
    pod.stop(&StopOptions::after(Duration::from_secs(30))).await?;
    ensure!(started.elapsed() < Duration::from_secs(15), "it took {:?}", started.elapsed());
    for container in &containers {
        ensure_eq!(container.wait().await?.cause, ExitCause::Exited(3));
    }
    Ok(())
}

async fn removing_twice_at_once(env: &Env) -> Verdict {
    let (pod, container) = env.idle().await?;
    let removals = join_all((0..3).map(|_| container.remove())).await;
    ensure!(removals.iter().all(Result::is_ok), "{removals:?}");
    let removals = join_all((0..3).map(|_| pod.remove())).await;
    ensure!(removals.iter().all(Result::is_ok), "{removals:?}");
    env.ensure_nothing_left().await
}

async fn removing_what_is_being_stopped(env: &Env) -> Verdict {
    let (_, container) = env.run_ready(&env.pod_running(["ignore-term"])).await?;
    let options = StopOptions::after(Duration::from_secs(60));
    let started = Instant::now();
    let (stopped, removed) = join(container.stop(&options), async {
        let early = tokio::time::timeout(Duration::from_millis(300), container.wait()).await;
        ensure!(early.is_err(), "it ended at once: {early:?}");
        Ok(container.remove().await?)
    })
    .await;
    removed?;
    stopped?;
    ensure!(started.elapsed() < Duration::from_secs(40), "it took {:?}", started.elapsed());
    kind_of(container.status().await, ErrorKind::NotFound)?;
    Ok(())
}

async fn a_pod_is_removed_while_it_is_stopped(env: &Env) -> Verdict {
    let (pod, _) = env.run_ready(&env.pod_running(["ignore-term"])).await?;
    let options = StopOptions::after(Duration::from_secs(3));
    let (stopped, removed) = join(pod.stop(&options), pod.remove()).await;
    stopped?;
    removed?;
    kind_of(pod.status().await, ErrorKind::NotFound)?;
    env.ensure_nothing_left().await
}

async fn a_stop_that_may_kill_stops_gracefully_where_it_can(env: &Env) -> Verdict {
    let options = StopOptions::after(Duration::from_secs(30)).with_force_kill();
    let (pod, container) = env.run_ready(&env.pod_running(["linger", "1", "6"])).await?;
    container.stop(&options).await?;
    ensure_eq!(container.wait().await?.code(), Some(6));
    pod.stop(&options).await?;
    let (pod, container) = env.run_ready(&env.pod_running(["linger", "1", "6"])).await?;
    pod.stop(&options).await?;
    ensure_eq!(container.wait().await?.code(), Some(6));
    pod.stop(&options).await?;
    Ok(())
}
