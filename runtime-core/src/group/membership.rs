//! Being an executor of a group.

use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::{
    Epoch, Group, Loss, Reaper,
    join::{Held, join},
    renew::{give_back, keep},
    seat::Seat,
};
use crate::{Client, Context, PodFilter, Result, emulation::Nonce, marks, spec::PodSpec};

/// A place in a group, kept by a task of its own that renews the lease and removes those of the dead.
///
/// Dropping it ends it at once in this process: nothing is renewed any more, and the others remove the lease when it is stale.
/// [`leave`](Self::leave) gives it back.
#[derive(Debug)]
pub struct Membership {
    group: Group,
    executor: String,
    instance: String,
    epoch: Epoch,
    pub(super) seat: Arc<Seat>,
    keeper: AbortOnDropHandle<()>,
}

impl Membership {
    pub(super) async fn join(group: &Group, cx: &Context, executor: &str) -> Result<Self> {
        Self::begin(group, cx, executor, None).await
    }

    async fn begin(group: &Group, cx: &Context, executor: &str, former: Option<&str>) -> Result<Self> {
        let instance = Nonce::random().to_string();
        let held = join(group, cx, executor, &instance, former).await?;
        Ok(Self::keeping(group.clone(), held))
    }

    fn keeping(group: Group, held: Held) -> Self {
        let seat = Arc::new(Seat::new(held.sent + group.options().own_limit()));
        let (executor, instance) = (held.record.executor.clone(), held.record.instance.clone());
        let epoch = held.record.epoch.clone();
        let keeper = {
            let (group, seat) = (group.clone(), Arc::clone(&seat));
            tokio::spawn(async move { keep(&group, &seat, held).await }.in_current_span())
        };
        Self { group, executor, instance, epoch, seat, keeper: AbortOnDropHandle::new(keeper) }
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// The executor's id.
    #[must_use]
    pub fn executor(&self) -> &str {
        &self.executor
    }

    /// The fencing token. Another one than before a [`rejoin`](Self::rejoin) or a restart says that in between somebody else may
    /// have been the executor; one of another tenure, that what was made before is lost.
    #[must_use]
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// Whether the executor is a member at this moment, so that nobody acts upon its death. Costs nothing; ask before
    /// everything that only a member may do.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.loss().is_none()
    }

    /// How the membership has ended, if it has.
    #[must_use]
    pub fn loss(&self) -> Option<Loss> {
        self.seat.loss()
    }

    /// Waits until the membership has ended. May be dropped and called again.
    pub async fn lost(&self) -> Loss {
        self.seat.lost().await
    }

    /// Labels a pod as this executor's. Everything that the executor makes has to carry this: a [`Reaper`] finds it by nothing
    /// else.
    ///
    /// # Errors
    /// `InvalidState` if the membership has ended.
    pub fn stamp(&self, spec: PodSpec) -> Result<PodSpec> {
        self.seat.check()?;
        Ok(spec
            .with_label(marks::GROUP, self.group.id())
            .with_label(marks::EXECUTOR, &self.executor)
            .with_label(marks::TENURE, &self.epoch.tenure))
    }

    /// The pods of this executor, those of its earlier tenures too.
    #[must_use]
    pub fn pod_filter(&self) -> PodFilter {
        self.group.pod_filter().with_label(marks::EXECUTOR, &self.executor)
    }

    /// Removes the pods of the group's dead executors, in the name of this member and as long as it is valid.
    #[must_use]
    pub fn reaper(&self, client: Client) -> Reaper {
        Reaper::new(self.group.clone(), Arc::clone(&self.seat), client)
    }

    /// Becomes a member again if the membership has ended; on a valid one it does nothing. What was taken of the old one, such as
    /// its reapers, stays ended.
    ///
    /// The lease is taken over at once if it is still the one of this membership, and its tenure goes on; otherwise it is as with
    /// [`Group::join`].
    ///
    /// # Errors
    /// As of [`Group::join`]; the membership is then as it was, and this may be called again.
    pub async fn rejoin(&mut self, cx: &Context) -> Result<()> {
        if self.is_valid() {
            return Ok(());
        }
        *self = Self::begin(&self.group, cx, &self.executor, Some(&self.instance)).await?;
        Ok(())
    }

    /// Gives the lease back, so that the executor's id is free at once. Its pods count as lost: the others reap them after a
    /// while.
    ///
    /// *Behaviour:* the membership ends first. A lease that is gone, or another's by now, is fine.
    ///
    /// # Errors
    /// The store's; the lease then goes stale.
    pub async fn leave(self, cx: &Context) -> Result<()> {
        self.seat.lose(Loss::Left);
        self.keeper.abort();
        give_back(&self.group, cx, &self.executor, &self.instance).await
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.seat.lose(Loss::Left);
    }
}
