//! Pods from create to Running: which requests that takes, how many watches, and how much time over the server's own.

use std::time::Duration;

use futures::future::join_all;
use wharf::spec::{PodSpec, RegistryCredentials};

use super::cluster::Cluster;
use crate::{
    Result,
    measure::{in_turns, timed},
    table::{Goal, Row},
};

/// The most requests that one pod may take, beside the watch that all share.
const MAX_REQUESTS: usize = 3;

/// The most that a pod may take until it is running, against the server's own time.
const MAX_START: f64 = 1.15;

/// Lists the requests of a pod, and of one with credentials for its images.
pub(super) async fn count_requests(cluster: &Cluster) -> Result<String> {
    let credentials = RegistryCredentials::basic("registry.example", "somebody", "secret");
    let plain = cluster.spec("requests");
    let with_secret = plain.clone().with_pull_secret(credentials);
    let of_plain = requests(cluster, &plain).await?;
    let of_both = requests(cluster, &with_secret).await?;
    let told = |what: &str, requests: &[String]| {
        let verdict = if requests.len() <= MAX_REQUESTS { "met" } else { "NOT MET" };
        let (count, list) = (requests.len(), requests.join(", "));
        format!(
            "Requests of {what} from create to Running: {list}: {count}, of {MAX_REQUESTS} that are allowed: {verdict}."
        )
    };
    Ok(format!("{}\n{}", told("a pod", &of_plain), told("a pod with pull secrets", &of_both)))
}

async fn requests(cluster: &Cluster, spec: &PodSpec) -> Result<Vec<String>> {
    // What is asked once for all pods, the first one asks: what is allowed, and which pods there are.
    cluster.client.run_pod(spec).await?.remove().await?;
    let before = cluster.fake.requests().total();
    let pod = cluster.client.run_pod(spec).await?;
    let requests = cluster.fake.requests().all();
    pod.remove().await?;
    let own = requests[before..].iter().filter(|request| request.operation != "WATCH pods");
    Ok(own.map(|request| format!("`{} {}`", request.method, request.path)).collect())
}

/// Runs many pods at once, and counts failures and watches.
pub(super) async fn crowd(cluster: &Cluster, quick: bool) -> Result<String> {
    let count = if quick { 20 } else { 200 };
    let specs: Vec<_> = (0..count).map(|number| cluster.spec(&format!("crowd-{number}"))).collect();
    let all = join_all(specs.iter().map(|spec| cluster.client.run_pod(spec)));
    let (pods, time) = timed(async { Ok(all.await) }).await?;
    // All since the client connected: the one that it began with is the one that it has.
    let watches = cluster.fake.requests().count("WATCH pods");
    let (pods, failed): (Vec<_>, Vec<_>) = pods.into_iter().partition(Result::is_ok);
    let removals = pods.iter().flatten().map(wharf::PodHandle::remove);
    join_all(removals).await.into_iter().collect::<Result<(), _>>()?;
    let verdict = if watches == 1 && failed.is_empty() { "met" } else { "NOT MET" };
    let (millis, running, failed) = (time.as_millis(), pods.len(), failed.len());
    Ok(format!(
        "{count} pods at once: {running} run after {millis} ms, {failed} failed, watches: {watches}: {verdict}."
    ))
}

/// Prints a row for the time from create to Running.
pub(super) async fn start(cluster: &Cluster, quick: bool) -> Result<()> {
    let pairs = if quick { 3 } else { 30 };
    let (mut ours, mut raw) = (0, 0);
    let times = in_turns(
        pairs,
        async || {
            ours += 1;
            let spec = cluster.spec(&format!("start-{ours}"));
            let (pod, time) = timed(async { Ok(cluster.client.run_pod(&spec).await?) }).await?;
            pod.remove().await?;
            Ok(time)
        },
        async || -> Result<Duration> {
            raw += 1;
            let name = format!("raw-{raw}");
            let ((), time) = timed(cluster.raw.run(&name, &cluster.image)).await?;
            cluster.raw.delete(&name).await?;
            Ok(time)
        },
    );
    println!(
        "{}",
        Row::new("pod from create to Running, fake cluster", Goal::Ratio(MAX_START), &times.await?)
    );
    Ok(())
}
