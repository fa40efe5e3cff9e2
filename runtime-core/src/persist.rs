//! Going on trying what may be repeated, until it is done or it is hopeless.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{
    Context, Error, ErrorKind, Result,
    helpers::retry::{RetryError, RetryPolicy, retry},
};

/// As many tries as fit into a time: pauses from 50 ms, doubling up to 2 s, half of each left to chance. No try begins
/// later; one that has begun is not cut.
#[must_use]
pub fn for_up_to(total_budget: Duration) -> RetryPolicy {
    RetryPolicy {
        initial: Duration::from_millis(50),
        factor: 2.0,
        max_delay: Duration::from_secs(2),
        jitter: 0.5,
        max_attempts: u32::MAX,
        total_budget,
    }
}

/// A try that failed.
#[derive(Debug)]
pub struct Setback {
    error: Error,
    may_pass: bool,
}

impl Setback {
    /// One that another try may get over, whatever the system calls it.
    #[must_use]
    pub fn passing(error: impl Into<Error>) -> Self {
        Self { error: error.into(), may_pass: true }
    }

    /// One that another try may get over only if the error is transient: a try that took too long is not repeated.
    #[must_use]
    pub fn if_transient(error: Error) -> Self {
        Self { may_pass: error.is_transient(), error }
    }
}

impl From<Error> for Setback {
    /// What may go away by itself: a system that can't be reached, that was busy, or that took longer than one try has.
    fn from(error: Error) -> Self {
        let may_pass = error.is_transient() || error.kind() == ErrorKind::DeadlineExceeded;
        Self { error, may_pass }
    }
}

/// Calls `operation` until it succeeds, fails for good, the policy is used up, or the context ends, which ends a try as well.
/// Each try gets a context of its own, to set its own deadline on.
///
/// # Errors
/// The last one, with the number of `tries` if there were several; or the context's end, with the same and what the `last`
/// one said.
pub async fn persist<T, F>(
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
            // On the heap: whoever ends something may be deep in the stack already, where each layer holds it once more.
            let trying = Box::pin(operation(cx.child()));
            let noted = &noted;
            async move {
                trying.await.inspect_err(|setback| *noted() = (attempt, Some(setback.error.to_string())))
            }
        },
    );
    match cx.run(async { Ok(trying.await) }).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(
            RetryError::Permanent { attempts: 1, error } | RetryError::Exhausted { attempts: 1, error },
        )) => Err(error.error),
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
    use std::cell::Cell;

    use tokio::time::{Instant, sleep};

    use super::*;

    fn away() -> Error {
        Error::new(ErrorKind::Unavailable, "away").transient()
    }

    #[test]
    fn what_may_pass() {
        let error = |kind| Error::new(kind, "no");
        for (error, may_pass) in [
            (away(), true),
            (error(ErrorKind::DeadlineExceeded), true),
            (error(ErrorKind::Unavailable), false),
            (error(ErrorKind::PermissionDenied), false),
        ] {
            assert_eq!(Setback::from(error.clone()).may_pass, may_pass, "{error}");
            assert_eq!(Setback::if_transient(error.clone()).may_pass, error.is_transient(), "{error}");
            assert!(Setback::passing(error).may_pass);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn until_the_budget_is_used_up() {
        let start = Instant::now();
        let tries = Cell::new(0);
        let error = persist(&Context::background(), for_up_to(Duration::from_secs(35)), async |_| {
            tries.set(tries.get() + 1);
            Err::<(), _>(away().into())
        })
        .await
        .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let told = error.context().iter().find(|(key, _)| *key == "tries").map(|(_, tries)| tries.clone());
        assert_eq!(told, Some(tries.get().to_string()));
        let took = start.elapsed();
        assert!(took > Duration::from_secs(30) && took <= Duration::from_secs(35), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn until_it_works_or_never_will() {
        let cx = Context::background();
        let left = Cell::new(3);
        let outcome =
            persist(&cx, for_up_to(Duration::from_secs(25)), async |_| match left.replace(left.get() - 1) {
                1 => Ok(7),
                _ => Err(away().into()),
            });
        assert_eq!(outcome.await.unwrap(), 7);
        let error = persist(&cx, for_up_to(Duration::from_secs(25)), async |_| {
            Err::<(), _>(Error::new(ErrorKind::PermissionDenied, "no").into())
        });
        assert_eq!(error.await.unwrap_err().to_string(), "no");
    }

    #[tokio::test(start_paused = true)]
    async fn a_single_try_is_not_counted() {
        let once = RetryPolicy { max_attempts: 1, ..for_up_to(Duration::from_secs(25)) };
        let cx = Context::background();
        let error = persist(&cx, once, async |_| Err::<(), _>(away().into()));
        assert_eq!(error.await.unwrap_err().to_string(), "away");
    }

    #[tokio::test(start_paused = true)]
    async fn the_context_ends_it_at_any_await() {
        let cx = Context::background();
        let cancelled = cx.child();
        let cancel = async {
            sleep(Duration::from_millis(500)).await;
            cancelled.cancellation().cancel();
        };
        let policy = for_up_to(Duration::from_secs(25));
        let failing = persist(&cancelled, policy, async |_| Err::<(), _>(away().into()));
        let (error, ()) = tokio::join!(failing, cancel);
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert!(error.to_string().contains("last=away"), "{error}");

        let hanging = cx.with_timeout(Duration::from_secs(1));
        let start = Instant::now();
        let error = persist(&hanging, policy, |_| std::future::pending::<Result<(), Setback>>());
        assert_eq!(error.await.unwrap_err().kind(), ErrorKind::DeadlineExceeded);
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    }
}
