//! What a member does all the time: renew its lease, and remove those of the dead.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Group, Loss, join::Held, leases::persist, seat::Seat};
use crate::{
    Context, Error, ErrorKind, Result,
    helpers::retry::{RetryPolicy, retry},
};

/// More often than this in a row a renewal is not tried because somebody else changed the lease.
const MAX_CONFLICTS: u32 = 5;

/// What became of a renewal.
enum Renewal {
    Kept(Held),
    Lost(Loss),
}

/// Keeps a membership until it is lost.
pub(super) async fn keep(group: &Group, seat: &Seat, held: Held) {
    let executor = held.record.executor.clone();
    tokio::select! {
        biased;
        loss = seat.lost() => warn!(executor, %loss, "the membership has ended"),
        () = renew(group, seat, held) => {}
        () = clean(group, seat, &executor) => {}
    }
}

/// Renews until the lease is somebody else's. Failures are tried again until the membership ends by the clock.
async fn renew(group: &Group, seat: &Seat, mut held: Held) {
    let every = group.options().renew_every;
    let policy = RetryPolicy {
        initial: every / 10,
        max_delay: every,
        max_attempts: u32::MAX,
        total_budget: Duration::MAX,
        ..RetryPolicy::default()
    };
    let never = CancellationToken::new();
    loop {
        sleep_until(held.sent + every).await;
        let told = |error: &Error| {
            warn!(executor = held.record.executor, %error, "can't renew the lease");
            true
        };
        let renewal = retry(&policy, &never, told, |_| renew_once(group, &held)).await;
        held = match renewal {
            Ok(Renewal::Kept(held)) => held,
            Ok(Renewal::Lost(loss)) => return lose(seat, loss).await,
            // No policy is exhausted for ever, but it could be.
            Err(_) => return lose(seat, Loss::Expired).await,
        };
        seat.extend(held.sent + group.options().own_limit());
    }
}

async fn lose(seat: &Seat, loss: Loss) {
    seat.lose(loss);
    seat.lost().await;
}

async fn renew_once(group: &Group, held: &Held) -> Result<Renewal> {
    let cx = Context::background();
    let Held { record, version, .. } = held;
    let (mut record, mut version) = (record.clone(), version.clone());
    for _ in 0..MAX_CONFLICTS {
        record = record.renewed_now();
        let sent = Instant::now();
        if let Some(version) = group.leases().write(&cx, &record, Some(&version)).await? {
            return Ok(Renewal::Kept(Held { record, version, sent }));
        }
        // Another version: of this very member if an answer was lost.
        match group.leases().read(&cx, &record.executor).await? {
            Some(found) if found.record.instance == record.instance => {
                (record, version) = (found.record, found.version);
            }
            Some(_) => return Ok(Renewal::Lost(Loss::TakenOver)),
            None => return Ok(Renewal::Lost(Loss::Removed)),
        }
    }
    Err(busy())
}

/// Gives the lease of a life back. One that is gone, or somebody else's, is left alone.
pub(super) async fn give_back(group: &Group, cx: &Context, executor: &str, instance: &str) -> Result<()> {
    let attempt = async || {
        for _ in 0..MAX_CONFLICTS {
            let found = group.leases().read(cx, executor).await?;
            let Some(own) = found.filter(|found| found.record.instance == instance) else { return Ok(()) };
            if group.leases().delete(cx, executor, &own.version).await? {
                return Ok(());
            }
        }
        Err(busy())
    };
    persist(cx, attempt).await
}

/// Looks at all leases as often as they are renewed, and removes stale ones.
async fn clean(group: &Group, seat: &Seat, own: &str) {
    loop {
        sleep(group.options().renew_every).await;
        if let Err(error) = clean_once(group, seat, own).await {
            warn!(%error, "can't remove stale leases");
        }
    }
}

async fn clean_once(group: &Group, seat: &Seat, own: &str) -> Result<()> {
    let cx = Context::background();
    for lease in group.look(&cx).await? {
        let executor = &lease.record.executor;
        if executor == own || !group.observations().is_stale(&lease.record) {
            continue;
        }
        seat.check()?;
        if group.leases().delete(&cx, executor, &lease.version).await? {
            group.observations().bury(&lease.record);
            info!(executor, "removed the stale lease of an executor");
        }
    }
    Ok(())
}

fn busy() -> Error {
    Error::new(ErrorKind::Unavailable, "somebody else keeps changing the lease").transient()
}
