//! Logs of containers.
//!
//! Kubernetes doesn't tell which of a container's streams a line was written on. A log that is followed is asked for anew when
//! its connection is lost or silent for long, and goes on behind the last line; see [`position`] for how that line is found.

mod lines;
mod position;
mod reader;
#[cfg(test)]
mod tests;

use futures::{StreamExt, stream};
use runtime_core::{Context, Error, ErrorKind, LogOptions, LogStream, Result};

use crate::{driver::K8sDriver, id::ContainerKey, target::missing};

/// What a container wrote, oldest first. `tail` is counted before `since` is looked at, as the kubelet does. Following ends
/// with the life of the container that it began with, or that was to come; a container that is removed has ended.
///
/// # Errors
/// `NotFound`, also when there is no previous life that was asked for. In the stream: `Protocol` for a line without a timestamp, after which the others go on, and what keeps the
/// log from being read to its end.
pub(crate) async fn logs(
    driver: &K8sDriver,
    cx: &Context,
    key: &ContainerKey,
    options: &LogOptions,
) -> Result<LogStream> {
    let target = driver.find_target(cx, key).await?.ok_or_else(|| missing(key))?;
    if !target.has_started() && !options.follow {
        return Ok(stream::empty().boxed());
    }
    if options.previous && !target.has_previous() {
        let message = "the container was not started again: there is no log from before";
        return Err(Error::new(ErrorKind::NotFound, message));
    }
    let reader = reader::Reader::new(driver, cx, key, options, &target);
    let lines = stream::unfold(reader, |mut reader| async { Some((reader.next().await?, reader)) });
    Ok(cx.bound(lines))
}
