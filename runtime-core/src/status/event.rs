//! What happens to pods and containers.

use crate::{ContainerId, ContainerSummary, PodId, PodSummary};

/// One thing that happened, or that is so. See [`Pod::events`](crate::Pod::events) for the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The first item: everything that exists follows, until [`Synced`](Self::Synced).
    Init,
    /// A pod, as it is now: new, or changed, or told again after `Init` or `Resync`.
    PodApplied(PodSummary),
    /// A pod is gone.
    PodDeleted(PodId),
    /// A container, as it is now.
    ContainerApplied(ContainerSummary),
    /// A container is gone.
    ContainerDeleted(ContainerId),
    /// Something may have been missed: the system was away, or events were lost. Everything that exists follows, and what
    /// vanished meanwhile is told as deleted, until [`Synced`](Self::Synced). What came and went in between is not known.
    Resync {
        /// Why, for a person.
        reason: String,
    },
    /// What was told since the last `Init` or `Resync` is everything that exists.
    Synced,
}
