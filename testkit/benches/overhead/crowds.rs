//! Many pods at once.

use std::{path::Path, time::Duration};

use futures::future::join_all;
use wharf::spec::PodSpec;

use crate::{
    Result,
    measure::{in_turns, timed},
    raw::RawPod,
    table::{Goal, Row},
    target::Target,
};

/// The most that many pods at once may take, against as many raw ones at once.
const MAX_CROWD: f64 = 1.05;

/// Prints a row for many pods that are run at the same time. One that fails ends the measuring.
pub(crate) async fn measure(target: &Target, quick: bool) -> Result<()> {
    let (pods, pairs) = if quick { (10, 1) } else { (100, 5) };
    let (mut round, mut raw_round) = (0, 0);
    let times = in_turns(
        pairs,
        async || {
            round += 1;
            ours(target, &specs(target, "crowd", round, pods)).await
        },
        async || {
            raw_round += 1;
            raw(target, target.logs(), &specs(target, "raw-crowd", raw_round, pods)).await
        },
    );
    let what = format!("{pods} pods at once, {}", target.name);
    println!("{}", Row::new(what, Goal::Ratio(MAX_CROWD), &times.await?));
    Ok(())
}

fn specs(target: &Target, name: &str, round: usize, pods: usize) -> Vec<PodSpec> {
    (0..pods).map(|pod| target.spec(&format!("{name}-{round}-{pod}"))).collect()
}

async fn ours(target: &Target, specs: &[PodSpec]) -> Result<Duration> {
    let all = join_all(specs.iter().map(|spec| target.client.run_pod(spec)));
    let (pods, time) = timed(async { Ok(all.await) }).await?;
    let pods = pods.into_iter().collect::<Result<Vec<_>, _>>()?;
    join_all(pods.iter().map(wharf::PodHandle::remove)).await.into_iter().collect::<Result<(), _>>()?;
    Ok(time)
}

async fn raw(target: &Target, logs: &Path, specs: &[PodSpec]) -> Result<Duration> {
    let all = join_all(specs.iter().map(|spec| target.raw.run(spec, logs)));
    let (pods, time) = timed(async { Ok(all.await) }).await?;
    let pods = pods.into_iter().collect::<Result<Vec<RawPod>>>()?;
    let removals = pods.iter().zip(specs).map(|(pod, spec)| target.raw.remove(pod, &spec.name, logs));
    join_all(removals).await.into_iter().collect::<Result<(), _>>()?;
    Ok(time)
}
