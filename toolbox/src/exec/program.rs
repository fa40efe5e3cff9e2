//! Where a command's program is.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use rustix::{fs::Access, io::Errno};

use super::failure::Failure;

/// Finds the program before it is started, so that one that is missing is told as what it is. One with a slash is a path,
/// any other is looked for along `path`.
pub(crate) fn find(name: &OsStr, path: &OsStr) -> Result<PathBuf, Failure> {
    if name.as_bytes().contains(&b'/') {
        return executable(Path::new(name)).map(|()| name.into());
    }
    let mut denied = None;
    for directory in std::env::split_paths(path) {
        let directory = if directory.as_os_str().is_empty() { PathBuf::from(".") } else { directory };
        let candidate = directory.join(name);
        match executable(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(failure) if failure.code == DENIED => denied = Some(failure),
            Err(_) => {}
        }
    }
    Err(denied.unwrap_or(Failure { code: MISSING, errno: Errno::NOENT.raw_os_error() }))
}

/// What a command without the variable `PATH` is looked for along.
pub(crate) fn default_path() -> OsString {
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into()
}

const MISSING: &str = "command-missing";
const DENIED: &str = "command-denied";

fn executable(path: &Path) -> Result<(), Failure> {
    let failed = |error: Errno| {
        let code = if matches!(error, Errno::NOENT | Errno::NOTDIR) { MISSING } else { DENIED };
        Failure { code, errno: error.raw_os_error() }
    };
    rustix::fs::access(path, Access::EXEC_OK).map_err(failed)?;
    if path.is_dir() { Err(failed(Errno::ACCESS)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found() {
        assert_eq!(find(OsStr::new("/bin/sh"), OsStr::new("")), Ok("/bin/sh".into()));
        assert_eq!(find(OsStr::new("sh"), OsStr::new("/nowhere:/bin")), Ok("/bin/sh".into()));
    }

    #[test]
    fn what_is_none_is_told() {
        let code = |name: &str, path: &str| find(OsStr::new(name), OsStr::new(path)).unwrap_err().code;
        assert_eq!(code("/no/such", "/bin"), MISSING);
        assert_eq!(code("/etc/passwd/sh", "/bin"), MISSING);
        assert_eq!(code("no-such", "/bin"), MISSING);
        assert_eq!(code("/etc", "/bin"), DENIED);
        assert_eq!(code("passwd", "/etc:/nowhere"), DENIED);
    }
}
