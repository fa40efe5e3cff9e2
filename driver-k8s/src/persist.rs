//! Going on trying to end something: requests that may be repeated, until they are done or it is hopeless.

use std::time::Duration;

use runtime_core::{
    Context, Result,
    persist::{self, for_up_to},
};

/// How long after the beginning another try may begin.
const BUDGET: Duration = Duration::from_secs(25);

/// Calls `operation` until it succeeds, fails for good, 25 s have passed, or the context ends.
///
/// # Errors
/// Those of [`persist::persist`].
pub(crate) async fn persist<T, F>(cx: &Context, mut operation: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let tries = persist::persist(cx, for_up_to(BUDGET), |_| {
        let trying = operation();
        async move { Ok(trying.await?) }
    });
    tries.await
}
