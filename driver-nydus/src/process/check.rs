//! What is looked at before a daemon is started, each with an error of its own that names the field.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use runtime_core::{Error, Result};
use rustix::fs::{Access, access};
use serde::{Deserialize, Serialize};

use super::sockets::{self, Found, MAX_PATH_BYTES};
use crate::{Mode, NydusPodOptions, io_error::failed, process::arguments::Serves};

/// The field of the configuration with the program.
const PROGRAM: &str = "nydusd";

/// Where a daemon's things are: as the caller said, else below its own directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Places {
    pub(crate) mode: Mode,
    pub(crate) api_socket: PathBuf,
    /// The vhost-user socket, or the mount point.
    pub(crate) serves: PathBuf,
    pub(crate) source: PathBuf,
}

impl Places {
    /// The places of a pod with this directory.
    pub(crate) fn new(options: &NydusPodOptions, default_mode: Mode, directory: &Path) -> Self {
        let or = |said: &Option<PathBuf>, name: &str| said.clone().unwrap_or_else(|| directory.join(name));
        let mode = options.mode.unwrap_or(default_mode);
        let serves = match mode {
            Mode::Virtiofs => or(&options.socket, "virtiofs.sock"),
            Mode::Fuse => or(&options.mountpoint, "mnt"),
        };
        Self {
            mode,
            api_socket: or(&options.api_socket, "api.sock"),
            serves,
            source: or(&options.source, "share"),
        }
    }

    pub(crate) fn serves(&self, hybrid_mode: bool) -> Serves<'_> {
        match self.mode {
            Mode::Virtiofs => Serves::Virtiofs { socket: &self.serves, hybrid_mode },
            Mode::Fuse => Serves::Fuse { mountpoint: &self.serves },
        }
    }

    /// The sockets.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = &Path> {
        [Some(self.api_socket.as_path()), self.socket()].into_iter().flatten()
    }

    pub(crate) fn socket(&self) -> Option<&Path> {
        (self.mode == Mode::Virtiofs).then_some(&self.serves)
    }

    pub(crate) fn mountpoint(&self) -> Option<&Path> {
        (self.mode == Mode::Fuse).then_some(&self.serves)
    }
}

/// Finds the program: a path as it is, a name in `PATH`.
///
/// # Errors
/// `InvalidArgument` if it isn't there, or may not be run.
pub(crate) fn find_program(program: &Path) -> Result<PathBuf> {
    let is_path = program.components().count() > 1 || program.is_absolute();
    let candidates: Vec<PathBuf> = if is_path {
        vec![program.to_owned()]
    } else {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path).map(|directory| directory.join(program)).collect()
    };
    let mut seen = None;
    for candidate in candidates {
        match fs::metadata(&candidate) {
            Ok(found) if found.is_file() && access(&candidate, Access::EXEC_OK).is_ok() => {
                return std::path::absolute(&candidate).map_err(|error| failed("find the program", error));
            }
            Ok(_) => seen = seen.or(Some(candidate)),
            Err(_) => {}
        }
    }
    let message = match seen {
        Some(seen) => format!("{} can't be run", seen.display()),
        None if is_path => format!("there is no program {}", program.display()),
        None => format!("there is no program {} in PATH", program.display()),
    };
    Err(Error::invalid(PROGRAM, message))
}

/// Checks the options of a pod by themselves, without any IO.
///
/// # Errors
/// `InvalidArgument` naming the field.
pub(crate) fn options(options: &NydusPodOptions, default_mode: Mode) -> Result<()> {
    let NydusPodOptions {
        mode,
        source,
        api_socket,
        socket,
        mountpoint,
        log_level: _,
        hybrid_mode,
        supervisor,
        network_namespace,
        extra_arguments,
    } = options;
    for (name, path) in [
        ("source", source),
        ("apiSocket", api_socket),
        ("socket", socket),
        ("mountpoint", mountpoint),
        ("supervisor", supervisor),
        ("networkNamespace", network_namespace),
    ] {
        if let Some(path) = path {
            is_plain(path).map_err(|message| invalid(name, message))?;
        }
    }
    for (name, path) in [("apiSocket", api_socket), ("socket", socket), ("supervisor", supervisor)] {
        if let Some(path) = path {
            fits(path).map_err(|message| invalid(name, message))?;
        }
    }
    match mode.unwrap_or(default_mode) {
        Mode::Virtiofs if mountpoint.is_some() => {
            return Err(invalid("mountpoint", "in virtiofs mode nothing is mounted on this host"));
        }
        Mode::Fuse if socket.is_some() => {
            return Err(invalid("socket", "in fuse mode there is no vhost-user socket"));
        }
        Mode::Fuse if *hybrid_mode => {
            return Err(invalid("hybridMode", "there is none in fuse mode"));
        }
        _ => {}
    }
    if socket.is_some() && socket == api_socket {
        return Err(invalid("socket", "it is the same as apiSocket"));
    }
    if extra_arguments.iter().any(|argument| argument.contains('\0')) {
        return Err(invalid("extraArguments", "one has a zero byte, which can't be passed"));
    }
    Ok(())
}

/// Looks whether what the caller named is there, and whether sockets can be made.
///
/// # Errors
/// `InvalidArgument` naming the field; `PermissionDenied` or `ResourceExhausted` where it can't be seen.
pub(crate) fn surroundings(options: &NydusPodOptions, places: &Places) -> Result<()> {
    if let Some(source) = &options.source {
        is_directory("source", source)?;
    }
    if let Some(mountpoint) = &options.mountpoint {
        is_directory("mountpoint", mountpoint)?;
        let mut entries = fs::read_dir(mountpoint)
            .map_err(|error| failed("read the mount point", error).in_nydus("mountpoint"))?;
        if entries.next().is_some() {
            return Err(invalid("mountpoint", format!("{} is not empty", mountpoint.display())));
        }
    }
    if let Some(namespace) = &options.network_namespace
        && !exists(namespace).map_err(|error| failed("look at the network namespace", error))?
    {
        return Err(invalid("networkNamespace", format!("there is no {}", namespace.display())));
    }
    for (name, said, path) in [
        ("apiSocket", options.api_socket.is_some(), Some(places.api_socket.as_path())),
        ("socket", options.socket.is_some(), places.socket()),
    ] {
        let Some(path) = path else { continue };
        // What the caller didn't say is too long because of the work directory.
        fits(path).map_err(|message| {
            if said { invalid(name, message) } else { Error::invalid("work_dir", message) }
        })?;
        if !said {
            continue;
        }
        is_directory(name, path.parent().unwrap_or(Path::new("/")))?;
        match sockets::look(path).map_err(|error| failed("look at the socket", error).in_nydus(name))? {
            Found::Nothing | Found::Stale => {}
            Found::Live(_) => return Err(invalid(name, format!("somebody listens on {}", path.display()))),
            Found::Other => {
                return Err(invalid(name, format!("{} is there, and is no socket", path.display())));
            }
        }
    }
    Ok(())
}

fn is_directory(field: &str, path: &Path) -> Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(invalid(field, format!("{} is not a directory", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(invalid(field, format!("there is no directory {}", path.display())))
        }
        Err(error) => Err(failed(format_args!("look at {}", path.display()), error).in_nydus(field)),
    }
}

fn exists(path: &Path) -> io::Result<bool> {
    path.try_exists()
}

/// The daemon gets it as it is, and later processes look for it.
fn is_plain(path: &Path) -> Result<(), String> {
    if !path.is_absolute() {
        return Err(format!("{} is not an absolute path", path.display()));
    }
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err("it has a zero byte, which no path has".to_owned());
    }
    Ok(())
}

fn fits(path: &Path) -> Result<(), String> {
    let length = path.as_os_str().len();
    if length <= MAX_PATH_BYTES {
        return Ok(());
    }
    let path = path.display();
    Err(format!("the path of a socket has at most {MAX_PATH_BYTES} bytes, {path} has {length}"))
}

fn invalid(field: &str, message: impl std::fmt::Display) -> Error {
    Error::invalid(field_of(field), message)
}

fn field_of(field: &str) -> String {
    format!("extensions.nydus.{field}")
}

/// Names one of the options.
trait InNydus {
    fn in_nydus(self, field: &str) -> Self;
}

impl InNydus for Error {
    fn in_nydus(self, field: &str) -> Self {
        self.with_field(field_of(field))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::PermissionsExt, net::UnixListener};

    use runtime_core::ErrorKind;

    use super::*;

    fn refused(asked: &NydusPodOptions, mode: Mode) -> Error {
        let error = options(asked, mode)
            .and_then(|()| surroundings(asked, &Places::new(asked, mode, Path::new("/w/pods/1"))))
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        error
    }

    #[test]
    fn programs() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("nydusd");
        assert!(find_program(&program).unwrap_err().message().contains("there is no program"));
        fs::write(&program, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(find_program(&program).unwrap_err().message().contains("can't be run"));
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find_program(&program).unwrap(), program);
        assert!(find_program(directory.path()).unwrap_err().message().contains("can't be run"));
        assert!(find_program(Path::new("sh")).unwrap().is_absolute());
        let missing = find_program(Path::new("no-such-program")).unwrap_err();
        assert_eq!(missing.field(), Some("nydusd"));
        assert!(missing.message().contains("in PATH"), "{missing}");
    }

    #[test]
    fn each_option_is_refused_by_its_own_name() {
        let path = |text: &str| Some(PathBuf::from(text));
        let base = NydusPodOptions::default;
        let long = PathBuf::from(format!("/tmp/{}", "x".repeat(103)));
        assert_eq!(long.as_os_str().len(), 108);
        for (options, mode, field, part) in [
            (NydusPodOptions { source: path("a"), ..base() }, Mode::Fuse, "source", "absolute"),
            (NydusPodOptions { source: path("/no/such"), ..base() }, Mode::Fuse, "source", "no directory"),
            (
                NydusPodOptions { source: path("/dev/null"), ..base() },
                Mode::Fuse,
                "source",
                "not a directory",
            ),
            (
                NydusPodOptions { api_socket: path("/no/such/a"), ..base() },
                Mode::Fuse,
                "apiSocket",
                "no directory",
            ),
            (
                NydusPodOptions { api_socket: path("/dev/null"), ..base() },
                Mode::Fuse,
                "apiSocket",
                "no socket",
            ),
            (NydusPodOptions { api_socket: Some(long), ..base() }, Mode::Fuse, "apiSocket", "107"),
            (
                NydusPodOptions { socket: path("/no/such/v"), ..base() },
                Mode::Virtiofs,
                "socket",
                "no directory",
            ),
            (NydusPodOptions { socket: path("/tmp/v"), ..base() }, Mode::Fuse, "socket", "fuse mode"),
            (
                NydusPodOptions { mountpoint: path("/no/such"), ..base() },
                Mode::Fuse,
                "mountpoint",
                "no directory",
            ),
            (NydusPodOptions { mountpoint: path("/proc"), ..base() }, Mode::Fuse, "mountpoint", "not empty"),
            (
                NydusPodOptions { mountpoint: path("/mnt"), ..base() },
                Mode::Virtiofs,
                "mountpoint",
                "virtiofs",
            ),
            (NydusPodOptions { hybrid_mode: true, ..base() }, Mode::Fuse, "hybridMode", "fuse"),
            (
                NydusPodOptions { network_namespace: path("/no/such"), ..base() },
                Mode::Fuse,
                "networkNamespace",
                "there is no",
            ),
            (
                NydusPodOptions { extra_arguments: vec!["\0".into()], ..base() },
                Mode::Fuse,
                "extraArguments",
                "zero byte",
            ),
        ] {
            let error = refused(&options, mode);
            assert_eq!(error.field(), Some(&*format!("extensions.nydus.{field}")), "{error}");
            assert!(error.message().contains(part), "{error}");
        }
    }

    #[test]
    fn a_socket_that_somebody_listens_on_is_refused_and_a_stale_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let api_socket = directory.path().join("s");
        let asked = NydusPodOptions { api_socket: Some(api_socket.clone()), ..NydusPodOptions::default() };
        let listener = UnixListener::bind(&api_socket).unwrap();
        assert!(refused(&asked, Mode::Virtiofs).message().contains("somebody listens"));
        drop(listener);
        let places = Places::new(&asked, Mode::Virtiofs, directory.path());
        surroundings(&asked, &places).unwrap();
    }

    #[test]
    fn a_work_directory_that_is_too_deep_is_named() {
        let asked = NydusPodOptions::default();
        let deep = PathBuf::from(format!("/{}", "x".repeat(100)));
        let error = surroundings(&asked, &Places::new(&asked, Mode::Virtiofs, &deep)).unwrap_err();
        assert_eq!(error.field(), Some("work_dir"), "{error}");
    }
}
