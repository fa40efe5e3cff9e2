//! What happens to pods and containers.
//!
//! containerd 1.7 and CRI-O tell of changes by `GetContainerEvents`; older ones say that they don't know the call, which is
//! learnt once. What an event carries is not used: it may be older than the last list, it may lack the pod, and containerd 1.7
//! splits its events among all who listen. It only says at which pod to look.

use std::os::unix::fs::MetadataExt;

use async_trait::async_trait;
use futures::{FutureExt, StreamExt, TryStreamExt};
use k8s_cri::v1 as cri;
use runtime_core::{
    ContainerSummary, Context, PodId, PodSummary, Result,
    events::{Hint, Hints, Snapshot, Source},
};
use tonic::Code;

use crate::{config::Endpoint, driver::CriDriver, translate::status};

/// A runtime to be listed.
pub(crate) struct Runtime(pub(crate) CriDriver);

#[async_trait]
impl Source for Runtime {
    async fn list(&self, cx: &Context) -> Result<Snapshot> {
        self.snapshot(cx, None).await
    }

    async fn look(&self, cx: &Context, pod: &PodId) -> Result<Snapshot> {
        self.snapshot(cx, Some(pod)).await
    }

    fn hints(&self, _: &Context) -> Option<Hints> {
        if self.0.has_no_events() {
            return None;
        }
        let driver = self.0.clone();
        let events = async move {
            driver.client().container_events().await.inspect_err(|refusal| {
                if refusal.code == Some(Code::Unimplemented) {
                    driver.learn_that_it_has_no_events();
                }
            })
        };
        Some(events.into_stream().try_flatten().map_ok(|event| hint(&event)).err_into().boxed())
    }
}

impl Runtime {
    async fn snapshot(&self, cx: &Context, pod: Option<&PodId>) -> Result<Snapshot> {
        let run = run(self.0.endpoint()).await;
        let filter = pod.map(|pod| cri::ContainerFilter {
            pod_sandbox_id: pod.as_str().to_owned(),
            ..Default::default()
        });
        let containers = self.0.client().list_containers(cx, cri::ListContainersRequest { filter }).await?;
        let filter =
            pod.map(|pod| cri::PodSandboxFilter { id: pod.as_str().to_owned(), ..Default::default() });
        let pods = self.0.client().list_pod_sandbox(cx, cri::ListPodSandboxRequest { filter }).await?;
        let pods: Vec<PodSummary> = pods.items.into_iter().map(status::pod_summary).collect();
        let containers: Vec<ContainerSummary> =
            containers.containers.into_iter().map(status::container_summary).collect();
        Ok(Snapshot::new(pods, containers).of_run(run))
    }
}

/// Runtimes make their socket anew when they start.
async fn run(endpoint: &Endpoint) -> Option<String> {
    let Endpoint::Unix(path) = endpoint else { return None };
    let socket = tokio::fs::metadata(path).await.ok()?;
    Some(format!("{}:{}:{}.{}", socket.dev(), socket.ino(), socket.ctime(), socket.ctime_nsec()))
}

fn hint(event: &cri::ContainerEventResponse) -> Hint {
    match &event.pod_sandbox_status {
        Some(pod) if !pod.id.is_empty() => Hint::InPod(PodId::new(&pod.id)),
        // The pod itself is gone, or the runtime couldn't tell.
        _ => Hint::Somewhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_says_where_to_look() {
        let mut event = cri::ContainerEventResponse::default();
        assert_eq!(hint(&event), Hint::Somewhere);
        event.pod_sandbox_status = Some(cri::PodSandboxStatus { id: "p".into(), ..Default::default() });
        assert_eq!(hint(&event), Hint::InPod("p".into()));
    }

    #[tokio::test]
    async fn a_socket_made_anew_is_another_run() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let endpoint = Endpoint::Unix(path.clone());
        assert_eq!(run(&endpoint).await, None);
        let first = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let before = run(&endpoint).await;
        assert_eq!(run(&endpoint).await, before);
        std::fs::remove_file(&path).unwrap();
        let _second = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_ne!(run(&endpoint).await, before);
        drop(first);
    }
}
