//! Containers that the system starts again, and those that it waits for.

use runtime_core::{
    ContainerHandle, ContainerStatus, ErrorKind, LogLine, LogOptions, RunOptions, WaitFor,
    spec::RestartPolicy,
};

use super::super::{
    Env, Failure, Verdict,
    case::{cases, ensure, ensure_eq},
    env::{kind_of, lines, until},
};

cases! { Lifecycle;
    a_failed_container_is_started_again: proves [PodRestartPolicy], needs [PodRun, ContainerStatus];
    what_was_written_before_the_restart: proves [ContainerLogsPrevious], needs [ContainerLogs, PodRestartPolicy, PodRun, ContainerStatus];
    one_that_was_not_restarted_has_no_previous_log: proves [ContainerLogsPrevious], needs [ContainerLogs, PodRun];
    readiness_is_waited_for: proves [PodReadiness], needs [PodRun, ContainerStatus];
}

/// A container that fails at once, after a restart.
async fn restarted(env: &Env) -> Result<ContainerHandle, Failure> {
    let mut spec = env.pod_running(["do", "echo", "here", ";;", "exit", "3"]);
    spec.restart_policy = RestartPolicy::OnFailure;
    let (_, container) = env.run(&spec).await?;
    let again = |status: &ContainerStatus| status.restart_count > Some(0);
    until("the container is started again", || Box::pin(container.status()), again).await?;
    Ok(container)
}

async fn a_failed_container_is_started_again(env: &Env) -> Verdict {
    restarted(env).await.map(drop)
}

async fn what_was_written_before_the_restart(env: &Env) -> Verdict {
    let container = restarted(env).await?;
    let lines = lines(&container, &LogOptions::default().of_previous()).await?;
    ensure_eq!(lines.iter().map(LogLine::text).collect::<Vec<_>>(), ["here"]);
    Ok(())
}

async fn one_that_was_not_restarted_has_no_previous_log(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let read = lines(&container, &LogOptions::default().of_previous()).await;
    kind_of(read, ErrorKind::NotFound)?;
    Ok(())
}

async fn readiness_is_waited_for(env: &Env) -> Verdict {
    let spec = env.pod_running(["pause"]).with_container(env.container("beside", ["pause"]));
    let options = RunOptions::default().with_wait_for(WaitFor::Ready);
    let pod = env.client().run_pod_with(&spec, &options).await?;
    for name in ["main", "beside"] {
        let container = pod.container(name);
        ensure!(container.is_some(), "the pod has no container {name}");
        if let Some(container) = container {
            ensure_eq!(container.status().await?.ready, Some(true));
        }
    }
    Ok(())
}
