//! Names that are taken: refused, taken over, replaced.

use std::time::{Duration, Instant};

use futures::future::join;
use runtime_core::{
    ContainerPhase, CreateOptions, ErrorKind, ExistingPolicy, PodHandle, Result, RunOptions, StopOptions,
    WaitFor, spec::PodSpec,
};

use crate::conformance::{
    Env, Verdict,
    case::{cases, ensure, ensure_eq},
    env::kind_of,
};

cases! { Contract;
    a_pod_of_the_same_spec_is_taken_over: proves [PodExisting], needs [PodRun, ContainerStatus];
    a_pod_of_another_process_is_taken_over: proves [PodExisting], needs [PodRun, PodDurable];
    what_was_left_half_made_is_finished: proves [PodExisting], needs [PodRun, ContainerStart, ContainerRemove, ContainerStatus];
    nothing_to_take_over_is_a_plain_run: proves [PodExisting], needs [PodRun, ContainerStatus];
    a_pod_of_another_spec_is_not_taken_over: proves [PodExisting], needs [PodRun, ContainerStatus];
    a_pod_that_has_ended_is_not_taken_over: proves [PodExisting], needs [PodRun, PodStop, ContainerWait];
    a_take_over_that_fails_undoes_only_its_own: proves [PodExisting], needs [PodRun, ContainerRemove, ContainerStatus, ContainerList];
    two_take_overs_at_once_share_the_pod: proves [PodExisting], needs [PodRun, PodList, ContainerList];
    a_running_pod_is_replaced: proves [PodExisting], needs [PodRun, PodStatus, PodList];
    a_pod_that_has_ended_is_replaced: proves [PodExisting], needs [PodRun, PodStop, PodStatus, PodList];
    of_two_replacements_at_once_one_stays: proves [PodExisting], needs [PodRun, PodList, ContainerList];
    a_container_is_taken_over_or_replaced: proves [ContainerExisting], needs [PodRun, ContainerCreate, ContainerStart, ContainerStatus];
    a_name_is_free_again_after_a_run_that_failed: proves [], needs [PodRun];
    a_pod_that_can_not_work_is_not_waited_for: proves [], needs [PodRun, PodSysctls];
}

fn options(policy: ExistingPolicy) -> RunOptions {
    RunOptions::default().with_existing(policy)
}

async fn run(env: &Env, spec: &PodSpec, policy: ExistingPolicy) -> Result<PodHandle> {
    env.client().run_pod_with(spec, &options(policy)).await
}

/// A pod with two containers that idle.
fn two(env: &Env) -> PodSpec {
    env.pod_running(["pause"]).with_container(env.container("second", ["pause"]))
}

async fn ensure_running(pod: &PodHandle, names: &[&str]) -> Verdict {
    for name in names {
        let container = pod.container(name).ok_or_else(|| format!("no container {name} in the answer"))?;
        ensure_eq!(container.status().await?.summary.phase, ContainerPhase::Running);
    }
    Ok(())
}

async fn a_pod_of_the_same_spec_is_taken_over(env: &Env) -> Verdict {
    let spec = two(env);
    let first = env.client().run_pod(&spec).await?;
    let pods = env.driver().pods().ok_or("no pods")?;
    let cx = runtime_core::Context::background();
    let again = pods.run(&cx, &spec, &options(ExistingPolicy::Adopt)).await?;
    ensure_eq!(again.id, *first.id());
    ensure!(again.adopted && again.containers.iter().all(|container| container.adopted), "{again:?}");
    for name in ["main", "second"] {
        ensure_eq!(again.container(name), first.container(name).as_ref().map(|container| container.id()));
    }
    ensure_running(&first, &["main", "second"]).await
}

async fn a_pod_of_another_process_is_taken_over(env: &Env) -> Verdict {
    let spec = two(env);
    let first = env.client().run_pod(&spec).await?;
    let other = env.reconnect().await?;
    let again = other.run_pod_with(&spec, &options(ExistingPolicy::Adopt)).await?;
    ensure_eq!(again.id(), first.id());
    Ok(())
}

async fn what_was_left_half_made_is_finished(env: &Env) -> Verdict {
    let spec = two(env).with_container(env.container("third", ["pause"]));
    let created = RunOptions::default().with_wait_for(WaitFor::Created);
    let half = env.client().run_pod_with(&spec, &created).await?;
    half.container("main").ok_or("no container main")?.start().await?;
    half.container("third").ok_or("no container third")?.remove().await?;
    let whole = run(env, &spec, ExistingPolicy::Adopt).await?;
    ensure_eq!(whole.id(), half.id());
    ensure_eq!(whole.list_containers().await?.len(), 3);
    ensure_running(&whole, &["main", "second", "third"]).await
}

async fn nothing_to_take_over_is_a_plain_run(env: &Env) -> Verdict {
    let pod = run(env, &two(env), ExistingPolicy::Adopt).await?;
    ensure_running(&pod, &["main", "second"]).await
}

async fn a_pod_of_another_spec_is_not_taken_over(env: &Env) -> Verdict {
    let spec = two(env);
    let first = env.client().run_pod(&spec).await?;
    let mut others = [spec.clone().with_label("other", "yes"), spec.clone(), spec.clone()];
    others[1].containers[0].args.push("other".to_owned());
    others[2].containers.pop();
    for other in others {
        let error = kind_of(run(env, &other, ExistingPolicy::Adopt).await, ErrorKind::AlreadyExists)?;
        ensure_eq!(error.existing_id(), Some(first.id().as_str()));
    }
    ensure_running(&first, &["main", "second"]).await
}

async fn a_pod_that_has_ended_is_not_taken_over(env: &Env) -> Verdict {
    let spec = env.pod_running(["pause"]).with_container(env.container("second", ["exit", "0"]));
    let first = env.client().run_pod(&spec).await?;
    first.container("second").ok_or("no container second")?.wait().await?;
    let error = kind_of(run(env, &spec, ExistingPolicy::Adopt).await, ErrorKind::AlreadyExists)?;
    ensure_eq!(error.existing_id(), Some(first.id().as_str()));
    first.stop(&StopOptions::default()).await?;
    kind_of(run(env, &spec, ExistingPolicy::Adopt).await, ErrorKind::AlreadyExists)?;
    Ok(())
}

async fn a_take_over_that_fails_undoes_only_its_own(env: &Env) -> Verdict {
    let spec = two(env).with_container(env.container("bad", ["x"]).with_command(["/no/such/command"]));
    let created = RunOptions::default().with_wait_for(WaitFor::Created);
    let half = env.client().run_pod_with(&spec, &created).await?;
    let kept = half.container("main").ok_or("no container main")?;
    kept.start().await?;
    for name in ["second", "bad"] {
        half.container(name).ok_or("a container is missing")?.remove().await?;
    }
    let error = kind_of(run(env, &spec, ExistingPolicy::Adopt).await, ErrorKind::Failed)?;
    ensure!(error.leftovers().is_empty(), "{error}");
    let left: Vec<_> = half.list_containers().await?.into_iter().map(|container| container.id).collect();
    ensure_eq!(left, [kept.id().clone()]);
    ensure_eq!(kept.status().await?.summary.phase, ContainerPhase::Running);
    Ok(())
}

async fn two_take_overs_at_once_share_the_pod(env: &Env) -> Verdict {
    let spec = two(env);
    let both = join(run(env, &spec, ExistingPolicy::Adopt), run(env, &spec, ExistingPolicy::Adopt)).await;
    let (first, second) = (both.0?, both.1?);
    ensure_eq!(first.id(), second.id());
    ensure_eq!(env.pods().await?.len(), 1);
    ensure_eq!(first.list_containers().await?.len(), 2);
    ensure_running(&second, &["main", "second"]).await
}

async fn a_running_pod_is_replaced(env: &Env) -> Verdict {
    let spec = two(env);
    let first = env.client().run_pod(&spec).await?;
    let second = run(env, &spec.clone().with_label("other", "yes"), ExistingPolicy::Replace).await?;
    ensure!(first.id() != second.id(), "it is still the first one");
    kind_of(first.status().await, ErrorKind::NotFound)?;
    ensure_eq!(env.pods().await?.len(), 1);
    ensure_running(&second, &["main", "second"]).await
}

async fn a_pod_that_has_ended_is_replaced(env: &Env) -> Verdict {
    let spec = two(env);
    let first = env.client().run_pod(&spec).await?;
    first.stop(&StopOptions::now()).await?;
    let second = run(env, &spec, ExistingPolicy::Replace).await?;
    kind_of(first.status().await, ErrorKind::NotFound)?;
    ensure_eq!(env.pods().await?.len(), 1);
    ensure_running(&second, &["main", "second"]).await
}

async fn of_two_replacements_at_once_one_stays(env: &Env) -> Verdict {
    let spec = two(env);
    env.client().run_pod(&spec).await?;
    let both = join(run(env, &spec, ExistingPolicy::Replace), run(env, &spec, ExistingPolicy::Replace)).await;
    let both = [both.0, both.1];
    let left = env.pods().await?;
    ensure!(left.len() == 1, "{} pods are left of {both:?}", left.len());
    let stayed = both.iter().flatten().find(|pod| *pod.id() == left[0].id);
    let stayed = stayed.ok_or_else(|| format!("nobody was told of the pod that is left: {both:?}"))?;
    ensure_running(stayed, &["main", "second"]).await
}

async fn a_container_is_taken_over_or_replaced(env: &Env) -> Verdict {
    let (pod, _) = env.idle().await?;
    let adopt = CreateOptions::default().with_existing(ExistingPolicy::Adopt);
    let replace = CreateOptions::default().with_existing(ExistingPolicy::Replace);
    let (spec, other) = (env.container("more", ["pause"]), env.container("more", ["sleep", "1000"]));
    let first = pod.create_container_with(&spec, &adopt).await?;
    first.start().await?;
    ensure_eq!(pod.create_container_with(&spec, &adopt).await?.id(), first.id());
    let error = kind_of(pod.create_container_with(&other, &adopt).await, ErrorKind::AlreadyExists)?;
    ensure_eq!(error.existing_id(), Some(first.id().as_str()));
    let second = pod.create_container_with(&other, &replace).await?;
    kind_of(first.status().await, ErrorKind::NotFound)?;
    ensure_eq!(second.status().await?.summary.phase, ContainerPhase::Created);
    second.start().await?;
    second.stop(&StopOptions::now()).await?;
    kind_of(pod.create_container_with(&other, &adopt).await, ErrorKind::AlreadyExists)?;
    ensure_eq!(pod.list_containers().await?.len(), 2);
    Ok(())
}

async fn a_name_is_free_again_after_a_run_that_failed(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["pause"]);
    let good = spec.clone();
    spec.containers[0] = spec.containers[0].clone().with_command(["/no/such/command"]);
    for _ in 0..2 {
        kind_of(env.client().run_pod(&spec).await, ErrorKind::Failed)?;
    }
    env.client().run_pod(&good).await?;
    Ok(())
}

/// A system that says no without a reason might do so because of the name, which is worth waiting for.
async fn a_pod_that_can_not_work_is_not_waited_for(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["pause"]);
    spec.sysctls.insert("net.ipv4.wharf_has_no_such".to_owned(), "1".to_owned());
    let began = Instant::now();
    let error = env.client().run_pod(&spec).await.err().ok_or("a pod was run that can't work")?;
    // Nodes of a cluster may forbid what they don't know.
    let kinds = [ErrorKind::Failed, ErrorKind::PermissionDenied];
    ensure!(kinds.contains(&error.kind()) && !error.is_transient(), "{error:?}");
    ensure!(began.elapsed() < Duration::from_secs(8), "it took {:?}", began.elapsed());
    env.ensure_nothing_left().await
}
