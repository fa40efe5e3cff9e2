//! Tries calls again whose fault may go away by itself.

use std::time::Duration;

use async_trait::async_trait;

use super::{Layer, Next};
use crate::{
    Call, Capabilities, Context, Result,
    helpers::retry::RetryPolicy,
    persist::{Setback, persist},
};

/// Repeats a call that failed with a transient error, if doing it twice is the same as doing it once.
///
/// It is not among the default layers: drivers go on trying by themselves where wharf promises it (stopping, removing), and
/// whether anything else is worth waiting for is the caller's to say. Put it outside [`Timeout`](super::Timeout), so that each
/// try has its own time, and inside [`ErrorContext`](super::ErrorContext).
///
/// - Never repeated: what is not [idempotent](crate::Operation::is_idempotent), and a stop with a grace period, since that
///   would be given anew; what has been handed out, such as a stream or a session that breaks later.
/// - The caller's deadline and cancellation end it at any time, also within a pause.
/// - An error after several tries says how many they were.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// How often, and for how long in all.
    pub policy: RetryPolicy,
}

impl Default for Retry {
    /// Five calls within ten seconds, with pauses from 50 ms, doubling up to 2 s, half of each left to chance.
    fn default() -> Self {
        Self { policy: RetryPolicy { initial: Duration::from_millis(50), ..RetryPolicy::default() } }
    }
}

impl Retry {
    /// Whether a call may be repeated at all.
    #[must_use]
    pub fn may_repeat(call: &Call<'_>) -> bool {
        call.operation().is_idempotent() && call.own_duration().is_zero()
    }
}

#[async_trait]
impl Layer for Retry {
    fn capabilities(&self, below: Capabilities) -> Capabilities {
        below
    }

    async fn around(&self, cx: Context, call: &Call<'_>, next: Next<'_>) -> Result<()> {
        if !Self::may_repeat(call) {
            return next.run(cx).await;
        }
        persist(&cx, self.policy, async |_| next.run(cx.clone()).await.map_err(Setback::if_transient)).await
    }
}
