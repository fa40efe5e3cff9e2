//! Where pods are put.

use runtime_core::{PodPhase, PodStatus, RunOptions, WaitFor, helpers::arch::Architecture};

use crate::conformance::{
    Env, Verdict,
    case::{cases, ensure, ensure_eq},
    env::until,
};

cases! { Lifecycle;
    a_node_of_the_architecture_is_chosen: proves [PodArchitecture], needs [PodRun, PodRemove, PodStatus];
}

async fn a_node_of_the_architecture_is_chosen(env: &Env) -> Verdict {
    // The images are for this machine's.
    let here = Architecture::host()?;
    let mut spec = env.pod_running(["pause"]);
    spec.architecture = Some(here);
    let (pod, _) = env.run(&spec).await?;
    ensure_eq!(pod.status().await?.summary.phase, PodPhase::Running);
    pod.remove().await?;
    // Whatever nodes there are, they are not of all these.
    let rare = [Architecture::S390x, Architecture::Ppc64le, Architecture::Riscv64];
    let mut spec = env.pod_running(["pause"]);
    spec.architecture = rare.into_iter().find(|rare| *rare != here);
    let created = RunOptions::default().with_wait_for(WaitFor::Created);
    let pod = env.client().run_pod_with(&spec, &created).await?;
    let is_told = |status: &PodStatus| status.reason.is_some();
    let status = until("it is said why the pod waits", || Box::pin(pod.status()), is_told).await?;
    ensure_eq!(status.summary.phase, PodPhase::Pending);
    ensure!(status.addresses.is_empty(), "{status:?}");
    pod.remove().await?;
    env.ensure_nothing_left().await
}
