//! What its runtime can't stop: because it is dead, or because what it reaches the container through hangs.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use runtime_core::{ContainerHandle, ContainerId, ContainerPhase, PodPhase, StopOptions};
use rustix::process::{Pid, Signal, kill_process};

use crate::conformance::{
    Env, Failure, Verdict,
    case::{cases, ensure, ensure_eq},
    env::guest_exec,
};

cases! { Lifecycle, alone;
    a_container_is_killed_without_its_runtime: proves [ContainerForceKill], needs [PodRun, PodStatus, ContainerStatus, ExecSync, ContainerLogsFollow];
    a_pod_that_hangs_is_killed: proves [PodForceKill], needs [PodRun, ContainerStatus, ExecSync, ContainerLogsFollow];
}

async fn a_container_is_killed_without_its_runtime(env: &Env) -> Verdict {
    let runtime = env.runtime()?;
    let spec = env.pod_running(["ignore-term"]).with_container(env.container("other", ["pause"]));
    let (pod, container) = env.run_ready(&spec).await?;
    let other = pod.container("other").ok_or("no container other")?;
    runtime.kill().await?;
    let hurried = env.client().with_timeout(Duration::from_secs(2));
    let not_forced = hurried.container(container.id().clone()).stop(&StopOptions::now()).await;
    let began = Instant::now();
    let forced = container.stop(&StopOptions::now().with_force_kill()).await;
    let took = began.elapsed();
    let killed = processes(container.id()).is_empty();
    runtime.start().await?;
    ensure!(not_forced.is_err(), "nobody could stop it");
    forced?;
    ensure!(killed, "it still ran");
    ensure!(took < Duration::from_secs(30), "it took {took:?}");
    ensure_ended(&container, 137).await?;
    // What serves both containers lives on.
    ensure_eq!(pod.status().await?.summary.phase, PodPhase::Running);
    ensure_eq!(other.status().await?.summary.phase, ContainerPhase::Running);
    ensure_eq!(guest_exec(&other, ["echo", "here"]).await?.stdout_text(), "here\n");
    other.stop(&StopOptions::default()).await?;
    ensure_ended(&other, 0).await
}

async fn a_pod_that_hangs_is_killed(env: &Env) -> Verdict {
    let spec = env.pod_running(["ignore-term"]).with_container(env.container("other", ["pause"]));
    let (pod, container) = env.run_ready(&spec).await?;
    let other = pod.container("other").ok_or("no container other")?;
    let (_, neighbour) = env.idle().await?;
    let frozen = Frozen::parent_of(container.id())?;
    let began = Instant::now();
    let forced = pod.stop(&StopOptions::after(Duration::from_secs(1)).with_force_kill()).await;
    let took = began.elapsed();
    let left = processes(container.id()).len() + processes(other.id()).len();
    drop(frozen);
    forced?;
    ensure_eq!(left, 0);
    ensure!(took < Duration::from_secs(40), "it took {took:?}");
    ensure_ended(&container, 137).await?;
    ensure_eq!(neighbour.status().await?.summary.phase, ContainerPhase::Running);
    ensure_eq!(guest_exec(&neighbour, ["echo", "here"]).await?.stdout_text(), "here\n");
    Ok(())
}

/// Waits until the runtime has noticed an end, which it may take a moment for after its own.
async fn ensure_ended(container: &ContainerHandle, code: i32) -> Verdict {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut pause = Duration::from_millis(1);
    loop {
        let status = container.status().await;
        if let Ok(status) = &status
            && status.summary.phase == ContainerPhase::Exited
        {
            ensure_eq!(status.exit.as_ref().and_then(runtime_core::ExitStatus::code), Some(code));
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the runtime does not notice the end: {status:?}");
        tokio::time::sleep(pause).await;
        pause = Duration::from_millis(200).min(pause * 2);
    }
}

/// The process between a container and its runtime, which does nothing as long as this is there.
struct Frozen(Pid);

impl Frozen {
    fn parent_of(id: &ContainerId) -> Result<Self, Failure> {
        let parent = processes(id).first().and_then(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
        });
        let parent = parent.and_then(Pid::from_raw).filter(|parent| parent.as_raw_nonzero().get() > 1);
        match parent {
            Some(parent) if parent != rustix::process::getpid() => {
                kill_process(parent, Signal::STOP)?;
                Ok(Self(parent))
            }
            _ => Err(Failure::Skipped("nothing is seen between the runtime and its containers".to_owned())),
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // It is gone: as good.
        let _ = kill_process(self.0, Signal::CONT);
    }
}

/// The processes of a container that run, by their cgroups.
fn processes(id: &ContainerId) -> Vec<i32> {
    let of_container = |pid: &i32| {
        let read = |file: &str| fs::read_to_string(Path::new("/proc").join(pid.to_string()).join(file));
        let is_its = read("cgroup").is_ok_and(|cgroups| cgroups.contains(id.as_str()));
        is_its && !read("status").is_ok_and(|status| status.contains("State:\tZ"))
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(of_container).collect()
}
