//! Pods without containers whose calls nobody waits for any more.

use std::time::Duration;

use runtime_core::{Context, ErrorKind, PodPhase, StopOptions};

use super::cancellation::up_to;
use crate::conformance::{
    Env, Verdict,
    case::{cases, ensure},
    draw::Draw,
    env::kind_of,
};

cases! { Cancellation;
    bare_a_run_is_dropped_anywhere: proves [], needs [PodWithoutContainers, PodRun, PodList, PodRemove];
    bare_a_run_is_cancelled_anywhere: proves [], needs [PodWithoutContainers, PodRun, PodList, PodRemove];
    bare_a_run_has_too_little_time: proves [], needs [PodWithoutContainers, PodRun, PodList, PodRemove];
    bare_a_stop_is_dropped_anywhere: proves [], needs [PodWithoutContainers, PodRun, PodStop, PodStatus];
    bare_a_removal_is_dropped_anywhere: proves [], needs [PodWithoutContainers, PodRun, PodRemove, PodStatus];
}

/// More often than this a call is not polled before it ends.
const MAX_POLLS: usize = 16;
/// How many places a case tries.
const ROUNDS: usize = 6;
/// The range of times after which a call is cut.
const TIMES: std::ops::Range<f64> = 0.0002..0.05;

async fn bare_a_run_is_dropped_anywhere(env: &Env) -> Verdict {
    let mut draw = Draw::new(env.seed(), 1);
    for round in 0..ROUNDS {
        let polls = if round == 0 { 1 } else { 1 + draw.below(MAX_POLLS) };
        let spec = env.pod();
        if let Some(done) = up_to(polls, env.client().run_pod(&spec)).await {
            done?.remove().await?;
        }
        env.ensure_nothing_left().await.map_err(|failure| failure.at(&format!("{polls} polls")))?;
        // The name is free again.
        env.client().run_pod(&spec).await?.remove().await?;
    }
    Ok(())
}

async fn bare_a_run_is_cancelled_anywhere(env: &Env) -> Verdict {
    let mut draw = Draw::new(env.seed(), 2);
    for _ in 0..ROUNDS {
        let time = draw.time(TIMES);
        let cx = Context::background();
        let client = env.client().with_context(cx.clone());
        let spec = env.pod();
        let cancel = async {
            tokio::time::sleep(time).await;
            cx.cancellation().cancel();
        };
        match futures::future::join(client.run_pod(&spec), cancel).await.0 {
            Ok(pod) => env.client().pod(pod.id().clone()).remove().await?,
            Err(error) => ensure!(error.kind() == ErrorKind::Cancelled, "after {time:?}: {error:?}"),
        }
        env.ensure_nothing_left().await.map_err(|failure| failure.at(&format!("{time:?}")))?;
        env.client().run_pod(&spec).await?.remove().await?;
    }
    Ok(())
}

async fn bare_a_run_has_too_little_time(env: &Env) -> Verdict {
    let mut draw = Draw::new(env.seed(), 3);
    for _ in 0..ROUNDS {
        let time = draw.time(TIMES);
        let spec = env.pod();
        match env.client().with_timeout(time).run_pod(&spec).await {
            Ok(pod) => env.client().pod(pod.id().clone()).remove().await?,
            Err(error) => ensure!(error.kind() == ErrorKind::DeadlineExceeded, "in {time:?}: {error:?}"),
        }
        env.ensure_nothing_left().await.map_err(|failure| failure.at(&format!("{time:?}")))?;
    }
    Ok(())
}

async fn bare_a_stop_is_dropped_anywhere(env: &Env) -> Verdict {
    let mut draw = Draw::new(env.seed(), 4);
    for _ in 0..ROUNDS {
        let pod = env.bare().await?;
        let polls = 1 + draw.below(MAX_POLLS);
        if let Some(done) = up_to(polls, pod.stop(&StopOptions::after(Duration::from_secs(5)))).await {
            done?;
        }
        pod.stop(&StopOptions::after(Duration::from_secs(5))).await?;
        let phase = pod.status().await?.summary.phase;
        ensure!(phase == PodPhase::Stopped, "after {polls} polls it is {phase}");
        pod.remove().await?;
    }
    env.ensure_nothing_left().await
}

async fn bare_a_removal_is_dropped_anywhere(env: &Env) -> Verdict {
    let mut draw = Draw::new(env.seed(), 5);
    for _ in 0..ROUNDS {
        let pod = env.bare().await?;
        if let Some(done) = up_to(1 + draw.below(MAX_POLLS), pod.remove()).await {
            done?;
        }
        pod.remove().await?;
        kind_of(pod.status().await, ErrorKind::NotFound)?;
    }
    env.ensure_nothing_left().await
}
