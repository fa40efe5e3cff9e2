//! Trying again: bounded in number and in total time, and ended by a cancellation.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// How often and how long to try again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// The first delay.
    #[serde(with = "super::duration")]
    pub initial: Duration,
    /// What each delay is multiplied by to get the next; below 1 counts as 1.
    pub factor: f64,
    /// The longest delay.
    #[serde(with = "super::duration")]
    pub max_delay: Duration,
    /// How much of a delay is left to chance, from 0 (nothing) to 1 (all of it). Chance only shortens.
    pub jitter: f64,
    /// Calls in all, the first one too; 0 counts as 1.
    pub max_attempts: u32,
    /// No delay ends later than this after the start. A call that has begun is not cut.
    #[serde(with = "super::duration")]
    pub total_budget: Duration,
}

impl Default for RetryPolicy {
    /// Five calls within ten seconds: 100 ms, doubling, up to 2 s, half of it left to chance.
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(100),
            factor: 2.0,
            max_delay: Duration::from_secs(2),
            jitter: 0.5,
            max_attempts: 5,
            total_budget: Duration::from_secs(10),
        }
    }
}

impl RetryPolicy {
    /// The delays between the calls: one fewer than attempts, their sum within the budget. The same seed gives the same.
    #[must_use]
    pub fn delays(&self, seed: u64) -> Delays {
        Delays {
            next: self.initial.min(self.max_delay),
            left: self.max_attempts.saturating_sub(1),
            budget: self.total_budget,
            policy: *self,
            seed,
        }
    }
}

/// The delays of one row of attempts, from [`RetryPolicy::delays`].
#[derive(Debug, Clone, PartialEq)]
pub struct Delays {
    policy: RetryPolicy,
    next: Duration,
    left: u32,
    budget: Duration,
    seed: u64,
}

impl Iterator for Delays {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        let full = self.next;
        // NaN grows nothing and shortens nothing.
        let grown = scale(full, self.policy.factor.max(1.0));
        self.next = grown.min(self.policy.max_delay);
        let jitter = if self.policy.jitter > 0.0 { self.policy.jitter.min(1.0) } else { 0.0 };
        let delay = scale(full, 1.0 - jitter * self.chance()).min(full);
        self.budget = self.budget.checked_sub(delay)?;
        Some(delay)
    }
}

impl Delays {
    /// From 0 up to 1, by SplitMix64: small, and enough to keep clients from marching in step.
    fn chance(&mut self) -> f64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.seed;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn scale(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

/// Calls `operation` until it succeeds, fails for good, or the policy is exhausted. It gets the number of the attempt,
/// from 1 on.
///
/// A cancellation ends a delay at once; the running call has to watch for it itself.
///
/// # Errors
/// Tells a failure for good, an exhausted policy and a cancellation apart, with the last error.
pub async fn retry<T, E, F>(
    policy: &RetryPolicy,
    cancel: &CancellationToken,
    is_transient: impl Fn(&E) -> bool,
    mut operation: impl FnMut(u32) -> F,
) -> Result<T, RetryError<E>>
where
    F: Future<Output = Result<T, E>>,
{
    let start = Instant::now();
    let mut delays = policy.delays(RandomState::new().hash_one(policy.max_attempts));
    let mut attempts = 0;
    let mut last = None;
    loop {
        if cancel.is_cancelled() {
            return Err(RetryError::Cancelled { attempts, last });
        }
        attempts += 1;
        let error = match operation(attempts).await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if !is_transient(&error) {
            return Err(RetryError::Permanent { attempts, error });
        }
        let in_budget = |delay: &Duration| start.elapsed().saturating_add(*delay) <= policy.total_budget;
        let Some(delay) = delays.next().filter(in_budget) else {
            return Err(RetryError::Exhausted { attempts, error });
        };
        last = Some(error);
        // Cancelled or slept: the top of the loop tells which.
        let _ = cancel.run_until_cancelled(sleep(delay)).await;
    }
}

/// How trying again ended without success.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RetryError<E> {
    /// The last error is not one that passes.
    #[error("failed for good at attempt {attempts}: {error}")]
    Permanent {
        /// Calls made.
        attempts: u32,
        /// The last error.
        error: E,
    },
    /// Attempts or budget are used up.
    #[error("still failing after {attempts} attempts: {error}")]
    Exhausted {
        /// Calls made.
        attempts: u32,
        /// The last error.
        error: E,
    },
    /// It was cancelled between two calls, or before the first.
    #[error("cancelled after {attempts} attempts")]
    Cancelled {
        /// Calls made.
        attempts: u32,
        /// The last error, if there was a call.
        last: Option<E>,
    },
}

impl<E> RetryError<E> {
    /// The last error of the operation, if it was called.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::Permanent { error, .. } | Self::Exhausted { error, .. } => Some(error),
            Self::Cancelled { last, .. } => last,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEADY: RetryPolicy = RetryPolicy {
        initial: Duration::from_millis(100),
        factor: 2.0,
        max_delay: Duration::from_secs(1),
        jitter: 0.0,
        max_attempts: 8,
        total_budget: Duration::from_secs(60),
    };

    fn millis(policy: &RetryPolicy) -> Vec<u128> {
        policy.delays(0).map(|delay| delay.as_millis()).collect()
    }

    #[test]
    fn delays_double_up_to_a_bound() {
        assert_eq!(millis(&STEADY), [100, 200, 400, 800, 1000, 1000, 1000]);
        assert_eq!(millis(&RetryPolicy { max_attempts: 1, ..STEADY }), [0; 0]);
        assert_eq!(millis(&RetryPolicy { max_attempts: 0, ..STEADY }), [0; 0]);
        assert_eq!(millis(&RetryPolicy { factor: 1.0, max_attempts: 4, ..STEADY }), [100, 100, 100]);
        assert_eq!(millis(&RetryPolicy { factor: f64::NAN, max_attempts: 3, ..STEADY }), [100, 100]);
        let budget = RetryPolicy { total_budget: Duration::from_millis(750), ..STEADY };
        assert_eq!(millis(&budget), [100, 200, 400]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_that_passes() {
        let token = CancellationToken::new();
        let start = Instant::now();
        let outcome = retry(
            &STEADY,
            &token,
            |_: &&str| true,
            async |attempt| {
                if attempt < 4 { Err("busy") } else { Ok(attempt) }
            },
        );
        assert_eq!(outcome.await, Ok(4));
        assert_eq!(start.elapsed().as_millis(), 700);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_that_stays() {
        let token = CancellationToken::new();
        let start = Instant::now();
        let outcome = retry(&STEADY, &token, |_| true, async |_| Err::<(), _>("busy")).await;
        assert_eq!(outcome, Err(RetryError::Exhausted { attempts: 8, error: "busy" }));
        assert_eq!(start.elapsed().as_millis(), 4500);
        let outcome = retry(&STEADY, &token, |e| *e != "gone", async |_| Err::<(), _>("gone")).await;
        assert_eq!(outcome, Err(RetryError::Permanent { attempts: 1, error: "gone" }));
        assert_eq!(start.elapsed().as_millis(), 4500);
    }

    #[tokio::test(start_paused = true)]
    async fn slow_calls_count_against_the_budget() {
        let policy = RetryPolicy { total_budget: Duration::from_secs(5), ..STEADY };
        let token = CancellationToken::new();
        let start = Instant::now();
        let outcome = retry(
            &policy,
            &token,
            |_| true,
            async |_| {
                sleep(Duration::from_secs(2)).await;
                Err::<(), _>("busy")
            },
        );
        // Calls at 0, 2.1 and 4.3 s; at 6.3 s the budget is gone, and no delay begins.
        assert_eq!(outcome.await, Err(RetryError::Exhausted { attempts: 3, error: "busy" }));
        assert_eq!(start.elapsed().as_millis(), 6300);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancellation_ends_the_delay() {
        let policy = RetryPolicy { initial: Duration::from_secs(1), ..STEADY };
        let token = CancellationToken::new();
        let start = Instant::now();
        let cancel = async {
            sleep(Duration::from_millis(10)).await;
            token.cancel();
        };
        let (outcome, ()) =
            tokio::join!(retry(&policy, &token, |_| true, async |_| Err::<(), _>("busy")), cancel);
        assert_eq!(outcome, Err(RetryError::Cancelled { attempts: 1, last: Some("busy") }));
        assert_eq!(start.elapsed().as_millis(), 10);
        let outcome = retry(&policy, &token, |_: &&str| true, async |_| Ok(())).await;
        assert_eq!(outcome, Err(RetryError::Cancelled { attempts: 0, last: None }));
    }

    #[test]
    fn serde_writes_durations_as_text() {
        let json = serde_json::to_string(&RetryPolicy::default()).unwrap();
        assert!(json.contains(r#""initial":"100ms""#), "{json}");
        assert_eq!(serde_json::from_str::<RetryPolicy>(&json).unwrap(), RetryPolicy::default());
    }

    proptest! {
        #[test]
        fn delays_keep_their_bounds(
            seed: u64, [initial, max_delay, total_budget]: [Duration; 3], max_attempts in 0..50u32,
            factor in prop::num::f64::ANY, jitter in prop::num::f64::ANY,
        ) {
            let policy = RetryPolicy { initial, max_delay, total_budget, max_attempts, factor, jitter };
            let delays: Vec<Duration> = policy.delays(seed).collect();
            prop_assert!(delays.len() <= max_attempts.saturating_sub(1) as usize);
            prop_assert!(delays.iter().all(|&delay| delay <= policy.max_delay));
            let sum = delays.iter().try_fold(Duration::ZERO, |sum, &delay| sum.checked_add(delay));
            prop_assert!(sum.is_some_and(|sum| sum <= policy.total_budget));
            prop_assert_eq!(delays, policy.delays(seed).collect::<Vec<_>>());
        }

        #[test]
        fn jitter_only_shortens_and_by_no_more_than_its_share(seed: u64) {
            let policy = RetryPolicy { jitter: 0.5, ..STEADY };
            for (delay, full) in policy.delays(seed).zip(STEADY.delays(seed)) {
                prop_assert!(delay <= full && delay >= full / 2, "{:?} of {:?}", delay, full);
            }
        }
    }
}
