//! Ids, names, existing and missing objects.

use futures::future::join_all;
use runtime_core::{Capability, ErrorKind, ExitCause, PodPhase, StopOptions};

use crate::conformance::{
    Env, Verdict,
    case::{cases, ensure, ensure_eq},
    ending::stop,
    env::{guest_exec, kind_of, lines},
};

cases! { Contract;
    the_same_name_exists_already: proves [PodRun, PodRemove], needs [];
    of_concurrent_runs_of_one_name_one_wins: proves [], needs [PodRun];
    an_id_names_one_life: proves [], needs [PodRun, PodStatus];
    a_missing_container: proves [ContainerStatus, ContainerStop, ContainerRemove], needs [ContainerStart, ContainerWait, ContainerLogs, ExecSync];
    stopping_and_removing_twice_is_fine: proves [PodStop, PodRemove], needs [PodRun];
    another_process_adopts_a_pod: proves [PodDurable], needs [PodRun, PodStop, PodList, ExecSync, ContainerLogs, ContainerLogsFollow, ContainerWait];
}

async fn the_same_name_exists_already(env: &Env) -> Verdict {
    let spec = env.pod_running(["pause"]);
    let (pod, _) = env.run(&spec).await?;
    let error = kind_of(env.client().run_pod(&spec).await, ErrorKind::AlreadyExists)?;
    ensure_eq!(error.existing_id(), Some(pod.id().as_str()));
    ensure_eq!(pod.status().await?.summary.phase, PodPhase::Running);
    pod.remove().await?;
    let (again, _) = env.run(&spec).await?;
    ensure!(again.id() != pod.id(), "the new pod has the old one's id {}", pod.id());
    Ok(())
}

async fn of_concurrent_runs_of_one_name_one_wins(env: &Env) -> Verdict {
    let spec = env.pod_running(["pause"]);
    let results = join_all((0..4).map(|_| env.client().run_pod(&spec))).await;
    let winners: Vec<_> = results.iter().flatten().map(|pod| pod.id().clone()).collect();
    ensure_eq!(winners.len(), 1);
    for error in results.iter().filter_map(|result| result.as_ref().err()) {
        ensure_eq!(error.kind(), ErrorKind::AlreadyExists);
    }
    let there: Vec<_> = env.pods().await?.into_iter().map(|pod| pod.id.clone()).collect();
    ensure_eq!(there, winners);
    Ok(())
}

async fn an_id_names_one_life(env: &Env) -> Verdict {
    let spec = env.pod_running(["pause"]);
    let (first, _) = env.run(&spec).await?;
    first.remove().await?;
    env.run(&spec).await?;
    kind_of(first.status().await, ErrorKind::NotFound)?;
    kind_of(env.client().adopt_pod(first.id().clone()).await, ErrorKind::NotFound)?;
    Ok(())
}

async fn a_missing_container(env: &Env) -> Verdict {
    let container = env.client().container("wharf-conformance-unknown");
    kind_of(container.status().await, ErrorKind::NotFound)?;
    kind_of(container.start().await, ErrorKind::NotFound)?;
    kind_of(container.wait().await, ErrorKind::NotFound)?;
    kind_of(lines(&container, &Default::default()).await, ErrorKind::NotFound)?;
    kind_of(guest_exec(&container, ["echo"]).await, ErrorKind::NotFound)?;
    container.stop(&StopOptions::default()).await?;
    container.remove().await?;
    Ok(())
}

async fn stopping_and_removing_twice_is_fine(env: &Env) -> Verdict {
    let (pod, container) = env.idle().await?;
    if env.has(Capability::ContainerStop) {
        container.stop(&StopOptions::now()).await?;
        container.stop(&StopOptions::now()).await?;
    }
    pod.stop(&StopOptions::now()).await?;
    pod.stop(&StopOptions::now()).await?;
    pod.remove().await?;
    pod.remove().await?;
    if env.has(Capability::ContainerRemove) {
        container.remove().await?;
    }
    env.ensure_nothing_left().await
}

async fn another_process_adopts_a_pod(env: &Env) -> Verdict {
    let (pod, container) =
        env.run_ready(&env.pod_running(["do", "echo", "before", ";;", "on-term", "bye", "3"])).await?;
    let other = env.reconnect().await?;
    let found = other.list_pods(&env.filter()).await?;
    ensure_eq!(found.iter().map(|pod| &pod.id).collect::<Vec<_>>(), vec![pod.id()]);
    let adopted = other.adopt_pod(pod.id().clone()).await?;
    let main = adopted.container("main").ok_or("the adopted pod has no container main")?;
    ensure_eq!(main.id(), container.id());
    ensure_eq!(guest_exec(&main, ["echo", "hello"]).await?.stdout_text(), "hello\n");
    if env.has(Capability::ContainerCreate) {
        let added = adopted.create_container(&env.container("added", ["exit", "4"])).await?;
        added.start().await?;
        ensure_eq!(added.wait().await?.cause, ExitCause::Exited(4));
    }
    stop(env, (&adopted, &main), &StopOptions::default()).await?;
    ensure_eq!(main.wait().await?.code(), Some(3));
    let text: Vec<_> = lines(&main, &Default::default()).await?.iter().map(|line| line.text()).collect();
    ensure_eq!(text, ["before", "ready", "bye"]);
    adopted.remove().await?;
    kind_of(pod.status().await, ErrorKind::NotFound)?;
    Ok(())
}
