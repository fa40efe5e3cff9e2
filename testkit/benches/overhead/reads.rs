//! Reads over a unix socket.

use crate::{
    MAX_RATIO, Result,
    measure::{in_turns, per_call},
    table::{Goal, Row},
    target::Target,
};

/// Prints rows for the status of a pod and of a container.
pub(crate) async fn measure(target: &Target, quick: bool) -> Result<()> {
    let (pairs, calls) = if quick { (200, 5) } else { (4000, 5) };
    let raw = &target.raw;
    let pod = target.client.run_pod(&target.spec("reads")).await?;
    let main = pod.container("main").ok_or("the container is missing")?;
    let (pod_id, main_id) = (pod.id().as_str(), main.id().as_str());

    let of_pod = in_turns(
        pairs,
        async || per_call(calls, async || pod.status().await).await,
        async || per_call(calls, async || raw.pod_status(pod_id).await).await,
    );
    println!("{}", Row::new(format!("pod status, {}", target.name), Goal::Ratio(MAX_RATIO), &of_pod.await?));
    let of_container = in_turns(
        pairs,
        async || per_call(calls, async || main.status().await).await,
        async || per_call(calls, async || raw.container_status(main_id).await).await,
    );
    println!(
        "{}",
        Row::new(format!("container status, {}", target.name), Goal::Ratio(MAX_RATIO), &of_container.await?)
    );
    Ok(pod.remove().await?)
}
