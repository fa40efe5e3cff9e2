//! Logs of containers, read from the files that CRI runtimes write.

mod file;
mod files;
mod follow;
mod stream;
mod tail;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, path::Path};

use futures::{StreamExt, stream as streams};
use k8s_cri::v1 as cri;
use runtime_core::{ContainerPhase, Context, Error, ErrorKind, LogOptions, LogStream, Result};
use tokio::task::spawn_blocking;

use crate::{driver::CriDriver, translate::status};

pub(crate) use files::remove;

/// The longest line of a log that comes as one item, in bytes. What is longer comes in pieces, all but the last marked as
/// incomplete.
pub const MAX_LOG_LINE_BYTES: usize = 1 << 20;

/// What a container wrote.
pub(crate) async fn read(
    driver: &CriDriver,
    cx: &Context,
    container: cri::ContainerStatus,
    options: &LogOptions,
) -> Result<LogStream> {
    if container.log_path.is_empty() {
        return Err(Error::new(ErrorKind::InvalidState, "the container was made without a log file"));
    }
    let path = Path::new(&container.log_path).to_owned();
    // The watch comes first, so that nothing written after the files are opened goes unnoticed.
    let ended = status::container_phase(container.state) == ContainerPhase::Exited;
    let follow = (options.follow && !ended).then(|| follow::Follow::new(driver, cx, &path, container.id));
    let (of_task, tail) = (path.clone(), options.tail);
    let opened = spawn_blocking(move || files::open(&of_task, tail)).await.map_err(std::io::Error::from).flatten();
    let opened = opened.map_err(|error| unreadable(&path, &error))?;
    let reader = stream::Reader::new(path, opened, options.since, follow);
    let lines = streams::unfold(Some(reader), |reader| async {
        let mut reader = reader?;
        match reader.next().await {
            Ok(Some(line)) => Some((Ok(line), Some(reader))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(cx.bound(lines.boxed()))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::Failed,
    };
    Error::new(kind, format!("can't read the log {}: {error}", path.display()))
}

/// Files of one log, from the oldest.
type Files = VecDeque<file::LogFile>;
