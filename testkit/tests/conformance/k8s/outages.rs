//! The server is away for longer than anybody is patient, and comes back.
//!
//! How long that is, is counted in tries and not in seconds: somebody listens in the server's place, hangs up on everybody, and
//! counts. Once the pause between two tries has grown to its longest, which it has here, a minute and a half is more of the
//! same.

use std::{net::SocketAddr, time::Duration};

use futures::TryStreamExt;
use serde_json::Value;
use testkit::{
    conformance::{Failure, Verdict, kind_of},
    ensure, ensure_eq,
    fake_k8s::store::Resource,
};
use tokio::{net::TcpListener, time::Instant};
use wharf::{ErrorKind, LogOptions, PodPhase, StopOptions, spec::Mount};

use crate::eventually::eventually;

use super::{
    own::{Own, on_its_own, promptly},
    starting::Starting,
};

on_its_own! { Faults;
    the_server_is_away_while_a_pod_starts,
    the_server_is_away_while_a_pod_ends,
    the_server_is_away_while_a_pod_is_stopped,
    what_is_known_of_pods_is_not_told_while_the_server_is_away,
}

/// The pauses between tries double from 0.1 s on: 2 s, which is the longest, comes after the sixth.
const TRIES: usize = 6;

/// The server goes away, until so many connections have been tried in vain; the time that took.
async fn away(own: &Own<'_>, tries: usize) -> Result<Duration, Failure> {
    let address: SocketAddr = own.fake.url().trim_start_matches("https://").parse()?;
    own.fake.stop().await;
    let nobody = TcpListener::bind(address).await?;
    let began = Instant::now();
    for _ in 0..tries {
        drop(promptly(nobody.accept()).await??);
    }
    Ok(began.elapsed())
}

async fn the_server_is_away_while_a_pod_starts(own: &Own<'_>) -> Verdict {
    let starting = Starting::begin(own, own.pod(["pause"])).await?;
    let paused = away(own, TRIES).await?;
    ensure!(paused > Duration::from_secs(1), "{TRIES} tries in {paused:?}");
    ensure!(starting.goes_on(), "it has ended: {:?}", starting.ends().await);
    // It starts while nobody is told of it.
    starting.release();
    eventually(|| {
        let pods = own.objects(Resource::Pods)?;
        ensure!(pods.iter().all(|pod| pod["status"]["phase"] == "Running"), "it does not start");
        Ok(())
    })
    .await?;
    own.fake.start_again()?;
    let pod = starting.ends().await??;
    ensure_eq!(pod.status().await?.summary.phase, PodPhase::Running);
    promptly(pod.remove()).await??;
    own.ensure_empty().await
}

async fn the_server_is_away_while_a_pod_ends(own: &Own<'_>) -> Verdict {
    let shared = own.env.directory().join("shared");
    std::fs::create_dir(&shared)?;
    let command =
        ["do", "lines", "40", ";;", "wait-file", "/shared/go", ";;", "lines", "40", ";;", "exit", "5"];
    let mut spec = own.pod(command);
    spec.containers[0].mounts = vec![Mount::host(&shared, "/shared")];
    let pod = promptly(own.client.run_pod(&spec)).await??;
    let container = pod.container("main").ok_or("there is no container")?;
    let mut following = container.logs(&LogOptions::follow()).await?;
    let mut seen = Vec::new();
    while seen.len() < 20 {
        seen.push(promptly(following.try_next()).await??.ok_or("the log ended at once")?);
    }
    let of_wait = container.clone();
    let asked = answered(own);
    let waiting = tokio::spawn(async move { of_wait.wait().await });
    eventually(|| {
        ensure!(answered(own) > asked, "nobody waits yet");
        Ok(())
    })
    .await?;
    let reading = tokio::spawn(following.try_collect::<Vec<_>>());
    // The watch, and who reads the log.
    away(own, 3 * TRIES).await?;
    std::fs::write(shared.join("go"), "")?;
    eventually(|| {
        let has_ended = |pod: &Value| pod["status"]["phase"] == "Failed";
        ensure!(own.objects(Resource::Pods)?.iter().all(|pod| has_ended(pod)), "it does not end");
        Ok(())
    })
    .await?;
    ensure!(!waiting.is_finished(), "an end is made up: {:?}", waiting.await);
    ensure!(!reading.is_finished(), "an end is made up: {:?}", reading.await);
    own.fake.start_again()?;
    ensure_eq!(promptly(waiting).await???.code(), Some(5));
    seen.extend(promptly(reading).await???);
    let written: Vec<_> = container.logs(&LogOptions::default()).await?.try_collect().await?;
    ensure!(seen == written && written.len() == 80, "{} lines, written {}", seen.len(), written.len());
    promptly(pod.remove()).await??;
    own.ensure_empty().await
}

/// How often the server has said how a pod is.
fn answered(own: &Own<'_>) -> usize {
    let all = own.fake.requests().all();
    all.iter().filter(|one| one.operation == "GET pods" && one.status == Some(200)).count()
}

async fn the_server_is_away_while_a_pod_is_stopped(own: &Own<'_>) -> Verdict {
    for removes in [false, true] {
        let pod = promptly(own.client.run_pod(&own.pod(["pause"]))).await??;
        let of_end = pod.clone();
        own.fake.stop().await;
        let ending = tokio::spawn(async move {
            if removes { of_end.remove().await } else { of_end.stop(&StopOptions::default()).await }
        });
        away(own, 3).await?;
        ensure!(!ending.is_finished(), "it has ended: {:?}", ending.await);
        own.fake.start_again()?;
        promptly(ending).await???;
        promptly(pod.remove()).await??;
        own.ensure_empty().await?;
    }
    Ok(())
}

async fn what_is_known_of_pods_is_not_told_while_the_server_is_away(own: &Own<'_>) -> Verdict {
    let pod = promptly(own.client.run_pod(&own.pod(["pause"]))).await??;
    ensure_eq!(own.client.list_pods(&own.env.filter()).await?.len(), 1);
    away(own, TRIES).await?;
    let error = kind_of(promptly(own.client.list_pods(&own.env.filter())).await?, ErrorKind::Unavailable)?;
    ensure!(error.is_transient(), "{error:?}");
    own.fake.start_again()?;
    let began = Instant::now();
    let listed = loop {
        match promptly(own.client.list_pods(&own.env.filter())).await? {
            Ok(listed) => break listed,
            Err(error) if error.kind() == ErrorKind::Unavailable && began.elapsed().as_secs() < 20 => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(Failure::from(error)),
        }
    };
    ensure_eq!(listed.len(), 1);
    promptly(pod.remove()).await??;
    own.ensure_empty().await
}
