//! Cleaning up after a measurement.

use crate::Result;

/// Does the work, then cleans up, whatever came of it or if it is interrupted.
pub(crate) async fn then_clean<T>(
    work: impl Future<Output = Result<T>>,
    clean: impl Future<Output = Result<()>>,
) -> Result<T> {
    let done = tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
    };
    let cleaned = clean.await;
    let value = done?;
    cleaned?;
    Ok(value)
}
