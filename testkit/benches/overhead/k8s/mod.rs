//! Pods on a cluster, against testkit's, which keeps the times of the recorded one.

mod cluster;
mod list;
mod managed;
mod pods;
mod raw;
mod served;

use crate::{Result, target::Images};

use cluster::Cluster;

pub(crate) use list::first_sync;
pub(crate) use served::serve;

/// Prints the rows, and returns what was counted.
pub(crate) async fn measure(images: &Images, quick: bool) -> Result<String> {
    let cluster = Cluster::start(images).await?;
    let measured = cluster.finish_after(async {
        let requests = pods::count_requests(&cluster).await?;
        let crowd = pods::crowd(&cluster, quick).await?;
        pods::start(&cluster, quick).await?;
        Ok((format!("{requests}\n{crowd}"), cluster.sample().await?))
    });
    let (counted, sample) = measured.await?;
    let streamed = served::stream(quick).await?;
    let listed = list::measure(sample, quick).await?;
    Ok(format!("{counted}\n{streamed}\n{listed}"))
}
