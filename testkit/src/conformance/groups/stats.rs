//! What pods and containers use.

use std::time::Duration;

use futures::FutureExt;
use runtime_core::{
    Capability, ContainerFilter, ContainerHandle, ContainerStats, ErrorKind, PodFilter, PodHandle, PodStats,
    StopOptions,
    spec::{Bytes, PodSpec, Resources},
};

use crate::conformance::{
    Env, Failure, Verdict,
    case::{cases, ensure, ensure_eq},
    env::{guest_exec, kind_of, until, until_within},
};

cases! { Resources;
    load_is_measured: proves [ContainerStats], needs [PodRun];
    processor_time_grows_under_load: proves [ContainerStatsTime], needs [ContainerStats, PodRun];
    memory_is_what_was_taken_and_below_the_limit: proves [ContainerStats], needs [PodRun, ContainerMemoryLimit, ContainerLogs, ContainerLogsFollow];
    the_writable_layer_grows: proves [ContainerStatsLayer], needs [ContainerStats, PodRun, ExecSync, ContainerRootfs];
    only_what_fits_and_runs_is_measured: proves [ContainerStats], needs [PodRun, ContainerCreate, ContainerStop];
    what_is_missing_or_does_not_run_is_not_measured: proves [ContainerStats], needs [PodRun, ContainerCreate, ContainerStop, ContainerRemove];
    a_pod_is_measured_with_its_containers: proves [PodStats], needs [PodRun, PodStop, ContainerStop];
    only_pods_that_fit_and_run_are_measured: proves [PodStats], needs [PodRun, PodStop];
    a_pods_network_is_measured: proves [PodStatsNetwork], needs [PodStats, PodRun, PodNetwork, PodStatus];
}

fn processor_time(stats: &ContainerStats) -> u64 {
    stats.cpu.as_ref().and_then(|cpu| cpu.usage_nanos).unwrap_or_default()
}

fn working_set(stats: &ContainerStats) -> Option<Bytes> {
    stats.memory.as_ref().and_then(|memory| memory.working_set)
}

/// Some systems measure once a minute, and not before the first is over.
const MEASURED: Duration = Duration::from_secs(150);

/// What a container uses, when that is as it must become.
async fn measured(
    what: &str,
    container: &ContainerHandle,
    is_so: impl Fn(&ContainerStats) -> bool,
) -> Result<ContainerStats, Failure> {
    until_within(MEASURED, what, || container.stats().boxed(), is_so).await
}

async fn load_is_measured(env: &Env) -> Verdict {
    let (pod, container) = env.run(&env.pod_running(["spin", "200"])).await?;
    // Beside others it may not get a whole processor.
    let is_busy = |stats: &ContainerStats| {
        let rate = stats.cpu.as_ref().and_then(|cpu| cpu.usage_nano_cores);
        rate.is_some_and(|rate| rate >= 50_000_000) || processor_time(stats) >= 50_000_000
    };
    let stats = measured("a busy processor", &container, is_busy).await?;
    ensure_eq!((&stats.id, stats.name.as_str()), (container.id(), "main"));
    ensure_eq!(stats.pod.as_ref(), Some(pod.id()));
    ensure!(stats.cpu.is_some_and(|cpu| cpu.measured_at.is_some()), "nobody says when it was measured");
    Ok(())
}

async fn processor_time_grows_under_load(env: &Env) -> Verdict {
    let (_, container) = env.run(&env.pod_running(["spin", "60"])).await?;
    let first = container.stats().await?;
    let half_a_second_more = processor_time(&first) + 500_000_000;
    let more = |stats: &ContainerStats| processor_time(stats) > half_a_second_more;
    let later = until("half a second of processor time", || container.stats().boxed(), more).await?;
    let at = |stats: &ContainerStats| stats.cpu.as_ref().and_then(|cpu| cpu.measured_at);
    ensure!(at(&first).is_some() && at(&first) < at(&later), "{:?}, then {:?}", at(&first), at(&later));
    Ok(())
}

async fn memory_is_what_was_taken_and_below_the_limit(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["alloc", "40"]);
    spec.containers[0].resources = Resources::default().with_memory_limit(Bytes::mib(128));
    let (_, container) = env.run(&spec).await?;
    let mut following = container.logs(&runtime_core::LogOptions::follow()).await?;
    futures::StreamExt::next(&mut following).await.ok_or("it ended without a word")??;
    let is_measured = |stats: &ContainerStats| working_set(stats) >= Some(Bytes::mib(40));
    let stats = measured("memory", &container, is_measured).await?;
    let used = working_set(&stats).ok_or("no working set")?;
    ensure!((Bytes::mib(40)..Bytes::mib(128)).contains(&used), "{used} for 40 MiB");
    let left = stats.memory.and_then(|memory| memory.available);
    if let Some(left) = left {
        ensure!(left <= Bytes::mib(88), "{left} left of 128 MiB, of which {used} are used");
    }
    Ok(())
}

async fn the_writable_layer_grows(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let used = |stats: &ContainerStats| stats.writable_layer.as_ref().and_then(|layer| layer.used);
    let is_measured = |stats: &ContainerStats| used(stats).is_some();
    let before = used(&until("the layer is measured", || container.stats().boxed(), is_measured).await?);
    let written = guest_exec(&container, ["write", "/file", &"x".repeat(120_000)]).await?;
    ensure!(written.exit.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let grew = |stats: &ContainerStats| used(stats) > before.map(|before| Bytes(before.0 + 100_000));
    until("the layer has the file", || container.stats().boxed(), grew).await.map(drop)
}

async fn only_what_fits_and_runs_is_measured(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["pause"]);
    spec.containers[0] = spec.containers[0].clone().with_label("role", "main");
    spec.containers.push(env.container("other", ["pause"]));
    spec.containers.push(env.container("ended", ["pause"]).with_label("role", "main"));
    let (pod, main) = env.run(&spec).await?;
    pod.container("ended").ok_or("no container ended")?.stop(&StopOptions::now()).await?;
    pod.create_container(&env.container("fresh", ["pause"])).await?;
    let of_pod = ContainerFilter::of_pod(pod.id());
    let names = async |filter: &ContainerFilter| -> Result<Vec<String>, Failure> {
        let measured = env.client().list_container_stats(filter).await?;
        let wrong = measured.iter().find(|one| one.pod.as_ref() != Some(pod.id()) || one.cpu.is_none());
        ensure!(wrong.is_none(), "{wrong:?}");
        let mut names: Vec<_> = measured.into_iter().map(|one| one.name).collect();
        names.sort();
        Ok(names)
    };
    ensure_eq!(names(&of_pod).await?, ["main", "other"]);
    ensure_eq!(names(&of_pod.clone().with_label("role", "main")).await?, ["main"]);
    ensure_eq!(names(&of_pod.clone().with_id(main.id().clone())).await?, ["main"]);
    let mut by_name = of_pod.clone();
    by_name.name = Some("other".to_owned());
    ensure_eq!(names(&by_name).await?, ["other"]);
    ensure_eq!(names(&of_pod.with_label("role", "none")).await?, [""; 0]);
    Ok(())
}

async fn what_is_missing_or_does_not_run_is_not_measured(env: &Env) -> Verdict {
    let (pod, container) = env.idle().await?;
    let fresh = pod.create_container(&env.container("fresh", ["pause"])).await?;
    kind_of(fresh.stats().await, ErrorKind::InvalidState)?;
    container.stop(&StopOptions::now()).await?;
    kind_of(container.stats().await, ErrorKind::InvalidState)?;
    container.remove().await?;
    kind_of(container.stats().await, ErrorKind::NotFound)?;
    kind_of(env.client().container("wharf-conformance-unknown").stats().await, ErrorKind::NotFound)?;
    Ok(())
}

async fn a_pod_is_measured_with_its_containers(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["pause"]);
    spec.containers.push(env.container("ended", ["pause"]));
    let (pod, main) = env.run(&spec).await?;
    pod.container("ended").ok_or("no container ended")?.stop(&StopOptions::now()).await?;
    let stats = pod.stats().await?;
    ensure_eq!(
        (&stats.id, &*stats.name, &*stats.namespace),
        (pod.id(), &*spec.name, spec.namespace_or_default())
    );
    let containers: Vec<_> = stats.containers.iter().map(|one| &one.id).collect();
    ensure_eq!(containers, [main.id()]);
    ensure!(stats.containers.iter().all(|one| working_set(one).is_some()), "{:?}", stats.containers);
    pod.stop(&StopOptions::now()).await?;
    kind_of(pod.stats().await, ErrorKind::InvalidState)?;
    kind_of(env.client().pod("wharf-conformance-unknown").stats().await, ErrorKind::NotFound)?;
    Ok(())
}

async fn only_pods_that_fit_and_run_are_measured(env: &Env) -> Verdict {
    let blue = env.pod_running(["pause"]).with_label("team", "blue");
    let (first, _) = env.run(&blue).await?;
    let (second, _) = env.idle().await?;
    let (stopped, _) = env.idle().await?;
    stopped.stop(&StopOptions::now()).await?;
    let ids = async |filter: PodFilter| -> Result<Vec<String>, Failure> {
        let measured: Vec<PodStats> = env.client().list_pod_stats(&filter).await?;
        let mut ids: Vec<_> = measured.into_iter().map(|pod| pod.id.to_string()).collect();
        ids.sort();
        Ok(ids)
    };
    let sorted = |pods: &[&PodHandle]| {
        let mut ids: Vec<_> = pods.iter().map(|pod| pod.id().to_string()).collect();
        ids.sort();
        ids
    };
    ensure_eq!(ids(env.filter()).await?, sorted(&[&first, &second]));
    ensure_eq!(ids(env.filter().with_label("team", "blue")).await?, sorted(&[&first]));
    ensure_eq!(ids(env.filter().with_id(second.id().clone())).await?, sorted(&[&second]));
    ensure_eq!(ids(env.filter().with_phase(runtime_core::PodPhase::Stopped)).await?, sorted(&[]));
    Ok(())
}

/// Some runtimes measure a pod as a whole only where they are told its cgroup.
fn with_cgroup(env: &Env, mut spec: PodSpec) -> PodSpec {
    spec.cgroup_parent = env.has(Capability::PodCgroupParent).then(|| "/wharf-conformance".to_owned());
    spec
}

async fn a_pods_network_is_measured(env: &Env) -> Verdict {
    let (pod, _) = env.run(&with_cgroup(env, env.pod_running(["pause"]))).await?;
    let before = pod.stats().await?;
    ensure!(before.cpu.is_some() && before.memory.is_some(), "{before:?}");
    let sent = |stats: &PodStats| stats.network.first().and_then(|first| first.sent);
    ensure!(sent(&before).is_some() && before.network[0].name != "lo", "{:?}", before.network);
    // Nobody listens there; the refusal is traffic as well.
    let address = *pod.status().await?.addresses.first().ok_or("no address")?;
    drop(tokio::net::TcpStream::connect((address, 9)).await);
    until("something was sent", || pod.stats().boxed(), |stats| sent(stats) > sent(&before)).await.map(drop)
}
