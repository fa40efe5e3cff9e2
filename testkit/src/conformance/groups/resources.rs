//! Memory and processors.

use runtime_core::{
    ExitCause,
    spec::{Bytes, CpuQuota, HugepageLimit, Micros, MilliCpu, PodSpec, Resources, SwapLimit},
};

use crate::conformance::{
    Env, Verdict,
    case::{cases, ensure, ensure_eq},
    ending::stop,
    env::guest_exec,
};

cases! { Resources;
    a_container_over_its_memory_limit_is_killed: proves [ContainerMemoryLimit], needs [PodRun, ContainerWait, ContainerStatus];
    a_container_below_its_memory_limit_lives: proves [], needs [ContainerMemoryLimit, PodRun, PodStop, ContainerLogs, ContainerLogsFollow];
    the_memory_limit_arrives: proves [], needs [ContainerMemoryLimit, PodRun, ExecSync, ContainerSwapLimit];
    requests_and_limits_of_processors_arrive: proves [ContainerCpu], needs [PodRun, ExecSync];
    the_kernels_terms_arrive_exactly: proves [ContainerCpuCgroup], needs [PodRun, ExecSync];
    processors_are_chosen: proves [ContainerCpuset], needs [PodRun, ExecSync];
    the_swap_limit_arrives: proves [ContainerSwapLimit], needs [PodRun, ExecSync, ContainerMemoryLimit];
    the_oom_score_arrives: proves [ContainerOomScore], needs [PodRun, ExecSync];
    huge_pages_are_limited: proves [ContainerHugepages], needs [PodRun, ExecSync];
    any_file_of_cgroup_v2: proves [ContainerCgroupUnified], needs [PodRun, ExecSync];
    resources_are_per_container: proves [], needs [ContainerMemoryLimit, PodRun, ContainerStatus, ContainerWait];
    what_a_pod_may_have_holds_for_its_containers: proves [PodResources], needs [PodRun, ContainerWait, ContainerStatus];
    a_parent_cgroup_is_used: proves [PodCgroupParent], needs [PodRun, ExecSync];
}

fn with(env: &Env, command: &[&str], resources: Resources) -> PodSpec {
    let mut spec = env.pod_running(command.iter().copied());
    spec.containers[0].resources = resources;
    spec
}

async fn a_container_over_its_memory_limit_is_killed(env: &Env) -> Verdict {
    let limit = Resources::default().with_memory_limit(Bytes::mib(64));
    let (_, container) = env.run(&with(env, &["alloc", "256"], limit)).await?;
    let exit = container.wait().await?;
    ensure_eq!(exit.cause, ExitCause::OomKilled);
    ensure_eq!(container.status().await?.exit.map(|exit| exit.cause), Some(ExitCause::OomKilled));
    Ok(())
}

async fn a_container_below_its_memory_limit_lives(env: &Env) -> Verdict {
    let limit = Resources::default().with_memory_limit(Bytes::mib(128));
    let (pod, container) = env.run(&with(env, &["alloc", "32"], limit)).await?;
    let mut following = container.logs(&runtime_core::LogOptions::follow()).await?;
    let line = futures::StreamExt::next(&mut following).await.ok_or("it ended without a word")??;
    ensure_eq!(line.text(), "allocated");
    stop(env, (&pod, &container), &Default::default()).await
}

async fn the_memory_limit_arrives(env: &Env) -> Verdict {
    let limit = Resources::default().with_memory_limit(Bytes::mib(96));
    let (_, container) = env.run(&with(env, &["pause"], limit)).await?;
    let told = guest_exec(&container, ["cgroup", "memory.limit"]).await?.stdout_text();
    ensure_eq!(told.trim(), (96 << 20).to_string());
    Ok(())
}

async fn requests_and_limits_of_processors_arrive(env: &Env) -> Verdict {
    let resources = Resources::default().with_cpu_request(MilliCpu(500)).with_cpu_limit(MilliCpu(1500));
    let (_, container) = env.run(&with(env, &["pause"], resources)).await?;
    // On cgroup v2 the weight can't tell all shares apart.
    let shares: i64 = guest_exec(&container, ["cgroup", "cpu.shares"]).await?.stdout_text().trim().parse()?;
    ensure!((shares - 512).abs() <= 32, "shares are {shares}, not about 512");
    let quota: f64 = guest_exec(&container, ["cgroup", "cpu.quota"]).await?.stdout_text().trim().parse()?;
    let period: f64 = guest_exec(&container, ["cgroup", "cpu.period"]).await?.stdout_text().trim().parse()?;
    let processors = quota / period;
    ensure!((1.49..1.51).contains(&processors), "quota {quota} in a period of {period}");
    Ok(())
}

async fn the_kernels_terms_arrive_exactly(env: &Env) -> Verdict {
    let mut resources = Resources::default();
    resources.linux.cpu_period = Some(Micros(50_000));
    resources.linux.cpu_quota = Some(CpuQuota::Micros(20_000));
    let (_, container) = env.run(&with(env, &["pause"], resources)).await?;
    ensure_eq!(guest_exec(&container, ["cgroup", "cpu.period"]).await?.stdout_text().trim(), "50000");
    ensure_eq!(guest_exec(&container, ["cgroup", "cpu.quota"]).await?.stdout_text().trim(), "20000");
    Ok(())
}

async fn processors_are_chosen(env: &Env) -> Verdict {
    let mut resources = Resources::default();
    resources.linux.cpuset_cpus = Some("0".to_owned());
    let (_, container) = env.run(&with(env, &["pause"], resources)).await?;
    ensure_eq!(guest_exec(&container, ["cgroup", "cpuset.cpus"]).await?.stdout_text().trim(), "0");
    Ok(())
}

async fn the_swap_limit_arrives(env: &Env) -> Verdict {
    let mut resources = Resources::default().with_memory_limit(Bytes::mib(64));
    resources.linux.memory_swap_limit = Some(SwapLimit::Bytes(96 << 20));
    let (_, container) = env.run(&with(env, &["pause"], resources)).await?;
    let v1 = guest_exec(&container, ["cat", "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes"]).await?;
    if v1.exit.success() {
        ensure_eq!(v1.stdout_text().trim(), (96 << 20).to_string());
        return Ok(());
    }
    // cgroup v2 counts swap alone.
    let v2 = guest_exec(&container, ["cat", "/sys/fs/cgroup/memory.swap.max"]).await?;
    ensure_eq!(v2.stdout_text().trim(), (32 << 20).to_string());
    Ok(())
}

async fn the_oom_score_arrives(env: &Env) -> Verdict {
    let mut resources = Resources::default();
    resources.linux.oom_score_adj = Some(900);
    let (_, container) = env.run(&with(env, &["pause"], resources)).await?;
    let told = guest_exec(&container, ["cat", "/proc/1/oom_score_adj"]).await?.stdout_text();
    ensure_eq!(told.trim(), "900");
    Ok(())
}

async fn huge_pages_are_limited(env: &Env) -> Verdict {
    let mut resources = Resources::default();
    resources.linux.hugepage_limits =
        vec![HugepageLimit { page_size: "2MB".to_owned(), limit: Bytes::mib(4) }];
    let (_, container) = env.run(&with(env, &["pause"], resources)).await?;
    let v1 = guest_exec(&container, ["cat", "/sys/fs/cgroup/hugetlb/hugetlb.2MB.limit_in_bytes"]).await?;
    let v2 = guest_exec(&container, ["cat", "/sys/fs/cgroup/hugetlb.2MB.max"]).await?;
    let told = if v1.exit.success() { v1 } else { v2 };
    ensure_eq!(told.stdout_text().trim(), (4 << 20).to_string());
    Ok(())
}

async fn any_file_of_cgroup_v2(env: &Env) -> Verdict {
    let mut resources = Resources::default();
    resources.linux.unified.insert("memory.high".to_owned(), (64 << 20).to_string());
    let (_, container) = env.run(&with(env, &["pause"], resources)).await?;
    let told = guest_exec(&container, ["cat", "/sys/fs/cgroup/memory.high"]).await?.stdout_text();
    ensure_eq!(told.trim(), (64 << 20).to_string());
    Ok(())
}

async fn resources_are_per_container(env: &Env) -> Verdict {
    let mut spec = with(env, &["alloc", "256"], Resources::default().with_memory_limit(Bytes::mib(64)));
    spec.containers.push(env.container("free", ["pause"]));
    let (pod, greedy) = env.run(&spec).await?;
    ensure_eq!(greedy.wait().await?.cause, ExitCause::OomKilled);
    let free = pod.container("free").ok_or("no container free")?;
    ensure_eq!(free.status().await?.summary.phase, runtime_core::ContainerPhase::Running);
    Ok(())
}

async fn what_a_pod_may_have_holds_for_its_containers(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["alloc", "256"]).with_container(env.container("modest", ["pause"]));
    spec.resources = Some(Resources::default().with_memory_limit(Bytes::mib(64)));
    // Its own share of what all have together.
    spec.containers[1].resources = Resources::default().with_memory_limit(Bytes::mib(16));
    let (pod, greedy) = env.run(&spec).await?;
    ensure_eq!(greedy.wait().await?.cause, ExitCause::OomKilled);
    let modest = pod.container("modest").ok_or("no container modest")?;
    ensure_eq!(modest.status().await?.summary.phase, runtime_core::ContainerPhase::Running);
    Ok(())
}

async fn a_parent_cgroup_is_used(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["pause"]);
    let parent = format!("/{}", env.unique("parent"));
    spec.cgroup_parent = Some(parent.clone());
    let (_, container) = env.run(&spec).await?;
    // From the host, since a container may see its own cgroup as the root.
    let id = container.id().as_str();
    let mut found = false;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let cgroups = std::fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
        found |= cgroups.lines().any(|line| line.contains(&parent) && line.contains(id));
    }
    ensure!(found, "no process of {id} is below {parent}");
    Ok(())
}
