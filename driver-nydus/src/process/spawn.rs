//! Starting a daemon's process.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    process::Stdio,
    thread,
    time::Duration,
};

use runtime_core::{Error, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::{
    process::{Child, Command},
    runtime::Handle,
    time::sleep,
};

use crate::{io_error::failed, state::blocking};

/// The first pause before a program is tried again that somebody writes at this moment, and how often it is, doubling.
const BUSY_PAUSE: Duration = Duration::from_millis(1);
const BUSY_TRIES: u32 = 8;

/// A daemon to be started.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// Another one than this process's.
    pub(crate) network_namespace: Option<PathBuf>,
    /// What it writes is appended to this file, which is there.
    pub(crate) log: PathBuf,
}

/// Makes the file for a daemon's output.
///
/// # Errors
/// Those of the disk.
pub(crate) fn make_log(path: &std::path::Path) -> Result<()> {
    let made = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    made.map(drop).map_err(|error| failed("make the daemon's log", error))
}

/// Starts a daemon in a process group of its own, so that signals of a terminal are not for it. It outlives this process: it
/// has no input, and its output is a file.
///
/// # Errors
/// `InvalidArgument` for a program that can't be run and a network namespace that is none; `ResourceExhausted`, transient,
/// where the host has no descriptors, memory or processes left.
pub(crate) async fn spawn(launch: Launch) -> Result<Child> {
    let mut pause = BUSY_PAUSE;
    for _ in 0..BUSY_TRIES {
        let now = launch.clone();
        match blocking(move || Ok(try_spawn(&now))).await? {
            // Whoever writes it may have passed the descriptor on to a child that is about to close it.
            Err(Failure::Program(error)) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                sleep(pause).await;
                pause *= 2;
            }
            done => return done.map_err(|failure| failure.into_error(&launch)),
        }
    }
    blocking(move || try_spawn(&launch).map_err(|failure| failure.into_error(&launch))).await
}

/// What failed.
enum Failure {
    Program(io::Error),
    Namespace(io::Error),
    Log(io::Error),
}

impl Failure {
    fn into_error(self, launch: &Launch) -> Error {
        use io::ErrorKind as Io;
        match self {
            Self::Program(error)
                if matches!(error.kind(), Io::NotFound | Io::PermissionDenied | Io::ExecutableFileBusy)
                    || error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) =>
            {
                Error::invalid("nydusd", format!("{} can't be run: {error}", launch.program.display()))
                    .with_source(error)
            }
            Self::Program(error) => failed("start the daemon", error),
            Self::Namespace(error)
                if error.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) =>
            {
                Error::invalid("extensions.nydus.networkNamespace", "it is no network namespace")
                    .with_source(error)
            }
            Self::Namespace(error) => failed("enter the network namespace", error),
            Self::Log(error) => failed("open the daemon's log", error),
        }
    }
}

fn try_spawn(launch: &Launch) -> Result<Child, Failure> {
    let Some(namespace) = &launch.network_namespace else { return exec(launch) };
    let namespace = File::open(namespace).map_err(Failure::Namespace)?;
    let runtime = Handle::current();
    // A thread that has changed its namespace must not do anything else afterwards.
    let in_namespace = || {
        let _runtime = runtime.enter();
        move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), Some(LinkNameSpaceType::Network))
            .map_err(|error| Failure::Namespace(error.into()))?;
        exec(launch)
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("nydusd-spawn".to_owned());
        let spawned = thread.spawn_scoped(scope, in_namespace).map_err(Failure::Program)?;
        spawned.join().unwrap_or_else(|_| Err(Failure::Program(io::Error::other("the thread panicked"))))
    })
}

fn exec(launch: &Launch) -> Result<Child, Failure> {
    let log = OpenOptions::new().append(true).open(&launch.log).map_err(Failure::Log)?;
    let errors = log.try_clone().map_err(Failure::Log)?;
    Command::new(&launch.program)
        .args(&launch.arguments)
        // It must not keep anybody from unmounting where this process happens to be.
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .map_err(Failure::Program)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::Path};

    use runtime_core::ErrorKind;

    use super::*;

    fn launch(directory: &Path, script: &str) -> Launch {
        let program = directory.join("daemon");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let log = directory.join("log");
        make_log(&log).unwrap();
        Launch { program, arguments: vec!["a b".into()], network_namespace: None, log }
    }

    #[tokio::test]
    async fn it_has_no_input_its_own_group_and_a_file_for_its_output() {
        let directory = tempfile::tempdir().unwrap();
        let script = "#!/bin/sh\ncat; echo \"$1\"; cut -d' ' -f5 /proc/$$/stat >&2; echo $$; pwd";
        let launch = launch(directory.path(), script);
        let mut child = spawn(launch.clone()).await.unwrap();
        let pid = child.id().unwrap();
        assert!(child.wait().await.unwrap().success());
        assert_eq!(fs::read_to_string(&launch.log).unwrap(), format!("a b\n{pid}\n{pid}\n/\n"));
    }

    #[tokio::test]
    async fn a_program_that_is_being_written_is_waited_for_but_not_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let mut launch = launch(directory.path(), "");
        fs::copy("/bin/true", &launch.program).unwrap();
        let writer = OpenOptions::new().append(true).open(&launch.program).unwrap();
        let spawning = tokio::spawn(spawn(launch.clone()));
        let error = spawning.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::InvalidArgument, Some("nydusd")), "{error}");
        launch.arguments.clear();
        let spawning = tokio::spawn(spawn(launch));
        tokio::task::yield_now().await;
        drop(writer);
        assert!(spawning.await.unwrap().unwrap().wait().await.unwrap().success());
    }

    #[tokio::test]
    async fn what_can_not_be_run_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let of = |script: &str| launch(directory.path(), script);
        let missing = Launch { program: directory.path().join("missing"), ..of("") };
        let garbage = of("\u{7f}ELF no program");
        for launch in [missing, garbage] {
            let error = spawn(launch).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.field()),
                (ErrorKind::InvalidArgument, Some("nydusd")),
                "{error}"
            );
        }
        let no_namespace = Launch { network_namespace: Some("/dev/null".into()), ..of("#!/bin/sh\n") };
        let error = spawn(no_namespace).await.unwrap_err();
        assert_eq!(error.field(), Some("extensions.nydus.networkNamespace"), "{error}");
    }
}
