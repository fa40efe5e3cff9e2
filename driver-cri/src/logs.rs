//! Logs of containers, read from the files that CRI runtimes write.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use futures::{FutureExt, StreamExt, future, stream};
use k8s_cri::v1 as cri;
use runtime_core::{ContainerPhase, Context, Error, ErrorKind, LogOptions, LogStream, Result, log_file};
use tokio::task::spawn_blocking;

use crate::{driver::CriDriver, translate::status, wait};

/// What a container wrote.
pub(crate) fn read(
    driver: &CriDriver,
    cx: &Context,
    container: cri::ContainerStatus,
    options: &LogOptions,
) -> Result<LogStream> {
    if container.log_path.is_empty() {
        return Err(Error::new(ErrorKind::InvalidState, "the container was made without a log file"));
    }
    let path = PathBuf::from(&container.log_path);
    if !options.follow || status::container_phase(container.state) == ContainerPhase::Exited {
        return Ok(cx.bound(log_file::read(path, options, future::ready(()))));
    }
    let lost = Arc::new(OnceLock::new());
    let (of_wait, driver, of_call) = (Arc::clone(&lost), driver.clone(), cx.clone());
    // Runtimes say that a container has ended once its log is written.
    let ended = async move {
        if let Err(error) = wait::for_exit(&driver, &of_call, &container.id).await {
            // The call's own end is told by the bound below.
            drop(of_wait.set(error));
        }
    };
    let lines = log_file::read(path, options, ended);
    // A runtime that was lost is no end of a log.
    let end = async move { Arc::into_inner(lost).and_then(OnceLock::into_inner).map(Err) };
    let end = stream::once(end.boxed()).filter_map(future::ready);
    Ok(cx.bound(lines.chain(end)))
}

/// Removes a log with its rotated files, compressed or not, and its directory if nothing else is in it; missing is `Ok`.
pub(crate) async fn remove(path: &Path) -> Result<()> {
    let of_task = path.to_owned();
    let removed = spawn_blocking(move || remove_now(&of_task)).await.map_err(io::Error::from).flatten();
    removed.map_err(|error| {
        Error::new(ErrorKind::Failed, format!("can't remove the log {}: {error}", path.display()))
    })
}

fn remove_now(path: &Path) -> io::Result<()> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let found = entry.file_name();
        let rest = found.as_encoded_bytes().strip_prefix(name.as_encoded_bytes());
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b".")) {
            match std::fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    // Logs of other attempts may be in it.
    drop(std::fs::remove_dir(directory));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_log_goes_with_its_rotated_files_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("main").join("0.log");
        remove(&path).await.unwrap();
        std::fs::create_dir(dir.path().join("main")).unwrap();
        for name in ["0.log", "0.log.20240101-000000", "0.log.20240101-000000.gz", "00.log", "1.log"] {
            std::fs::write(path.with_file_name(name), "").unwrap();
        }
        remove(&path).await.unwrap();
        let mut left: Vec<_> = std::fs::read_dir(dir.path().join("main"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["00.log", "1.log"]);
        remove(&path.with_file_name("00.log")).await.unwrap();
        remove(&path.with_file_name("1.log")).await.unwrap();
        assert!(!dir.path().join("main").exists());
    }
}
