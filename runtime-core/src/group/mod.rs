//! Executors that share a system: who is alive, and removing what the dead left.
//!
//! An *executor* is a process that makes pods. Those of one *group* find each other through leases in a [`GroupStore`], which
//! is all that a driver has to bring. An executor that [joins](Group::join) holds a lease and renews it. When one dies, its lease
//! goes stale, the others remove it, and a [`Reaper`] removes its pods.
//!
//! ```
//! use std::sync::Arc;
//!
//! use runtime_core::{Context, group::{Group, GroupOptions, MemoryGroupStore}, spec::PodSpec};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> runtime_core::Result<()> {
//! let cx = Context::background();
//! let store = Arc::new(MemoryGroupStore::default()); // of a Kubernetes driver: driver.group_store(&cx).await?
//! let group = Group::open(&cx, store, "builders", GroupOptions::default()).await?;
//! let membership = group.join(&cx, "builder-1").await?;
//!
//! // What an executor makes carries who made it.
//! let spec = membership.stamp(PodSpec::new("job"))?;
//! assert_eq!(spec.labels["wharf.dev/executor"], "builder-1");
//! assert_eq!(group.executors(&cx).await?.len(), 1);
//!
//! // With a client, in a task beside the work: membership.reaper(client).run(every, |report| …).await.
//! // And whatever the executor does, it stops when `membership.lost().await` returns.
//! membership.leave(&cx).await?;
//! assert!(group.executors(&cx).await?.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # Who may act when
//!
//! - *A member counts itself out first.* Its membership ends [`stale_after`](GroupOptions::stale_after) less the
//!   [`margin`](GroupOptions::margin) after it *sent* the last renewal that was answered, on its own monotonic clock, and never
//!   comes back: [`Membership::is_valid`] is false from that moment on, whether a task runs or not.
//! - *The others act last.* They count from when they *saw* the lease as it is, on their own monotonic clocks, and wait for
//!   `stale_after` plus the margin. So clocks that are minutes apart do no harm, since no time of one machine is compared with
//!   another's; what the margin is for is clocks that run at different speeds.
//! - *Whoever could not look starts to count anew.* After an outage of the whole system everybody finds old leases; nobody
//!   takes that for the death of the others.
//! - *A lease is removed only as it was seen.* The store compares versions, so a renewal in the last moment wins.
//!
//! No clock helps a machine that is put to sleep as a whole: it wakes up in the belief that no time has passed, until its next
//! renewal tells it otherwise. What must not happen even then has to be refused by its target; the [`Epoch`] is there to be handed
//! on.
//!
//! # Which pods are whose
//!
//! An executor's lease stands for a [*tenure*](Epoch::tenure): the unbroken time in which a lease of that executor exists, be it
//! renewed by one process or, after a crash, taken over by the next. Pods carry it. The pods of a tenure that has ended are lost
//! for good: they are reaped even if an executor of the same name is back, which then has another tenure. Thereby a decision to
//! reap can't become wrong while it is carried out, and an executor that comes back learns what it lost by comparing epochs.

mod handle;
mod join;
mod leases;
mod loss;
mod membership;
mod memory;
mod observations;
mod options;
mod reaper;
mod record;
mod renew;
mod seat;
mod store;
#[cfg(test)]
mod tests;

pub use handle::Group;
pub use loss::Loss;
pub use membership::Membership;
pub use memory::MemoryGroupStore;
pub use options::GroupOptions;
pub use reaper::{ReapReport, Reaper};
pub use record::{Epoch, LeaseRecord, Version, Versioned};
pub use store::GroupStore;
