//! Going on trying to end something: calls that may be repeated, until they are done or it is hopeless.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use runtime_core::{
    Context, Error, ErrorKind, Result,
    helpers::retry::{RetryError, RetryPolicy, retry},
};

use crate::error::Refusal;

/// How long a try may take beyond what it takes by its nature, which is a grace period or nothing.
pub(crate) const TRY_MARGIN: Duration = Duration::from_secs(10);

/// How long after the beginning, and the grace period, another try may begin. Enough for one that hangs, one more, and
/// for a runtime that is started again.
const BUDGET: Duration = Duration::from_secs(25);

/// Pauses from 50 ms, doubling up to 2 s, half of each left to chance; as many as the budget has room for.
pub(crate) fn policy(grace_period: Duration) -> RetryPolicy {
    RetryPolicy {
        initial: Duration::from_millis(50),
        factor: 2.0,
        max_delay: Duration::from_secs(2),
        jitter: 0.5,
        max_attempts: u32::MAX,
        total_budget: grace_period.saturating_add(BUDGET),
    }
}

/// A try that failed.
#[derive(Debug)]
pub(crate) struct Setback {
    error: Error,
    may_pass: bool,
}

impl Setback {
    /// One that another try may get over, whatever the runtime calls it.
    pub(crate) fn passing(refusal: Refusal) -> Self {
        Self { error: refusal.into(), may_pass: true }
    }
}

impl From<Refusal> for Setback {
    fn from(refusal: Refusal) -> Self {
        Error::from(refusal).into()
    }
}

impl From<Error> for Setback {
    /// What may go away by itself: a runtime that can't be reached, that was busy, or that took longer than one try has.
    fn from(error: Error) -> Self {
        let may_pass = error.is_transient() || error.kind() == ErrorKind::DeadlineExceeded;
        Self { error, may_pass }
    }
}

/// Calls `operation` until it succeeds, fails for good, the policy is used up, or the context ends. Each try gets a context
/// of its own, to set its own deadline on.
///
/// # Errors
/// The last one, with the number of tries; or the context's end, with the same and what the last one said.
pub(crate) async fn persist<T, F>(
    cx: &Context,
    policy: RetryPolicy,
    mut operation: impl FnMut(Context) -> F,
) -> Result<T>
where
    F: Future<Output = Result<T, Setback>>,
{
    let so_far = Mutex::new((0, None));
    let noted = || so_far.lock().unwrap_or_else(PoisonError::into_inner);
    let trying = retry(
        &policy,
        cx.cancellation(),
        |setback: &Setback| setback.may_pass,
        |attempt| {
            let trying = operation(cx.child());
            let noted = &noted;
            async move {
                trying.await.inspect_err(|setback| *noted() = (attempt, Some(setback.error.to_string())))
            }
        },
    );
    match cx.run(async { Ok(trying.await) }).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(RetryError::Permanent { attempts: 1, error })) => Err(error.error),
        Ok(Err(RetryError::Permanent { attempts, error } | RetryError::Exhausted { attempts, error })) => {
            Err(error.error.with_context("tries", attempts.to_string()))
        }
        Ok(Err(_)) => Err(with_history(cx.ended().await, &noted())),
        Err(ended) => Err(with_history(ended, &noted())),
    }
}

fn with_history(error: Error, (tries, last): &(u32, Option<String>)) -> Error {
    match last {
        Some(last) => error.with_context("tries", tries.to_string()).with_context("last", last.clone()),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::time::{Instant, sleep};
    use tonic::{Code, Status};

    use super::*;

    fn refusal(code: Code) -> Refusal {
        Refusal::new(&Status::new(code, "no"))
    }

    #[test]
    fn what_may_pass() {
        for (code, may_pass) in [
            (Code::Unavailable, true),
            (Code::Aborted, true),
            (Code::DeadlineExceeded, true),
            (Code::Unknown, false),
            (Code::PermissionDenied, false),
            (Code::InvalidArgument, false),
        ] {
            assert_eq!(Setback::from(refusal(code)).may_pass, may_pass, "{code:?}");
        }
        assert!(Setback::passing(refusal(Code::Unknown)).may_pass);
    }

    #[tokio::test(start_paused = true)]
    async fn until_the_budget_is_used_up() {
        let start = Instant::now();
        let tries = AtomicU32::new(0);
        let error = persist(&Context::background(), policy(Duration::from_secs(10)), async |_| {
            tries.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(refusal(Code::Unavailable).into())
        })
        .await
        .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let told = error.context().iter().find(|(key, _)| *key == "tries").map(|(_, tries)| tries.clone());
        assert_eq!(told, Some(tries.load(Ordering::Relaxed).to_string()));
        let took = start.elapsed();
        assert!(took > Duration::from_secs(30) && took <= Duration::from_secs(35), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn until_it_works_or_never_will() {
        let cx = Context::background();
        let left = AtomicU32::new(3);
        let outcome =
            persist(&cx, policy(Duration::ZERO), async |_| match left.fetch_sub(1, Ordering::Relaxed) {
                1 => Ok(7),
                _ => Err(refusal(Code::Unavailable).into()),
            });
        assert_eq!(outcome.await.unwrap(), 7);
        let error = persist(&cx, policy(Duration::ZERO), async |_| {
            Err::<(), _>(refusal(Code::PermissionDenied).into())
        });
        let error = error.await.unwrap_err();
        assert_eq!(error.to_string(), "no, code=PermissionDenied");
    }

    #[tokio::test(start_paused = true)]
    async fn the_context_ends_it_at_any_await() {
        let cx = Context::background();
        let cancelled = cx.child();
        let cancel = async {
            sleep(Duration::from_millis(500)).await;
            cancelled.cancellation().cancel();
        };
        let failing = persist(&cancelled, policy(Duration::ZERO), async |_| {
            Err::<(), _>(refusal(Code::Aborted).into())
        });
        let (error, ()) = tokio::join!(failing, cancel);
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert!(error.to_string().contains("last=no"), "{error}");

        let hanging = cx.with_timeout(Duration::from_secs(1));
        let start = Instant::now();
        let error =
            persist(&hanging, policy(Duration::ZERO), |_| std::future::pending::<Result<(), Setback>>());
        assert_eq!(error.await.unwrap_err().kind(), ErrorKind::DeadlineExceeded);
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    }
}
