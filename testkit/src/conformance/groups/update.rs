//! New resources for containers that have others.

use runtime_core::{
    ContainerHandle, ErrorKind, ExitCause, StopOptions,
    spec::{Bytes, CpuQuota, LinuxResources, Micros, MilliCpu, Resources, SwapLimit},
};

use crate::conformance::{
    Env, Failure, Verdict,
    case::{cases, ensure, ensure_eq},
    env::{guest_exec, kind_of},
};

cases! { Resources;
    a_new_memory_limit_is_in_force: proves [ContainerUpdate], needs [PodRun, ContainerMemoryLimit, ContainerRootfs, ContainerStatus, ExecSync];
    a_raised_memory_limit_lets_more_be_taken: proves [ContainerUpdate], needs [PodRun, ContainerMemoryLimit, ContainerWait, ContainerCreate, ContainerStart];
    new_processor_limits_are_in_force: proves [ContainerUpdate], needs [PodRun, ContainerCpu, ContainerCpuCgroup, ExecSync];
    what_is_not_said_stays: proves [ContainerUpdate], needs [PodRun, ContainerCpu, ContainerCpuCgroup, ContainerMemoryLimit, ContainerSwapLimit, ExecSync];
    an_impossible_value_changes_nothing: proves [ContainerUpdate], needs [PodRun, ContainerMemoryLimit, ContainerStatus];
    a_refused_update_leaves_processors_alone: proves [ContainerUpdate], needs [PodRun, ContainerCpu, ContainerCpuCgroup, ContainerMemoryLimit, ExecSync];
    what_cannot_be_updated_is_refused: proves [ContainerUpdate], needs [PodRun, ContainerOomScore];
    updates_of_what_does_not_run: proves [ContainerUpdate], needs [PodRun, ContainerMemoryLimit, ContainerStop, ContainerRemove, ContainerStatus];
}

fn memory(mib: u64) -> Resources {
    Resources::default().with_memory_limit(Bytes::mib(mib))
}

async fn idle_with(env: &Env, resources: Resources) -> Result<ContainerHandle, Failure> {
    let mut spec = env.pod_running(["pause"]);
    spec.containers[0].resources = resources;
    Ok(env.run(&spec).await?.1)
}

/// What the container sees of its cgroup.
async fn in_force(container: &ContainerHandle, key: &str) -> Result<String, Failure> {
    Ok(guest_exec(container, ["cgroup", key]).await?.stdout_text().trim().to_owned())
}

/// What the runtime says.
async fn told(container: &ContainerHandle) -> Result<LinuxResources, Failure> {
    Ok(container.status().await?.resources.ok_or("the status has no resources")?)
}

async fn a_new_memory_limit_is_in_force(env: &Env) -> Verdict {
    let container = idle_with(env, memory(64)).await?;
    for mib in [128, 48] {
        container.update(&memory(mib)).await?;
        ensure_eq!(in_force(&container, "memory.limit").await?, (mib << 20).to_string());
        ensure_eq!(told(&container).await?.memory_limit, Some(Bytes::mib(mib)));
    }
    Ok(())
}

async fn a_raised_memory_limit_lets_more_be_taken(env: &Env) -> Verdict {
    let (pod, _) = env.idle().await?;
    // Twice the same, the second with more room.
    for (name, raised) in [("first", None), ("second", Some(memory(200)))] {
        // containerd 1.6 begins to look for a lack of memory a moment after the start, and never learns of one before that.
        let mut spec = env.container(name, ["do", "sleep", "1", ";;", "alloc", "96"]);
        spec.resources = memory(64);
        let container = pod.create_container(&spec).await?;
        if let Some(raised) = &raised {
            container.update(raised).await?;
        }
        container.start().await?;
        match raised {
            None => ensure_eq!(container.wait().await?.cause, ExitCause::OomKilled),
            Some(_) => {
                let mut following = container.logs(&runtime_core::LogOptions::follow()).await?;
                let line =
                    futures::StreamExt::next(&mut following).await.ok_or("it ended without a word")??;
                ensure_eq!(line.text(), "allocated");
            }
        }
    }
    Ok(())
}

async fn new_processor_limits_are_in_force(env: &Env) -> Verdict {
    let first = Resources::default().with_cpu_request(MilliCpu(500)).with_cpu_limit(MilliCpu(1500));
    let container = idle_with(env, first).await?;
    container.update(&Resources::default().with_cpu_limit(MilliCpu(500))).await?;
    ensure_eq!(in_force(&container, "cpu.quota").await?, "50000");
    ensure_eq!(in_force(&container, "cpu.period").await?, "100000");
    let mut unlimited = Resources::default();
    unlimited.linux.cpu_quota = Some(CpuQuota::Unlimited);
    container.update(&unlimited).await?;
    ensure_eq!(in_force(&container, "cpu.quota").await?, "max");
    Ok(())
}

async fn what_is_not_said_stays(env: &Env) -> Verdict {
    let mut resources = memory(64);
    resources.linux.memory_swap_limit = Some(SwapLimit::Bytes(160 << 20));
    resources.linux.cpu_shares = Some(512);
    resources.linux.cpu_quota = Some(CpuQuota::Micros(50_000));
    resources.linux.cpu_period = Some(Micros(100_000));
    let container = idle_with(env, resources).await?;
    let (before, shares) = (told(&container).await?, in_force(&container, "cpu.shares").await?);

    container.update(&memory(96)).await?;
    let mut expected = before.clone();
    expected.memory_limit = Some(Bytes::mib(96));
    ensure_eq!(told(&container).await?, expected);
    ensure_eq!(in_force(&container, "cpu.shares").await?, shares);
    ensure_eq!(in_force(&container, "cpu.quota").await?, "50000");

    let mut processors = Resources::default();
    processors.linux.cpu_quota = Some(CpuQuota::Micros(20_000));
    container.update(&processors).await?;
    expected.cpu_quota = Some(CpuQuota::Micros(20_000));
    ensure_eq!(told(&container).await?, expected);
    ensure_eq!(in_force(&container, "memory.limit").await?, (96 << 20).to_string());

    container.update(&Resources::default()).await?;
    ensure_eq!(told(&container).await?, expected);
    Ok(())
}

async fn an_impossible_value_changes_nothing(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["alloc", "40"]);
    spec.containers[0].resources = memory(128);
    let (_, container) = env.run(&spec).await?;
    let mut following = container.logs(&runtime_core::LogOptions::follow()).await?;
    futures::StreamExt::next(&mut following).await.ok_or("it ended without a word")??;
    let before = told(&container).await?;
    let error = kind_of(container.update(&memory(16)).await, ErrorKind::Failed)?;
    ensure!(error.message().contains(&(16 << 20).to_string()), "no reason in {error}");
    ensure_eq!(told(&container).await?, before);
    ensure_eq!(container.status().await?.summary.phase, runtime_core::ContainerPhase::Running);
    Ok(())
}

async fn a_refused_update_leaves_processors_alone(env: &Env) -> Verdict {
    let mut resources = memory(64);
    resources.linux.cpu_shares = Some(512);
    let container = idle_with(env, resources).await?;
    let before = (in_force(&container, "cpu.shares").await?, in_force(&container, "memory.limit").await?);
    // Shares of 1 are too few, which runtimes find out after they have begun.
    let mut wrong = memory(96);
    wrong.linux.cpu_shares = Some(1);
    kind_of(container.update(&wrong).await, ErrorKind::Failed)?;
    let after = (in_force(&container, "cpu.shares").await?, in_force(&container, "memory.limit").await?);
    ensure_eq!(after, before);
    Ok(())
}

async fn what_cannot_be_updated_is_refused(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let mut resources = Resources::default();
    resources.linux.oom_score_adj = Some(900);
    let error = kind_of(container.update(&resources).await, ErrorKind::Unsupported)?;
    ensure!(error.message().contains("oomScoreAdj"), "the field is not named: {error}");
    Ok(())
}

async fn updates_of_what_does_not_run(env: &Env) -> Verdict {
    let container = idle_with(env, memory(64)).await?;
    container.stop(&StopOptions::now()).await?;
    // Nothing is enforced any more, so either answer is right; a limit that was taken is told.
    match container.update(&memory(96)).await {
        Ok(()) => ensure_eq!(told(&container).await?.memory_limit, Some(Bytes::mib(96))),
        Err(error) => ensure_eq!(error.kind(), ErrorKind::InvalidState),
    }
    container.remove().await?;
    kind_of(container.update(&memory(64)).await, ErrorKind::NotFound)?;
    kind_of(container.update(&Resources::default()).await, ErrorKind::NotFound)?;
    kind_of(
        env.client().container("wharf-conformance-unknown").update(&memory(64)).await,
        ErrorKind::NotFound,
    )?;
    Ok(())
}
