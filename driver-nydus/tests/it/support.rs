//! Programs that stand in for nydusd, and what they leave.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use driver_nydus::{Config, Mode, NydusDriver, NydusPodStatus, connect};
use runtime_core::{
    Context, Driver, Pod, PodId, PodPhase, PodRun, PodStatus, Result, RunOptions, spec::PodSpec,
};

/// The end of a script: the daemon serves its API, which is its fifth argument.
pub(crate) const SERVE: &str = "serve \"$@\"";

/// A directory with a program and a work directory.
pub(crate) struct Place {
    directory: tempfile::TempDir,
    pub(crate) config: Config,
}

impl Place {
    /// A program that runs a shell script: its arguments are the daemon's, `serve` makes it one that answers.
    pub(crate) fn new(script: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("nydusd");
        let this = std::env::current_exe().unwrap();
        let serve = format!(
            "serve() {{ WHARF_STAND_IN=\"$5\" exec '{}' --exact --ignored support::stand_in --skip \"$5\"; }}\n",
            this.display()
        );
        fs::write(&program, format!("#!/bin/sh\n{serve}{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let config = Config::new(directory.path().join("w")).with_mode(Mode::Virtiofs).with_nydusd(program);
        Self { directory, config }
    }

    pub(crate) async fn driver(&self) -> NydusDriver {
        connect(self.config.clone()).await.unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Nothing is left of any pod: no process, no file, no name.
    pub(crate) fn assert_nothing_is_left(&self) {
        for directory in ["w/pods", "w/names"] {
            let left: Vec<_> =
                fs::read_dir(self.path(directory)).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert!(left.is_empty(), "{left:?}");
        }
        assert_eq!(self.processes(), Vec::<String>::new());
    }

    /// The command lines of this host's processes that speak of this place.
    fn processes(&self) -> Vec<String> {
        let here = self.directory.path().to_str().unwrap();
        let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let line = fs::read(entry.ok()?.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            line.contains(here).then_some(line)
        });
        processes.collect()
    }
}

pub(crate) async fn run(driver: &NydusDriver, name: &str) -> Result<PodRun> {
    driver.run(&Context::background(), &PodSpec::new(name), &RunOptions::default()).await
}

pub(crate) async fn status(driver: &NydusDriver, id: &PodId) -> PodStatus {
    Pod::status(driver, &Context::background(), id).await.unwrap()
}

pub(crate) fn own(status: &PodStatus) -> NydusPodStatus {
    status.extensions.get().unwrap()
}

/// Looks until the pod is in this phase.
pub(crate) async fn until(driver: &NydusDriver, id: &PodId, phase: PodPhase) -> PodStatus {
    loop {
        let status = status(driver, id).await;
        if status.summary.phase == phase {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// A context that no test should need all of.
pub(crate) fn patient() -> Context {
    Context::background().with_timeout(Duration::from_secs(60))
}

pub(crate) async fn settle(driver: &NydusDriver) {
    driver.settle(&patient()).await.unwrap();
}

/// The daemon: it listens, is running, and mounts whatever it is asked to.
#[test]
#[ignore = "it is what a stand-in runs"]
fn stand_in() {
    let Some(socket) = std::env::var_os("WHARF_STAND_IN") else { return };
    let listener = UnixListener::bind(Path::new(&socket)).unwrap();
    for connection in listener.incoming() {
        std::thread::spawn(move || drop(answer(connection.unwrap())));
    }
}

fn answer(mut connection: UnixStream) -> std::io::Result<()> {
    let mut requests = BufReader::new(connection.try_clone()?);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if requests.read_line(&mut first)? == 0 {
            return Ok(());
        }
        loop {
            let mut header = String::new();
            requests.read_line(&mut header)?;
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if header.trim().is_empty() {
                break;
            }
        }
        requests.read_exact(&mut vec![0; length])?;
        let body = "{\"version\":{},\"state\":\"RUNNING\",\"backend_collection\":{}}";
        if first.starts_with("GET") {
            write!(connection, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
        } else {
            write!(connection, "HTTP/1.1 204 No Content\r\n\r\n")?;
        }
    }
}
