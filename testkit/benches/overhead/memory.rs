//! What the default layers add to a call, where the call itself takes next to no time.

use std::{fmt, sync::Arc};

use wharf::{
    ContainerId, Context, Driver, PodHandle, PodId,
    spec::{ContainerSpec, PodSpec},
};

use crate::{
    Result,
    measure::{in_turns, per_call},
    table::{Goal, Row},
};

/// The most that the layers may add to a call, in microseconds.
const MAX_ADDED: f64 = 2.0;

/// Rows for a read of a pod and of a container.
pub(crate) async fn measure(quick: bool) -> Result<Rows> {
    let driver = wharf::registry().connect("memory://").await?;
    let client = wharf::Client::from(runtime_core::Client::new(Arc::clone(&driver)));
    let main = ContainerSpec::new("main", "wharf.local/host:latest").with_command(["sleep", "3600"]);
    let pod = client.run_pod(&PodSpec::new("overhead").with_container(main)).await?;
    let rows = rows(&*driver, &pod, quick).await;
    pod.remove().await?;
    rows
}

async fn rows(driver: &dyn Driver, pod: &PodHandle, quick: bool) -> Result<Rows> {
    let (pairs, calls) = if quick { (50, 200) } else { (1000, 500) };
    let cx = Context::background();
    let pod_id: &PodId = pod.id();
    let main = pod.container("main").ok_or("the container is missing")?;
    let container_id: &ContainerId = main.id();
    let (pods, containers) = (driver.pods().ok_or("no pods")?, driver.containers().ok_or("no containers")?);

    let of_pod = in_turns(
        pairs,
        async || per_call(calls, async || pod.status().await).await,
        async || per_call(calls, async || pods.status(&cx, pod_id).await).await,
    );
    let of_pod = of_pod.await?;
    let of_container = in_turns(
        pairs,
        async || per_call(calls, async || main.status().await).await,
        async || per_call(calls, async || containers.status(&cx, container_id).await).await,
    );
    let of_container = of_container.await?;
    let row = |what, pairs| Row::new(format!("{what}, memory"), Goal::Added(MAX_ADDED), pairs);
    Ok(Rows([row("pod status", &of_pod), row("container status", &of_container)]))
}

/// The two rows.
#[derive(Debug)]
pub(crate) struct Rows([Row; 2]);

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.0[0], self.0[1])
    }
}
