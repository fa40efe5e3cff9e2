//! Pods on a cluster, against testkit's, which keeps the times of the recorded one.

mod cluster;
mod list;
mod managed;
mod pods;
mod raw;

use crate::{Result, streams, target::Images};

use cluster::Cluster;

pub(crate) use list::first_sync;

/// Prints the rows, and returns what was counted.
pub(crate) async fn measure(images: &Images, quick: bool) -> Result<String> {
    let cluster = Cluster::start(images).await?;
    let measured = cluster.finish_after(async {
        let requests = pods::count_requests(&cluster).await?;
        let crowd = pods::crowd(&cluster, quick).await?;
        pods::start(&cluster, quick).await?;
        let streamed = stream(&cluster, quick).await?;
        Ok((format!("{requests}\n{crowd}\n{streamed}"), cluster.sample().await?))
    });
    let (counted, sample) = measured.await?;
    let listed = list::measure(sample, quick).await?;
    Ok(format!("{counted}\n{listed}"))
}

async fn stream(cluster: &Cluster, quick: bool) -> Result<String> {
    let spec = cluster.spec("stream");
    let pod = cluster.client.run_pod(&spec).await?;
    let main = pod.container("main").ok_or("the container is missing")?;
    let raw = async |command: &[String]| cluster.raw.stream(&spec.name, command).await;
    let told = streams::compare("fake cluster", &main, raw, quick).await?;
    pod.remove().await?;
    Ok(told)
}
