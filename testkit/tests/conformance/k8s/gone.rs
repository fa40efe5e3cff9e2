//! What is taken away while it is used: pods, nodes, namespaces. Whoever waits is told why, and nothing counts as success.

use futures::TryStreamExt;
use serde_json::json;
use testkit::{
    conformance::{Failure, Verdict, kind_of},
    ensure, ensure_eq,
    fake_k8s::{
        Refusal,
        kubelet::{Kubelets, NodeOptions},
        store::{DeleteOptions, Resource},
    },
};
use tokio::task::JoinHandle;
use wharf::{
    ContainerHandle, Error, ErrorKind, ExitCause, LogOptions, ObjectKind, PodHandle, Result as Told,
    spec::{ExecSpec, PodSpec},
};

use crate::eventually::eventually;

use super::{
    own::{NAMESPACE, Own, on_its_own, promptly},
    starting::Starting,
};

on_its_own! { Faults;
    a_pod_that_somebody_deletes_while_it_starts,
    a_pod_that_is_evicted_while_it_starts,
    a_pod_whose_node_is_removed_while_it_starts,
    a_pod_whose_node_is_lost_while_it_starts,
    a_node_that_says_nothing_is_waited_for,
    a_namespace_that_is_deleted_while_a_pod_starts,
    a_pod_that_somebody_deletes_while_it_is_used,
    a_pod_that_is_evicted_while_it_is_used,
    a_pod_whose_node_is_lost_while_it_is_used,
    a_namespace_that_is_deleted_while_a_pod_is_used,
}

/// The one node of a cluster.
const NODE: &str = "node1";

async fn a_pod_that_somebody_deletes_while_it_starts(own: &Own<'_>) -> Verdict {
    let starting = Starting::begin(own, own.pod(["pause"])).await?;
    own.fake
        .store()
        .delete(Resource::Pods, NAMESPACE, &starting.name, &DeleteOptions::default())
        .map_err(refused)?;
    let error = fails(starting, ErrorKind::NotFound, "Deleted").await?;
    ensure!(!error.is_transient(), "{error:?}");
    own.ensure_empty().await
}

async fn a_pod_that_is_evicted_while_it_starts(own: &Own<'_>) -> Verdict {
    let starting = Starting::begin(own, own.pod(["pause"])).await?;
    kubelets(own)?
        .evict(NAMESPACE, &starting.name, "the node was low on resource: memory")
        .map_err(refused)?;
    let error = fails(starting, ErrorKind::ResourceExhausted, "Evicted").await?;
    ensure!(error.message().contains("low on resource: memory"), "{error}");
    own.ensure_empty().await
}

async fn a_pod_whose_node_is_removed_while_it_starts(own: &Own<'_>) -> Verdict {
    let starting = Starting::begin(own, own.pod(["pause"])).await?;
    kubelets(own)?.remove_node(NODE).map_err(refused)?;
    let error = fails(starting, ErrorKind::Unavailable, "DeletionByPodGC").await?;
    ensure!(error.is_transient(), "another node may take it: {error:?}");
    own.ensure_empty().await
}

async fn a_pod_whose_node_is_lost_while_it_starts(own: &Own<'_>) -> Verdict {
    let starting = Starting::begin(own, own.pod(["pause"])).await?;
    kubelets(own)?.lose_node(NODE, true).map_err(refused)?;
    let error = fails(starting, ErrorKind::Unavailable, "DeletionByTaintManager").await?;
    ensure!(error.is_transient(), "another node may take it: {error:?}");
    own.ensure_empty().await
}

async fn a_node_that_says_nothing_is_waited_for(own: &Own<'_>) -> Verdict {
    let starting = Starting::begin(own, own.pod(["pause"])).await?;
    kubelets(own)?.lose_node(NODE, false).map_err(refused)?;
    // Somebody who sees what the node's loss did to the pod.
    promptly(own.connect().await?.list_pods(&own.env.filter())).await??;
    ensure!(starting.goes_on(), "it has ended: {:?}", starting.ends().await);
    starting.cancel();
    kind_of(starting.ends().await?, ErrorKind::Cancelled)?;
    // No kubelet lets the pod go, and none is asked.
    own.ensure_empty().await
}

async fn a_namespace_that_is_deleted_while_a_pod_starts(own: &Own<'_>) -> Verdict {
    let spec = elsewhere(own)?;
    let starting = Starting::begin(own, spec.clone()).await?;
    delete_namespace(own)?;
    fails(starting, ErrorKind::NotFound, "Deleted").await?;
    let error = promptly(own.client.run_pod(&spec)).await?.err().ok_or("it runs")?;
    ensure!(matches!(error.kind(), ErrorKind::InvalidState | ErrorKind::NotFound), "{error:?}");
    ensure!(error.leftovers().is_empty(), "{error:?}");
    namespace_is_gone(own).await?;
    let error = promptly(own.client.run_pod(&spec)).await?.err().ok_or("it runs")?;
    ensure_eq!(error.kind(), ErrorKind::NotFound);
    ensure!(error.message().contains(ELSEWHERE), "it does not say what is missing: {error}");
    Ok(())
}

async fn a_pod_that_somebody_deletes_while_it_is_used(own: &Own<'_>) -> Verdict {
    let used = Used::begin(own, on_term(own)).await?;
    let pod = used.pod.clone();
    own.connect().await?.pod(pod.id().clone()).remove().await?;
    // A removal asks before it kills.
    used.ends(&[ExitCause::Removed, ExitCause::Exited(3)]).await?;
    kind_of(pod.status().await, ErrorKind::NotFound)?;
    pod.remove().await?;
    own.ensure_empty().await
}

async fn a_pod_that_is_evicted_while_it_is_used(own: &Own<'_>) -> Verdict {
    let used = Used::begin(own, on_term(own)).await?;
    let (pod, container) = (used.pod.clone(), used.container.clone());
    let name = name_of(&pod);
    kubelets(own)?.evict(NAMESPACE, &name, "the node was low on resource: memory").map_err(refused)?;
    used.ends(&[]).await?;
    ensure_eq!(pod.status().await?.reason.as_deref(), Some("Evicted"));
    kind_of(container.exec(&ExecSpec::new(["/guest", "exit", "0"])).await, ErrorKind::InvalidState)?;
    pod.remove().await?;
    own.ensure_empty().await
}

async fn a_pod_whose_node_is_lost_while_it_is_used(own: &Own<'_>) -> Verdict {
    kubelets(own)?.add_node(&NodeOptions::new("node2")).map_err(refused)?;
    for is_removed in [false, true] {
        let used = Used::begin(own, on_term(own)).await?;
        let pod = used.pod.clone();
        let node = own.fake.store().get(Resource::Pods, NAMESPACE, &name_of(&pod)).map_err(refused)?;
        let node = node["spec"]["nodeName"].as_str().unwrap_or_default().to_owned();
        match is_removed {
            true => kubelets(own)?.remove_node(&node),
            false => kubelets(own)?.lose_node(&node, false),
        }
        .map_err(refused)?;
        if !is_removed {
            // It may come back: only what spoke with it has ended.
            used.session_ends().await?;
            ensure!(!used.waiting.is_finished(), "the end of its container is made up");
            pod.remove().await?;
        }
        used.ends(&[ExitCause::Removed]).await?;
        own.ensure_empty().await?;
    }
    Ok(())
}

async fn a_namespace_that_is_deleted_while_a_pod_is_used(own: &Own<'_>) -> Verdict {
    let mut spec = elsewhere(own)?;
    spec.extensions = serde_json::from_value(json!({"k8s": {"terminationGracePeriodSeconds": 1}}))?;
    let used = Used::begin(own, spec).await?;
    let pod = used.pod.clone();
    delete_namespace(own)?;
    used.ends(&[]).await?;
    namespace_is_gone(own).await?;
    kind_of(pod.status().await, ErrorKind::NotFound)?;
    pod.remove().await?;
    Ok(())
}

/// A pod that does not end well when it is asked to.
fn on_term(own: &Own<'_>) -> PodSpec {
    own.pod(["on-term", "asked", "3"])
}

/// A run fails soon, about its pod, for this reason.
async fn fails(starting: Starting, kind: ErrorKind, reason: &str) -> Result<Error, Failure> {
    let name = starting.name.clone();
    let error = starting.ends().await?.err().ok_or("it runs")?;
    ensure!(error.kind() == kind && error.reason() == Some(reason), "{error:?}");
    let object = error.object().ok_or("it is about nothing")?;
    ensure!(object.kind == ObjectKind::Pod && object.id.contains(&name), "{error:?}");
    ensure!(error.leftovers().is_empty(), "{error:?}");
    Ok(error)
}

/// A pod that runs, with somebody who waits for its end, a command in it, and somebody who reads its log.
struct Used {
    pod: PodHandle,
    container: ContainerHandle,
    waiting: JoinHandle<Told<wharf::ExitStatus>>,
    command: wharf::ExecSession,
    reading: JoinHandle<Told<Vec<wharf::LogLine>>>,
}

impl Used {
    async fn begin(own: &Own<'_>, spec: PodSpec) -> Result<Self, Failure> {
        let pod = promptly(own.client.run_pod(&spec)).await??;
        let container = pod.container("main").ok_or("there is no container")?;
        let of_wait = container.clone();
        let waiting = tokio::spawn(async move { of_wait.wait().await });
        let command = container.start_exec(&ExecSpec::new(["/guest", "pause"])).await?;
        let log = container.logs(&LogOptions::follow()).await?;
        let reading = tokio::spawn(log.try_collect());
        Ok(Self { pod, container, waiting, command, reading })
    }

    /// The command ends, without success.
    async fn session_ends(&self) -> Verdict {
        let exit = promptly(self.command.wait()).await??;
        ensure!(!exit.success(), "its command has succeeded: {exit}");
        Ok(())
    }

    /// Everything ends, nothing of it with success. Causes: those that the end of the container may have, if only some.
    async fn ends(self, causes: &[ExitCause]) -> Verdict {
        self.session_ends().await?;
        let exit = promptly(self.waiting).await???;
        ensure!(!exit.success(), "its container has succeeded: {exit}");
        // Who is quick sees how the container was last, before it went.
        let is_killed = matches!(exit.cause, ExitCause::Exited(137) | ExitCause::Signaled(9));
        ensure!(causes.is_empty() || is_killed || causes.contains(&exit.cause), "{exit}");
        match promptly(self.reading).await?? {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Another namespace.
const ELSEWHERE: &str = "elsewhere";

/// A pod in another namespace, which is there from now on.
fn elsewhere(own: &Own<'_>) -> Result<PodSpec, Failure> {
    let namespace = json!({"metadata": {"name": ELSEWHERE}});
    own.fake.store().create(Resource::Namespaces, "", namespace).map_err(refused)?;
    Ok(on_term(own).with_namespace(ELSEWHERE))
}

fn delete_namespace(own: &Own<'_>) -> Verdict {
    let store = own.fake.store();
    store.delete(Resource::Namespaces, "", ELSEWHERE, &DeleteOptions::default()).map(drop).map_err(refused)
}

async fn namespace_is_gone(own: &Own<'_>) -> Verdict {
    eventually(|| {
        let found = own.fake.store().get(Resource::Namespaces, "", ELSEWHERE);
        ensure!(found.is_err(), "the namespace is still there");
        Ok(())
    })
    .await
}

fn kubelets<'a>(own: &'a Own<'_>) -> Result<&'a Kubelets, Failure> {
    own.fake.kubelets().ok_or_else(|| "there are no nodes".into())
}

fn name_of(pod: &PodHandle) -> String {
    pod.id().as_str().split('/').nth(1).unwrap_or_default().to_owned()
}

fn refused(refusal: Refusal) -> Failure {
    Failure::Failed(refusal.message)
}
