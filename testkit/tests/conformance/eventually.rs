//! Waiting for what comes about by itself.

use std::time::Duration;

use testkit::conformance::Verdict;
use tokio::time::Instant;

/// How long it may take, on a machine that has other things to do.
const IN_TIME: Duration = Duration::from_secs(30);

/// Tries until it holds.
pub(crate) async fn eventually(check: impl Fn() -> Verdict) -> Verdict {
    let deadline = Instant::now() + IN_TIME;
    let mut pause = Duration::from_millis(1);
    loop {
        match check() {
            Err(failure) if Instant::now() >= deadline => return Err(failure),
            Err(_) => tokio::time::sleep(pause).await,
            Ok(()) => return Ok(()),
        }
        pause = Duration::from_millis(200).min(pause * 2);
    }
}
