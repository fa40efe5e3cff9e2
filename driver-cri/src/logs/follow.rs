//! Waiting for more of a log: the directory's events, and the container's end.

use std::{fmt, io, path::Path, path::PathBuf, time::Duration};

use futures::{FutureExt, StreamExt, future::BoxFuture};
use inotify::{EventStream, Inotify, WatchMask};
use runtime_core::{Context, ExitStatus, Result};

use crate::{driver::CriDriver, wait};

/// The longest time between two looks where there is nothing to watch: no directory yet, or no watches left.
const MAX_PAUSE: Duration = Duration::from_millis(500);

/// Follows the directory of a log until its container has ended.
pub(super) struct Follow {
    directory: PathBuf,
    events: Option<EventStream<[u8; 4096]>>,
    pause: Duration,
    /// `None` once the container has ended.
    exit: Option<BoxFuture<'static, Result<ExitStatus>>>,
}

impl Follow {
    pub(super) fn new(driver: &CriDriver, cx: &Context, log: &Path, container: String) -> Self {
        let directory = log.parent().unwrap_or(Path::new("/")).to_owned();
        let (driver, cx) = (driver.clone(), cx.clone());
        let exit = async move { wait::for_exit(&driver, &cx, &container).await };
        Self {
            events: watch(&directory).ok(),
            directory,
            pause: Duration::from_millis(1),
            exit: Some(exit.boxed()),
        }
    }

    /// Waits until there may be more to read; `false` if the container has ended, so that there won't be.
    pub(super) async fn more(&mut self) -> Result<bool> {
        let Some(exit) = &mut self.exit else { return Ok(false) };
        let Some(events) = &mut self.events else {
            return self.look().await;
        };
        tokio::select! {
            biased;
            // However many there are, one look answers them all.
            event = events.next() => {
                if !matches!(event, Some(Ok(_))) {
                    self.events = None;
                }
            }
            exit = exit => {
                // What it wrote last is read once more; then there is nothing to wait for.
                exit?;
                self.exit = None;
            }
        }
        Ok(true)
    }

    async fn look(&mut self) -> Result<bool> {
        if let Some(exit) = &mut self.exit {
            tokio::select! {
                biased;
                exit = exit => {
                    exit?;
                    self.exit = None;
                }
                () = tokio::time::sleep(self.pause) => {
                    self.pause = MAX_PAUSE.min(self.pause * 2);
                    self.events = watch(&self.directory).ok();
                }
            }
        }
        Ok(true)
    }
}

impl fmt::Debug for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow").field("directory", &self.directory).finish_non_exhaustive()
    }
}

fn watch(directory: &Path) -> io::Result<EventStream<[u8; 4096]>> {
    let inotify = Inotify::init()?;
    let what = WatchMask::MODIFY | WatchMask::CREATE | WatchMask::MOVE | WatchMask::ONLYDIR;
    inotify.watches().add(directory, what)?;
    inotify.into_event_stream([0; 4096])
}
