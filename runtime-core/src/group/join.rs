//! Getting a lease.

use tokio::time::{Instant, sleep};

use super::{Group, LeaseRecord, Version, Versioned, leases::persist};
use crate::{Context, Error, ErrorKind, Result};

/// A lease that this process holds.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) record: LeaseRecord,
    pub(super) version: Version,
    /// When the request was sent that got it: before anybody could see its effect.
    pub(super) sent: Instant,
}

/// How one attempt went.
enum Step {
    Joined(Held),
    /// The executor has a lease, of which nobody can say yet whether it is alive.
    Watch(LeaseRecord),
    /// Somebody was faster, or holds a lease that is not listed.
    Again,
}

/// More attempts than this at a lease that is neither free nor there are not made.
const MAX_SURPRISES: u32 = 5;

/// Gets the lease of an executor for the life `instance`. `former` is the life that this very process had before, which nobody
/// else can have: its lease is taken over at once.
pub(super) async fn join(
    group: &Group,
    cx: &Context,
    executor: &str,
    instance: &str,
    former: Option<&str>,
) -> Result<Held> {
    let mut first: Option<LeaseRecord> = None;
    let mut surprises = 0;
    loop {
        match persist(cx, || attempt(group, cx, executor, instance, former)).await? {
            Step::Joined(held) => return Ok(held),
            Step::Watch(record) => {
                if *first.get_or_insert_with(|| record.clone()) != record {
                    return Err(taken(executor));
                }
            }
            Step::Again => {
                surprises += 1;
                if surprises == MAX_SURPRISES {
                    return Err(taken(executor));
                }
            }
        }
        // There is nothing to wait on: a store has no watch.
        let pause = async {
            sleep(group.options().renew_every / 2).await;
            Ok(())
        };
        cx.run(pause).await?;
    }
}

async fn attempt(
    group: &Group,
    cx: &Context,
    executor: &str,
    instance: &str,
    former: Option<&str>,
) -> Result<Step> {
    let leases = group.look(cx).await?;
    let found = leases.into_iter().find(|lease| lease.record.executor == executor);
    let duration = group.options().stale_after;
    let (record, version) = match found {
        None => (LeaseRecord::first(executor, instance, duration), None),
        // A write of this very join, whose answer was lost.
        Some(Versioned { record, version }) if record.instance == instance => {
            (record.renewed_now(), Some(version))
        }
        Some(Versioned { record, version }) => {
            let own = former.is_some_and(|former| former == record.instance);
            if !own && !group.observations().is_stale(&record) {
                return Ok(Step::Watch(record));
            }
            (record.taken_over(instance, duration), Some(version))
        }
    };
    let sent = Instant::now();
    let written = group.leases().write(cx, &record, version.as_ref()).await?;
    Ok(written.map_or(Step::Again, |version| Step::Joined(Held { record, version, sent })))
}

fn taken(executor: &str) -> Error {
    let message = format!("another executor with the id {executor:?} is in the group");
    Error::new(ErrorKind::AlreadyExists, message)
}
