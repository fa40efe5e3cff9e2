//! Finding out that the volumes of a pod can't be had, which its node tells in events alone.

use std::{future::pending, time::Duration};

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::ListParams;
use runtime_core::{Context, Error};
use tokio::time::{Instant, sleep_until};

use crate::{
    api::Api,
    client::Client,
    translate::failure::volumes::{self, FAILED_MOUNT},
};

/// How long volumes may take before it is asked for the first time: a pod that starts as it should costs no request.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two questions. Each is twice as long as the one before.
const LONGEST_PAUSE: Duration = Duration::from_secs(32);

/// What is known of a pod's volumes.
#[derive(Debug)]
pub(crate) struct Volumes {
    events: Api<Event>,
    pause: Duration,
    /// When it is asked next; none where the events may not be read.
    next: Option<Instant>,
}

impl Volumes {
    /// Those of a pod in this namespace that is waited for from now on.
    pub(crate) fn of(client: &Client, namespace: &str) -> Self {
        let next = Some(Instant::now() + FIRST_PAUSE);
        Self { events: Api::of(client, namespace), pause: FIRST_PAUSE, next }
    }

    /// Why the volumes of a pod that waits for them can't be had. Looks once, when it is time for that, and never comes back for
    /// another pod. Can be called again after it was dropped.
    pub(crate) async fn missing(&mut self, cx: &Context, pod: &Pod) -> Option<Error> {
        match self.next.filter(|_| volumes::may_wait_for_volumes(pod)) {
            Some(next) => sleep_until(next).await,
            None => pending().await,
        }
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        let of_pod = ListParams::default().fields(&format!("involvedObject.uid={uid},reason={FAILED_MOUNT}"));
        let answer = self.events.list(cx, &of_pod).await;
        self.pause = LONGEST_PAUSE.min(self.pause * 2);
        self.next = Some(Instant::now() + self.pause);
        match answer {
            Ok(events) => volumes::missing(pod, &events.items),
            Err(refusal) => {
                // The wait goes on without: it only ends later.
                tracing::debug!(error = %refusal.error, "what the node tells of volumes can't be read");
                if refusal.code.is_some_and(|code| (401..=405).contains(&code)) {
                    self.next = None;
                }
                None
            }
        }
    }
}
