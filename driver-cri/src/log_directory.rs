//! The directories of pods' logs: named, made, locked, removed.

use std::{
    io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    time::Duration,
};

use runtime_core::{Context, Error, ErrorKind, Result, spec::PodSpec};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, open};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

/// The most bytes of a file name.
const MAX_NAME: usize = 255;

/// The longest time between two looks at a lock that somebody else holds.
const MAX_PAUSE: Duration = Duration::from_millis(50);

/// The log directory of a pod that doesn't name one: `NAMESPACE_NAME_UID` as the kubelet has it, and the attempt where it
/// isn't the first, since two attempts can exist at the same time.
pub(crate) fn of_pod(root: &Path, spec: &PodSpec) -> PathBuf {
    let uid = spec.uid.as_deref().unwrap_or_default();
    let mut name = format!("{}_{}_{uid}", spec.namespace_or_default(), spec.name);
    if spec.attempt != 0 {
        name = format!("{name}_{}", spec.attempt);
    }
    if name.len() > MAX_NAME {
        let sum = hex(&Sha256::digest(name.as_bytes())[..16]);
        let readable: String = name.chars().take(MAX_NAME - sum.len() - 1).collect();
        name = format!("{readable}_{sum}");
    }
    root.join(name)
}

/// A directory that is held by one create at a time, of whatever process of this host.
///
/// A runtime that is busy with a create already refuses a second one of the same name, and lists neither. Who waits for the
/// lock first finds the winner listed, or gone.
#[derive(Debug)]
pub(crate) struct Held {
    path: PathBuf,
    /// The directory wasn't there before.
    pub(crate) made: bool,
    _lock: OwnedFd,
}

impl Held {
    /// Makes the directory if it isn't there, and waits until nobody else holds it.
    pub(crate) async fn take(cx: &Context, path: &Path) -> Result<Self> {
        let mut pause = Duration::from_millis(1);
        let mut made = false;
        loop {
            let of_task = path.to_owned();
            let taken = spawn_blocking(move || try_take(&of_task)).await.map_err(io::Error::from);
            let (made_now, lock) = taken.flatten().map_err(|error| cannot("make", path, &error))?;
            made |= made_now;
            if let Some(lock) = lock {
                return Ok(Self { path: path.to_owned(), made, _lock: lock });
            }
            cx.run(async {
                tokio::time::sleep(pause).await;
                Ok(())
            })
            .await?;
            pause = MAX_PAUSE.min(pause * 2);
        }
    }

    /// Removes the directory if nothing is in it, because nothing came of the create.
    pub(crate) async fn abandon(self) {
        if self.made {
            // Somebody's file in it is a reason to leave it.
            drop(tokio::fs::remove_dir(&self.path).await);
        }
    }
}

/// Whether it made the directory; and the lock, unless another has it.
fn try_take(path: &Path) -> io::Result<(bool, Option<OwnedFd>)> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let made = match std::fs::create_dir(path) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => false,
        Err(error) => return Err(error),
    };
    let lock = match open(path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(lock) => lock,
        // Removed by whoever held it: made again the next time.
        Err(rustix::io::Errno::NOENT) => return Ok((false, None)),
        Err(error) => return Err(error.into()),
    };
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok((made, None)),
        Err(error) => return Err(error.into()),
    }
    // The lock of a directory that was removed meanwhile keeps nobody out of the new one.
    let is_current = match std::fs::metadata(path) {
        Ok(current) => current.ino() == fstat(&lock)?.st_ino,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    Ok(if is_current { (made, Some(lock)) } else { (false, None) })
}

/// Removes a directory with all that is in it; missing is `Ok`.
pub(crate) async fn remove(path: &Path) -> Result<()> {
    match tokio::fs::remove_dir_all(path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot("remove", path, &error)),
        _ => Ok(()),
    }
}

fn cannot(verb: &str, path: &Path, error: &io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::PermissionDenied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::ResourceExhausted,
        _ => ErrorKind::Failed,
    };
    Error::new(kind, format!("can't {verb} the log directory {}: {error}", path.display()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_kubelet_and_fit() {
        let mut spec = PodSpec::new("web");
        spec.uid = Some("u".to_owned());
        assert_eq!(of_pod(Path::new("/l"), &spec), Path::new("/l/default_web_u"));
        spec.attempt = 2;
        assert_eq!(of_pod(Path::new("/l"), &spec), Path::new("/l/default_web_u_2"));
        spec.name = "a".repeat(253);
        let first = of_pod(Path::new("/l"), &spec);
        spec.attempt = 3;
        let second = of_pod(Path::new("/l"), &spec);
        assert_eq!(first.file_name().unwrap().len(), 255);
        assert_ne!(first, second);
    }

    #[tokio::test]
    async fn one_at_a_time_and_abandoned_directories_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("root").join("pod");
        let cx = Context::background();
        let first = Held::take(&cx, &path).await.unwrap();
        assert!(first.made);
        let second = Held::take(&cx, &path);
        tokio::pin!(second);
        tokio::select! {
            biased;
            _ = &mut second => unreachable!("it is held"),
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
        first.abandon().await;
        let second = second.await.unwrap();
        assert!(second.made && path.is_dir());
        drop(second);
        let third = Held::take(&cx, &path).await.unwrap();
        assert!(!third.made);
        third.abandon().await;
        assert!(path.is_dir(), "it was there before");
    }

    #[tokio::test]
    async fn a_file_in_its_place_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "").unwrap();
        let error = Held::take(&Context::background(), &path).await.unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }
}
