//! Removing the pods of the dead.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use tokio::time::sleep;
use tracing::{info, warn};

use super::{Group, Loss, leases::persist, observations::Tenure, seat::Seat};
use crate::{Client, Context, Error, PodId, PodSummary, Result, marks};

/// Removes the pods of a group's executors that hold no lease any more, of whichever executor, dead lives of its own too.
///
/// It acts in the name of a [`Membership`](super::Membership), which made it, and only as long as that one is valid. See
/// [there](super#which-pods-are-whose) for which pods it takes; pods that no member [stamped](super::Membership::stamp) it leaves
/// alone.
#[derive(Debug, Clone)]
pub struct Reaper {
    group: Group,
    seat: Arc<Seat>,
    client: Client,
    concurrency: usize,
}

/// What one pass of a reaper did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ReapReport {
    /// Pods that were removed.
    pub removed: Vec<PodId>,
    /// Pods that should have been, and why they are not. The next pass tries again.
    pub failed: Vec<(PodId, Error)>,
}

impl Reaper {
    pub(super) fn new(group: Group, seat: Arc<Seat>, client: Client) -> Self {
        Self { group, seat, client, concurrency: 8 }
    }

    /// Sets how many pods it removes at the same time, at least one; 8 unless said.
    #[must_use]
    pub fn with_concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency.max(1);
        self
    }

    /// Looks once, and removes what is to be removed.
    ///
    /// A dead executor's pods are found to be so by the passes, and by the member's own looks at the leases: the first pass after
    /// a start removes nothing yet.
    ///
    /// # Errors
    /// `InvalidState` if the membership has ended; those of listing pods and leases. That a pod can't be removed is in the report.
    pub async fn pass(&self) -> Result<ReapReport> {
        self.seat.check()?;
        let cx = Context::background();
        // Pods first: the lease of whoever makes one between the two is then seen.
        let pods = self.client.list_pods(&self.group.pod_filter()).await?;
        let pods: Vec<_> =
            pods.into_iter().filter_map(|pod| Some((self.tenure_of(&pod)?, pod.id.clone()))).collect();
        for (tenure, _) in &pods {
            self.group.observations().mention(tenure.clone());
        }
        persist(&cx, || self.group.look(&cx)).await?;
        let orphans: Vec<_> = {
            let observations = self.group.observations();
            pods.into_iter().filter(|(tenure, _)| observations.is_gone(tenure)).collect()
        };
        let removals = stream::iter(orphans).map(|(tenure, id)| self.remove(tenure, id));
        let outcomes: Vec<_> = removals.buffer_unordered(self.concurrency).collect().await;
        let mut report = ReapReport::default();
        for (id, outcome) in outcomes {
            match outcome {
                Ok(()) => report.removed.push(id),
                Err(error) => report.failed.push((id, error)),
            }
        }
        Ok(report)
    }

    /// Looks again and again, `every` so long, until the membership has ended. `tell` is told of each pass.
    pub async fn run(&self, every: Duration, mut tell: impl FnMut(Result<ReapReport>)) -> Loss {
        let passes = async {
            loop {
                tell(self.pass().await);
                sleep(every).await;
            }
        };
        tokio::select! {
            biased;
            loss = self.seat.lost() => loss,
            () = passes => Loss::Left,
        }
    }

    async fn remove(&self, Tenure { executor, .. }: Tenure, id: PodId) -> (PodId, Result<()>) {
        let outcome = match self.seat.check() {
            Ok(()) => self.client.pod(id.clone()).remove().await,
            Err(error) => Err(error),
        };
        match &outcome {
            Ok(()) => info!(pod = %id, executor, "removed the pod of a dead executor"),
            Err(error) => warn!(pod = %id, executor, %error, "can't remove the pod of a dead executor"),
        }
        (id, outcome)
    }

    /// Whose a pod of the group is, if a member stamped it.
    fn tenure_of(&self, pod: &PodSummary) -> Option<Tenure> {
        // Whatever the driver makes of the filter, no other group's pod is taken.
        pod.labels.get(marks::GROUP).filter(|group| *group == self.group.id())?;
        let (executor, id) = (pod.labels.get(marks::EXECUTOR)?, pod.labels.get(marks::TENURE)?);
        Some(Tenure { executor: executor.clone(), id: id.clone() })
    }
}
