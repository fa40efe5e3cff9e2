//! Waiting for files to change, by inotify, and by looking where the kernel has none left to give.

use std::{
    fmt, io,
    os::fd::{AsFd, AsRawFd},
    path::Path,
    time::Duration,
};

use futures::{FutureExt, StreamExt};
use inotify::{EventStream, Inotify, WatchMask};
use tokio::runtime::Handle;

/// First and longest pause between two looks where the kernel has no inotify instance left to give.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// Room for many events; one needs at most 272 bytes.
const BUFFER_BYTES: usize = 4096;

/// Tells when something has happened to one of the files and directories that were added.
pub struct Watch(How);

enum How {
    /// By the kernel's word.
    Events(EventStream<Vec<u8>>),
    /// By looking again and again: the user's inotify instances or watches are used up.
    Polling {
        /// The next pause, doubling.
        pause: Duration,
    },
}

impl Watch {
    /// Watches nothing yet. To be called within a tokio runtime.
    #[must_use]
    pub fn new() -> Self {
        let events = Inotify::init().and_then(|inotify| inotify.into_event_stream(vec![0; BUFFER_BYTES]));
        events.map_or_else(Self::polling, |events| Self(How::Events(events)))
    }

    /// Writes to an open file are told from now on, whatever its name is or will be.
    pub fn add_file(&mut self, file: &impl AsFd) {
        let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
        if let Err(error) = self.add(Path::new(&path), WatchMask::MODIFY) {
            *self = Self::polling(error);
        }
    }

    /// Files that appear next to `path` are told from now on. As long as its directory is missing, that of the nearest
    /// directory above which is there.
    pub fn add_directory_of(&mut self, path: &Path) {
        let mask = WatchMask::CREATE | WatchMask::MOVED_TO | WatchMask::DELETE_SELF | WatchMask::MOVE_SELF;
        let mut directory = parent(path);
        loop {
            match self.add(directory, mask | WatchMask::ONLYDIR) {
                Ok(()) => return,
                Err(error) if error.kind() == io::ErrorKind::NotFound && directory != parent(directory) => {
                    directory = parent(directory);
                }
                Err(error) => {
                    *self = Self::polling(error);
                    return;
                }
            }
        }
    }

    /// Waits for news. What happens between two calls is not lost, and it may be told more than once.
    pub async fn changed(&mut self) {
        match &mut self.0 {
            How::Events(events) => {
                if let Some(Err(error)) = events.next().await {
                    *self = Self::polling(error);
                    return;
                }
                // Whatever has come with it needs one look, not many.
                while let Some(Some(Ok(_))) = events.next().now_or_never() {}
            }
            How::Polling { pause } => {
                tokio::time::sleep(*pause).await;
                *pause = (*pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// There was something to read: look again soon.
    pub fn found(&mut self) {
        if let How::Polling { pause } = &mut self.0 {
            *pause = FIRST_PAUSE;
        }
    }

    fn add(&self, path: &Path, mask: WatchMask) -> io::Result<()> {
        match &self.0 {
            How::Events(events) => events.watches().add(path, mask).map(drop),
            How::Polling { .. } => Ok(()),
        }
    }

    fn polling(error: io::Error) -> Self {
        tracing::debug!(%error, "no inotify, polling");
        Self(How::Polling { pause: FIRST_PAUSE })
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

/// The kernel takes some 20 ms to close an inotify instance that watches something, which nobody should have to wait for.
impl Drop for Watch {
    fn drop(&mut self) {
        let how = std::mem::replace(&mut self.0, How::Polling { pause: FIRST_PAUSE });
        if let (How::Events(events), Ok(runtime)) = (how, Handle::try_current()) {
            runtime.spawn_blocking(move || drop(events));
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("polls", &matches!(self.0, How::Polling { .. })).finish()
    }
}

/// The directory that a path is in; that of the root is the root.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn without_inotify_pauses_double_to_a_cap_and_begin_again_when_something_came() {
        let mut watch = Watch::polling(io::Error::from(io::ErrorKind::QuotaExceeded));
        let started = tokio::time::Instant::now();
        for _ in 0..10 {
            watch.changed().await;
        }
        // 1 + 2 + … + 128, then twice the cap.
        assert_eq!(started.elapsed(), Duration::from_millis(255 + 2 * 250));
        watch.found();
        let started = tokio::time::Instant::now();
        watch.changed().await;
        assert_eq!(started.elapsed(), FIRST_PAUSE);
    }

    #[test]
    fn parents() {
        for (path, expected) in [("/a/b", "/a"), ("/a", "/"), ("/", "/"), ("a", "."), ("", "")] {
            assert_eq!(parent(Path::new(path)), Path::new(expected), "{path:?}");
        }
    }
}
