//! Pods without containers: what is told of them.

use runtime_core::{Event, PodPhase, StopOptions};

use super::events::Consumer;
use crate::conformance::{
    Env, Verdict,
    case::{cases, ensure, ensure_eq},
};

cases! { Events;
    bare_what_exists_comes_first: proves [PodEvents], needs [PodWithoutContainers, PodRun];
    bare_a_life_is_told_in_order: proves [PodEvents], needs [PodWithoutContainers, PodRun, PodStop, PodRemove];
    bare_pods_of_another_client_are_told: proves [PodEvents], needs [PodWithoutContainers, PodRun, PodRemove, PodDurable];
    bare_two_consumers_hear_the_same: proves [PodEvents], needs [PodWithoutContainers, PodRun, PodRemove];
    bare_the_end_of_the_context_ends_the_stream: proves [PodEvents], needs [PodWithoutContainers];
    bare_nothing_is_told_twice: proves [PodEvents], needs [PodWithoutContainers, PodRun, PodStop];
}

async fn bare_what_exists_comes_first(env: &Env) -> Verdict {
    let pod = env.bare().await?;
    let consumer = Consumer::synced(env.client()).await?;
    ensure_eq!(consumer.phase(pod.id()), Some(PodPhase::Running));
    Ok(())
}

async fn bare_a_life_is_told_in_order(env: &Env) -> Verdict {
    let mut consumer = Consumer::synced(env.client()).await?;
    let pod = env.bare().await?;
    consumer.until(|told| told.phase(pod.id()) == Some(PodPhase::Running)).await?;
    pod.stop(&StopOptions::now()).await?;
    consumer.until(|told| told.phase(pod.id()) == Some(PodPhase::Stopped)).await?;
    pod.remove().await?;
    let told = consumer.until(|told| told.phase(pod.id()).is_none()).await?;
    ensure!(told.contains(&Event::PodDeleted(pod.id().clone())), "{told:?}");
    Ok(())
}

async fn bare_pods_of_another_client_are_told(env: &Env) -> Verdict {
    let mut consumer = Consumer::synced(env.client()).await?;
    let other = env.reconnect().await?;
    let pod = other.run_pod(&env.pod()).await?;
    consumer.until(|told| told.phase(pod.id()) == Some(PodPhase::Running)).await?;
    pod.remove().await?;
    consumer.until(|told| told.phase(pod.id()).is_none()).await?;
    Ok(())
}

async fn bare_two_consumers_hear_the_same(env: &Env) -> Verdict {
    let mut consumers =
        [Consumer::synced(env.client()).await?, Consumer::synced(&env.reconnect().await?).await?];
    let pod = env.bare().await?;
    for consumer in &mut consumers {
        consumer.until(|told| told.phase(pod.id()) == Some(PodPhase::Running)).await?;
    }
    pod.remove().await?;
    for consumer in &mut consumers {
        consumer.until(|told| told.phase(pod.id()).is_none()).await?;
    }
    Ok(())
}

async fn bare_the_end_of_the_context_ends_the_stream(env: &Env) -> Verdict {
    use futures::StreamExt;
    let cx = runtime_core::Context::background();
    let mut stream = env.client().with_context(cx.clone()).events().await?;
    stream.next().await.ok_or("it ended at once")??;
    cx.cancellation().cancel();
    let rest = async { while stream.next().await.is_some() {} };
    ensure!(
        tokio::time::timeout(std::time::Duration::from_secs(10), rest).await.is_ok(),
        "it goes on after the end of its context"
    );
    Ok(())
}

async fn bare_nothing_is_told_twice(env: &Env) -> Verdict {
    let mut consumer = Consumer::synced(env.client()).await?;
    let pod = env.bare().await?;
    pod.stop(&StopOptions::now()).await?;
    let told = consumer.until(|told| told.phase(pod.id()) == Some(PodPhase::Stopped)).await?;
    let mine: Vec<_> = told
        .iter()
        .filter_map(|event| match event {
            Event::PodApplied(applied) if applied.id == *pod.id() => Some(applied),
            _ => None,
        })
        .collect();
    ensure!(mine.windows(2).all(|pair| pair[0] != pair[1]), "the same twice: {mine:?}");
    Ok(())
}
