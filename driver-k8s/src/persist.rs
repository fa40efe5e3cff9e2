//! Going on trying to end something: requests that may be repeated, until they are done or it is hopeless.

use std::time::Duration;

use runtime_core::{
    Context, Error, ErrorKind, Result,
    helpers::retry::{RetryError, RetryPolicy, retry},
};

/// Pauses from 50 ms, doubling up to 2 s, half of each left to chance, for 25 s.
const POLICY: RetryPolicy = RetryPolicy {
    initial: Duration::from_millis(50),
    factor: 2.0,
    max_delay: Duration::from_secs(2),
    jitter: 0.5,
    max_attempts: u32::MAX,
    total_budget: Duration::from_secs(25),
};

/// Calls `operation` until it succeeds, fails for good, 25 s have passed, or the context ends.
///
/// # Errors
/// The last one, with the number of tries; or the context's end.
pub(crate) async fn persist<T, F>(cx: &Context, mut operation: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let trying = retry(&POLICY, cx.cancellation(), Error::is_transient, |_| operation());
    match cx.run(async { Ok(trying.await) }).await? {
        Ok(value) => Ok(value),
        Err(RetryError::Permanent { attempts: 1, error }) => Err(error),
        Err(RetryError::Permanent { attempts, error } | RetryError::Exhausted { attempts, error }) => {
            Err(error.with_context("tries", attempts.to_string()))
        }
        Err(_) => Err(Error::new(ErrorKind::Cancelled, "cancelled by the caller")),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again_and_nothing_else() {
        let cx = Context::background();
        let tries = Cell::new(0);
        let run = |fails: u32, transient: bool| {
            let (tries, cx) = (&tries, &cx);
            tries.set(0);
            async move {
                persist(cx, || {
                    tries.set(tries.get() + 1);
                    let error = Error::new(ErrorKind::Unavailable, "away").with_transient(transient);
                    std::future::ready(if tries.get() > fails { Ok(()) } else { Err(error) })
                })
                .await
            }
        };
        run(3, true).await.unwrap();
        assert_eq!(tries.get(), 4);
        run(3, false).await.unwrap_err();
        assert_eq!(tries.get(), 1);
        let error = run(u32::MAX, true).await.unwrap_err();
        assert!(tries.get() > 10 && error.to_string().contains("tries="), "{error}");
    }
}
