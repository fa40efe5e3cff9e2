//! A pod that somebody waits for, and that does not start as long as there are faults.

use std::time::Duration;

use runtime_core::Client;
use testkit::{conformance::Failure, engine::FaultHandle, ensure};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wharf::{Context, PodHandle, Result as Told, spec::PodSpec};

use super::own::{Own, is_met, promptly};

/// A run that is under way.
pub(super) struct Starting {
    /// The name of the pod.
    pub(super) name: String,
    running: JoinHandle<Told<PodHandle>>,
    held: FaultHandle,
    cancellation: CancellationToken,
}

impl Starting {
    /// Runs a pod by the cluster's client, up to where its node pulls the image.
    pub(super) async fn begin(own: &Own<'_>, spec: PodSpec) -> Result<Self, Failure> {
        Self::up_to("PullImage", own, &own.client, spec).await
    }

    /// Runs a pod by a client, up to the first of these operations, which hang.
    pub(super) async fn up_to(
        operation: &str,
        own: &Own<'_>,
        client: &Client,
        spec: PodSpec,
    ) -> Result<Self, Failure> {
        let held = own.hold(operation);
        let cancellation = CancellationToken::new();
        let cx = Context::background().with_timeout(Duration::from_secs(90));
        let client = client.with_context(cx.with_cancellation(cancellation.clone()));
        let name = spec.name.clone();
        let running = tokio::spawn(async move { client.run_pod(&spec).await });
        is_met(&held).await?;
        ensure!(!running.is_finished(), "it has ended: {:?}", running.await);
        Ok(Self { name, running, held, cancellation })
    }

    /// Whether nothing has come of it yet.
    pub(super) fn goes_on(&self) -> bool {
        !self.running.is_finished()
    }

    /// Lets go what hangs.
    pub(super) fn release(&self) {
        self.held.release();
    }

    /// Nobody wants it any more.
    pub(super) fn cancel(&self) {
        self.cancellation.cancel();
    }

    /// What comes of it.
    pub(super) async fn ends(self) -> Result<Told<PodHandle>, Failure> {
        Ok(promptly(self.running).await??)
    }
}
