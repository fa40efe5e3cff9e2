//! Pods without containers: how they run and end, how they are found and measured.

use std::time::Duration;

use futures::future::{join_all, try_join_all};
use runtime_core::{ErrorKind, PodFilter, PodPhase, StopOptions};

use crate::conformance::{
    Env, Verdict,
    case::{cases, ensure, ensure_eq},
    env::kind_of,
};

cases! { Lifecycle;
    bare_runs_stops_and_goes: proves [PodRun, PodStop, PodRemove, PodStatus, PodList, PodWithoutContainers], needs [];
    bare_stopping_and_removing_twice_is_fine: proves [PodStop, PodRemove], needs [PodWithoutContainers, PodRun];
    bare_stopping_at_once_and_together: proves [PodStop], needs [PodWithoutContainers, PodRun, PodStatus];
    bare_removing_what_is_being_stopped: proves [], needs [PodWithoutContainers, PodRun, PodStop, PodRemove, PodStatus];
    bare_a_running_pod_is_removed: proves [PodRemove], needs [PodWithoutContainers, PodRun, PodStatus];
    bare_every_filter_fits: proves [PodList], needs [PodWithoutContainers, PodRun, PodStop];
    bare_a_stopped_pod_stays_stopped_for_another_client: proves [PodDurable], needs [PodWithoutContainers, PodRun, PodStop, PodStatus];
    bare_many_pods_at_once: proves [], needs [PodWithoutContainers, PodRun, PodRemove, PodList];
    bare_a_grace_period_longer_than_the_deadline_is_refused: proves [], needs [PodWithoutContainers, PodRun, PodStop, PodStatus];
    bare_a_status_is_whole: proves [PodStatus], needs [PodWithoutContainers, PodRun];
    bare_a_pod_is_measured: proves [PodStats], needs [PodWithoutContainers, PodRun, PodStop];
    bare_only_pods_that_fit_and_run_are_measured: proves [PodStats], needs [PodWithoutContainers, PodRun, PodStop];
}

async fn bare_runs_stops_and_goes(env: &Env) -> Verdict {
    let pod = env.bare().await?;
    ensure_eq!(pod.status().await?.summary.phase, PodPhase::Running);
    pod.stop(&StopOptions::after(Duration::from_secs(10))).await?;
    let ended = pod.status().await?;
    ensure_eq!(ended.summary.phase, PodPhase::Stopped);
    ensure_eq!(env.pods().await?.len(), 1);
    pod.remove().await?;
    kind_of(pod.status().await, ErrorKind::NotFound)?;
    env.ensure_nothing_left().await
}

async fn bare_stopping_and_removing_twice_is_fine(env: &Env) -> Verdict {
    let pod = env.bare().await?;
    pod.stop(&StopOptions::default()).await?;
    pod.stop(&StopOptions::now()).await?;
    pod.remove().await?;
    pod.remove().await?;
    pod.stop(&StopOptions::default()).await?;
    env.ensure_nothing_left().await
}

async fn bare_stopping_at_once_and_together(env: &Env) -> Verdict {
    let pod = env.bare().await?;
    let (now, later) = (StopOptions::now(), StopOptions::after(Duration::from_secs(20)));
    let stops = join_all([pod.stop(&later), pod.stop(&now), pod.stop(&later)]).await;
    ensure!(stops.iter().all(Result::is_ok), "{stops:?}");
    ensure_eq!(pod.status().await?.summary.phase, PodPhase::Stopped);
    Ok(())
}

async fn bare_removing_what_is_being_stopped(env: &Env) -> Verdict {
    let pod = env.bare().await?;
    let options = StopOptions::after(Duration::from_secs(20));
    let both = futures::future::join(pod.stop(&options), pod.remove()).await;
    both.0?;
    both.1?;
    kind_of(pod.status().await, ErrorKind::NotFound)?;
    env.ensure_nothing_left().await
}

async fn bare_a_running_pod_is_removed(env: &Env) -> Verdict {
    let pod = env.bare().await?;
    pod.remove().await?;
    kind_of(pod.status().await, ErrorKind::NotFound)?;
    env.ensure_nothing_left().await
}

async fn bare_every_filter_fits(env: &Env) -> Verdict {
    let running = env.client().run_pod(&env.pod().with_label("role", "a")).await?;
    let stopped = env.client().run_pod(&env.pod().with_label("role", "b")).await?;
    stopped.stop(&StopOptions::now()).await?;
    let name = stopped.status().await?.summary.name.clone();
    let by_id = env.filter().with_id(running.id().clone());
    let rows: [(PodFilter, &[&runtime_core::PodId]); 9] = [
        (by_id.clone(), &[running.id()]),
        (by_id.with_phase(PodPhase::Stopped), &[]),
        (env.filter().with_name(&name), &[stopped.id()]),
        (env.filter().with_name(&name[..name.len() - 1]), &[]),
        (env.filter().with_phase(PodPhase::Running), &[running.id()]),
        (env.filter().with_phase(PodPhase::Stopped), &[stopped.id()]),
        (env.filter().with_label("role", "b"), &[stopped.id()]),
        (env.filter().with_label("role", ""), &[]),
        (env.filter().with_namespace("elsewhere"), &[]),
    ];
    for (filter, expected) in rows {
        let found = env.client().list_pods(&filter).await?;
        let found: Vec<_> = found.iter().map(|pod| &pod.id).collect();
        ensure!(found == expected, "{filter:?}: {found:?}, not {expected:?}");
    }
    let unknown = env.filter().with_id("wharf-conformance-unknown".into());
    ensure!(env.client().list_pods(&unknown).await?.is_empty(), "an unknown id is listed");
    Ok(())
}

async fn bare_a_stopped_pod_stays_stopped_for_another_client(env: &Env) -> Verdict {
    let pod = env.bare().await?;
    pod.stop(&StopOptions::now()).await?;
    let other = env.reconnect().await?;
    ensure_eq!(other.pod(pod.id().clone()).status().await?, pod.status().await?);
    other.pod(pod.id().clone()).stop(&StopOptions::default()).await?;
    Ok(())
}

async fn bare_many_pods_at_once(env: &Env) -> Verdict {
    const COUNT: usize = 8;
    let specs: Vec<_> = (0..COUNT).map(|_| env.pod()).collect();
    let pods = try_join_all(specs.iter().map(|spec| env.client().run_pod(spec))).await?;
    ensure_eq!(env.client().list_pods(&env.filter().with_phase(PodPhase::Running)).await?.len(), COUNT);
    try_join_all(pods.iter().map(runtime_core::PodHandle::remove)).await?;
    env.ensure_nothing_left().await
}

async fn bare_a_grace_period_longer_than_the_deadline_is_refused(env: &Env) -> Verdict {
    let pod = env.bare().await?;
    let hasty = env.client().with_timeout(Duration::from_secs(2)).pod(pod.id().clone());
    let error =
        kind_of(hasty.stop(&StopOptions::after(Duration::from_secs(30))).await, ErrorKind::InvalidArgument)?;
    ensure_eq!(error.field(), Some("gracePeriod"));
    ensure_eq!(pod.status().await?.summary.phase, PodPhase::Running);
    Ok(())
}

async fn bare_a_status_is_whole(env: &Env) -> Verdict {
    let before = jiff::Timestamp::now();
    let mut spec = env.pod();
    spec.uid = Some("my-uid".to_owned());
    spec.attempt = 3;
    let pod = env.client().run_pod(&spec).await?;
    let status = pod.status().await?;
    ensure_eq!(&status.summary.id, pod.id());
    ensure_eq!(status.summary.uid.as_deref(), Some("my-uid"));
    ensure_eq!(status.summary.attempt, Some(3));
    let made = status.summary.created_at.ok_or("nobody knows when it was made")?;
    let slack = jiff::SignedDuration::from_secs(2);
    ensure!(
        made >= before - slack && made <= jiff::Timestamp::now() + slack,
        "made at {made}, and it was {before}"
    );
    ensure!(!status.system_state.is_empty() && status.containers.is_empty(), "{status:?}");
    let listed = env.client().list_pods(&env.filter()).await?;
    ensure_eq!(listed.first().map(|pod| (&pod.id, pod.phase)), Some((pod.id(), PodPhase::Running)));
    Ok(())
}

async fn bare_a_pod_is_measured(env: &Env) -> Verdict {
    let pod = env.bare().await?;
    let stats = pod.stats().await?;
    ensure_eq!(&stats.id, pod.id());
    pod.stop(&StopOptions::now()).await?;
    kind_of(pod.stats().await, ErrorKind::InvalidState)?;
    kind_of(env.client().pod("wharf-conformance-unknown").stats().await, ErrorKind::NotFound)?;
    Ok(())
}

async fn bare_only_pods_that_fit_and_run_are_measured(env: &Env) -> Verdict {
    let running = env.client().run_pod(&env.pod().with_label("role", "a")).await?;
    let other = env.client().run_pod(&env.pod().with_label("role", "b")).await?;
    let stopped = env.client().run_pod(&env.pod().with_label("role", "a")).await?;
    stopped.stop(&StopOptions::now()).await?;
    let measured = env.client().list_pod_stats(&env.filter().with_label("role", "a")).await?;
    ensure_eq!(measured.iter().map(|stats| &stats.id).collect::<Vec<_>>(), vec![running.id()]);
    let measured = env.client().list_pod_stats(&env.filter().with_id(other.id().clone())).await?;
    ensure_eq!(measured.len(), 1);
    Ok(())
}
