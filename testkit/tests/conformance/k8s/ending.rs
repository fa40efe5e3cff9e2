//! Each request of a stop and of a removal fails, before its effect and after it: it is done all the same, or the next try does it.

use testkit::{
    conformance::{Failure, Verdict},
    engine::Fault,
    ensure, ensure_eq,
    fake_k8s::{cut, refuse},
};
use wharf::{Error, ErrorKind, PodHandle, PodPhase, Result as Told, StopOptions};

use super::own::{Own, on_its_own, promptly};

on_its_own! { Faults;
    a_stop_whose_requests_are_lost,
    a_stop_whose_answers_are_lost,
    a_stop_that_the_server_has_no_time_for,
    a_stop_that_the_server_fails_at,
    a_stop_while_the_server_is_unavailable,
    a_stop_that_is_done_and_refused,
    a_stop_that_meets_conflicts,
    a_stop_that_is_not_allowed,
    a_removal_whose_requests_are_lost,
    a_removal_whose_answers_are_lost,
    a_removal_that_the_server_has_no_time_for,
    a_removal_that_the_server_fails_at,
    a_removal_while_the_server_is_unavailable,
    a_removal_that_is_done_and_refused,
    a_removal_that_meets_conflicts,
    a_removal_that_is_not_allowed,
}

/// More requests than ending a pod takes.
const MANY: u32 = 20;

/// What ends a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Stop,
    Remove,
}

impl End {
    async fn run(self, pod: &PodHandle) -> Told<()> {
        match self {
            Self::Stop => pod.stop(&StopOptions::default()).await,
            Self::Remove => pod.remove().await,
        }
    }
}

async fn a_stop_whose_requests_are_lost(own: &Own<'_>) -> Verdict {
    at_each_request(own, End::Stop, cut("*")).await
}

async fn a_stop_whose_answers_are_lost(own: &Own<'_>) -> Verdict {
    at_each_request(own, End::Stop, cut("*").late()).await
}

async fn a_stop_that_the_server_has_no_time_for(own: &Own<'_>) -> Verdict {
    at_each_request(own, End::Stop, refuse("*", 429, Some(0))).await
}

async fn a_stop_that_the_server_fails_at(own: &Own<'_>) -> Verdict {
    at_each_request(own, End::Stop, refuse("*", 500, None)).await
}

async fn a_stop_while_the_server_is_unavailable(own: &Own<'_>) -> Verdict {
    at_each_request(own, End::Stop, refuse("*", 503, None).times(2)).await
}

async fn a_stop_that_is_done_and_refused(own: &Own<'_>) -> Verdict {
    at_each_request(own, End::Stop, refuse("*", 503, None).late()).await
}

async fn a_removal_whose_requests_are_lost(own: &Own<'_>) -> Verdict {
    at_each_request(own, End::Remove, cut("*")).await
}

async fn a_removal_whose_answers_are_lost(own: &Own<'_>) -> Verdict {
    at_each_request(own, End::Remove, cut("*").late()).await
}

async fn a_removal_that_the_server_has_no_time_for(own: &Own<'_>) -> Verdict {
    at_each_request(own, End::Remove, refuse("*", 429, Some(0))).await
}

async fn a_removal_that_the_server_fails_at(own: &Own<'_>) -> Verdict {
    at_each_request(own, End::Remove, refuse("*", 500, None)).await
}

async fn a_removal_while_the_server_is_unavailable(own: &Own<'_>) -> Verdict {
    at_each_request(own, End::Remove, refuse("*", 503, None).times(2)).await
}

async fn a_removal_that_is_done_and_refused(own: &Own<'_>) -> Verdict {
    at_each_request(own, End::Remove, refuse("*", 503, None).late()).await
}

/// Ends pods, each with a driver that knows nothing yet, until there is no request left that could go wrong.
async fn at_each_request(own: &Own<'_>, end: End, fault: Fault) -> Verdict {
    let mut requests = 0;
    while ended(own, end, fault.clone().after(requests)).await? {
        requests += 1;
        ensure!(requests < MANY, "there is no end of requests");
    }
    // The pod is looked at, changed, and followed.
    ensure!(requests >= 3, "{requests} requests went wrong");
    Ok(())
}

/// Ends a pod while something goes wrong. Whether it did.
async fn ended(own: &Own<'_>, end: End, fault: Fault) -> Result<bool, Failure> {
    let told = format!("{:?} {:?} {:?}, {} before it", end, fault.phase, fault.action, fault.after);
    let pod = promptly(own.client.run_pod(&own.pod(["pause"]))).await??;
    let again = own.connect().await?.pod(pod.id().clone());
    let hit = own.fake.faults().inject(fault);
    let result = promptly(end.run(&again)).await.map_err(|_| Failure::Failed(format!("{told}: it hangs")))?;
    let was_hit = hit.hits() > 0;
    own.fake.faults().clear();
    // All of these may pass.
    result.map_err(|error| Failure::Failed(format!("{told}: {error:?}")))?;
    done(own, end, &pod).await?;
    Ok(was_hit)
}

/// It has ended, and once more does no harm; then it is removed.
async fn done(own: &Own<'_>, end: End, pod: &PodHandle) -> Verdict {
    if end == End::Stop {
        ensure_eq!(pod.status().await?.summary.phase, PodPhase::Stopped);
    }
    promptly(end.run(pod)).await??;
    promptly(pod.remove()).await??;
    own.ensure_empty().await
}

async fn a_stop_that_meets_conflicts(own: &Own<'_>) -> Verdict {
    meets_conflicts(own, End::Stop).await
}

async fn a_removal_that_meets_conflicts(own: &Own<'_>) -> Verdict {
    meets_conflicts(own, End::Remove).await
}

async fn meets_conflicts(own: &Own<'_>, end: End) -> Verdict {
    let mut writes = 0;
    for write in ["PATCH *", "PUT *", "POST *", "DELETE *"] {
        for is_late in [false, true] {
            let pod = promptly(own.client.run_pod(&own.pod(["pause"]))).await??;
            let fault = refuse(write, 409, None).times(3);
            let hit = own.fake.faults().inject(if is_late { fault.late() } else { fault });
            let result =
                promptly(end.run(&pod)).await.map_err(|_| Failure::from(format!("{write}: it hangs")))?;
            own.fake.faults().clear();
            result.map_err(|error| Failure::from(format!("{write}: {error:?}")))?;
            writes += hit.hits();
            done(own, end, &pod).await?;
        }
    }
    ensure!(writes >= 2, "nothing was written");
    Ok(())
}

async fn a_stop_that_is_not_allowed(own: &Own<'_>) -> Verdict {
    not_allowed(own, End::Stop).await
}

async fn a_removal_that_is_not_allowed(own: &Own<'_>) -> Verdict {
    not_allowed(own, End::Remove).await
}

async fn not_allowed(own: &Own<'_>, end: End) -> Verdict {
    let pod = promptly(own.client.run_pod(&own.pod(["pause"]))).await??;
    for verb in ["patch", "delete"] {
        own.fake.deny(verb, "pods");
    }
    let error = promptly(end.run(&pod)).await?.err().ok_or("it was done")?;
    is_forbidden(&error)?;
    ensure_eq!(pod.status().await?.summary.phase, PodPhase::Running);
    for verb in ["patch", "delete"] {
        own.fake.allow(verb, "pods");
    }
    promptly(end.run(&pod)).await??;
    done(own, end, &pod).await
}

fn is_forbidden(error: &Error) -> Verdict {
    let is_so = error.kind() == ErrorKind::PermissionDenied && error.reason() == Some("Forbidden");
    ensure!(is_so && !error.is_transient(), "{error:?}");
    Ok(())
}
