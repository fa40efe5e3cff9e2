//! Starting a private containerd and getting it ready for pods.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use super::config;
use super::layout::{DIRECTORY, Layout};
use super::network::Network;
use super::requirements::{cni_bin_dir, missing};
use super::shared_places::SharedPlaces;
use crate::failure::{AtPath, Failure, Result};
use crate::interrupt;
use crate::process::{find, pid, tied, tool};
use crate::run_dir::RunDir;
use crate::wait::poll;

/// The image of the process that holds a pod together.
pub(crate) const PAUSE_IMAGE: &str = "wharf.local/pause:1";

/// How long containerd may take to answer. It takes less than a second on an idle machine.
const START: Duration = Duration::from_secs(60);

/// How long it may take to end before it is killed.
const STOP: Duration = Duration::from_secs(10);

/// A running containerd. Dropping it ends the server; its pods end with the run's directory.
#[derive(Debug)]
pub(crate) struct PrivateContainerd {
    layout: Layout,
    child: Child,
}

impl PrivateContainerd {
    /// Starts it in the run's directory and imports the pause image from an archive.
    pub(crate) fn start(run: &RunDir, pause_archive: &Path) -> Result<Self> {
        let missing = missing();
        let (Some(bin_dir), true) = (cni_bin_dir(), missing.is_empty()) else {
            return Err(Failure::failed(format!("a private containerd needs {}", missing.join(", "))));
        };
        let layout = Layout::new(&run.subdirectory(DIRECTORY)?);
        let others: Vec<_> = run.others().iter().map(|work| Layout::new(&work.join(DIRECTORY))).collect();
        SharedPlaces::note(&layout, &others)?;
        fs::write(layout.config(), config::render(&layout, PAUSE_IMAGE, &bin_dir))
            .at("write", &layout.config())?;
        Network::choose(RunDir::number(), bin_dir)?.write(&layout)?;
        let mut server = Self { child: spawn(&layout)?, layout };
        server.wait_until_ready()?;
        server.ctr(["--namespace", "k8s.io", "images", "import", &pause_archive.to_string_lossy()])?;
        Ok(server)
    }

    /// Its URL for the `cri` driver.
    pub(crate) fn url(&self) -> String {
        format!("cri://{}", self.layout.socket().display())
    }

    /// The file that it logs to.
    pub(crate) fn log(&self) -> PathBuf {
        self.layout.log()
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let socket = self.layout.socket();
        let ended = poll(START, || {
            if interrupt::check().is_err() || !self.is_running() {
                return Some(true);
            }
            UnixStream::connect(&socket).is_ok().then_some(false)
        });
        interrupt::check()?;
        match ended {
            Some(false) => self.ctr(["version"]),
            Some(true) => {
                Err(Failure::failed(format!("containerd ended at its start: {}", self.last_words())))
            }
            None => Err(Failure::failed(format!(
                "containerd has not answered in {START:?}: {}",
                self.last_words()
            ))),
        }
    }

    fn ctr<const N: usize>(&self, arguments: [&str; N]) -> Result<()> {
        let socket = self.layout.socket();
        let address = ["--address", &socket.to_string_lossy()].map(str::to_owned);
        tool("ctr", address.into_iter().chain(arguments.map(str::to_owned))).map(|_| ())
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        log.lines().next_back().unwrap_or("it logged nothing").to_owned()
    }
}

impl Drop for PrivateContainerd {
    fn drop(&mut self) {
        if self.is_running() {
            let _ = kill(pid(&self.child), Signal::SIGTERM);
            if poll(STOP, || (!self.is_running()).then_some(())).is_none() {
                let _ = self.child.kill();
            }
        }
        let _ = self.child.wait();
    }
}

fn spawn(layout: &Layout) -> Result<Child> {
    let program = find("containerd").ok_or_else(|| Failure::failed("containerd is missing"))?;
    let log = File::create(layout.log()).at("create", &layout.log())?;
    let errors = log.try_clone().at("open", &layout.log())?;
    let mut command = tied(&program);
    // A process group of its own: Ctrl-C on the terminal is for xtask, which still needs it for the cleanup.
    command.arg("--config").arg(layout.config()).process_group(0);
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    command.spawn().map_err(|error| Failure::failed(format!("cannot start containerd: {error}")))
}
