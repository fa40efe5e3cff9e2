//! Whether what is to be mounted is a file: the daemon would wait for ever on a pipe, and has no kind for one that is missing.

use runtime_core::{Context, Error, Result};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, StatxFlags, openat2, statx};

/// Refuses what is no file.
///
/// # Errors
/// `InvalidArgument` with the field `spec.source`.
pub(crate) async fn check_source(cx: &Context, source: &str) -> Result<()> {
    let no_file = || Error::invalid("spec.source", format!("{source} is no file"));
    if let Some(kind) = known_kind(source) {
        return if kind.is_file() { Ok(()) } else { Err(no_file()) };
    }
    cx.run(async {
        match tokio::fs::metadata(source).await {
            Ok(found) if found.is_file() => Ok(()),
            Ok(_) => Err(no_file()),
            Err(error) => {
                Err(Error::invalid("spec.source", format!("{source} can't be used: {error}"))
                    .with_source(error))
            }
        }
    })
    .await
}

/// What the kernel knows of a path without waiting for a disk or another host; `None` if it would have to, or if it is too
/// old to be asked so (before 5.12).
///
/// A thread that may wait costs two turns of the scheduler, about a fifth of a whole mount.
fn known_kind(source: &str) -> Option<FileType> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let found = openat2(CWD, source, flags, Mode::empty(), ResolveFlags::CACHED).ok()?;
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let status = statx(found, "", flags, StatxFlags::TYPE).ok()?;
    Some(FileType::from_raw_mode(status.stx_mode.into()))
}

#[cfg(test)]
mod tests {
    use runtime_core::ErrorKind;

    use super::*;

    #[tokio::test]
    async fn only_files_are_taken() {
        let directory = tempfile::tempdir().unwrap();
        let [file, pipe, link, missing] =
            ["file", "pipe", "link", "missing"].map(|name| directory.path().join(name));
        std::fs::write(&file, "").unwrap();
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let cx = Context::background();
        for good in [&file, &link] {
            check_source(&cx, good.to_str().unwrap()).await.unwrap();
        }
        for bad in [&pipe, &missing, &file.join("below"), directory.path()] {
            let error = check_source(&cx, bad.to_str().unwrap()).await.unwrap_err();
            let said = (error.kind(), error.field());
            assert_eq!(said, (ErrorKind::InvalidArgument, Some("spec.source")), "{bad:?}: {error}");
        }
    }

    #[test]
    fn what_was_just_used_is_known() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        // A kernel that can't be asked knows nothing; never does it know something wrong.
        let known = known_kind(file.to_str().unwrap());
        assert!(known.is_none_or(FileType::is_file), "{known:?}");
        assert_eq!(known_kind(directory.path().join("missing").to_str().unwrap()), None);
    }
}
