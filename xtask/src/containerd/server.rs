//! Starting a private containerd and getting it ready for pods.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use super::config;
use super::control::Control;
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
    server: Arc<Server>,
    _control: Control,
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
        let server = Arc::new(Server {
            child: Mutex::new(spawn(&layout)?),
            layout,
            is_killed: AtomicBool::new(false),
        });
        server.wait_until_ready()?;
        ctr(&server.layout, ["--namespace", "k8s.io", "images", "import", &pause_archive.to_string_lossy()])?;
        let control = Control::serve(Arc::clone(&server))?;
        Ok(Self { server, _control: control })
    }

    /// Its URL for the `cri` driver.
    pub(crate) fn url(&self) -> String {
        format!("cri://{}", self.server.layout.socket().display())
    }

    /// The socket on which it is killed and started.
    pub(crate) fn control(&self) -> PathBuf {
        self.server.layout.control()
    }

    /// The file that it logs to.
    pub(crate) fn log(&self) -> PathBuf {
        self.server.layout.log()
    }

    /// Whether it still runs, or was killed by request and can be started again.
    pub(crate) fn is_running(&self) -> bool {
        self.server.is_killed.load(Ordering::SeqCst) || self.server.is_running()
    }
}

/// The server's process, which comes and goes.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) layout: Layout,
    child: Mutex<Child>,
    /// Whether it is down because somebody asked for that.
    is_killed: AtomicBool,
}

impl Server {
    /// Kills it; pods go on. Returns when it has ended.
    pub(super) fn kill(&self) -> Result<()> {
        self.is_killed.store(true, Ordering::SeqCst);
        let mut child = self.child();
        let ended = child.kill().and_then(|()| child.wait());
        ended.map(drop).map_err(|error| Failure::failed(format!("cannot kill containerd: {error}")))
    }

    /// Starts it again and waits until it answers. Nothing happens if it runs.
    ///
    /// The calling thread has to live as long as the server, which is told of that thread's end.
    pub(super) fn start(&self) -> Result<()> {
        if !self.is_running() {
            *self.child() = spawn(&self.layout)?;
        }
        self.is_killed.store(false, Ordering::SeqCst);
        self.wait_until_ready()
    }

    fn is_running(&self) -> bool {
        matches!(self.child().try_wait(), Ok(None))
    }

    fn wait_until_ready(&self) -> Result<()> {
        let socket = self.layout.socket();
        let ended = poll(START, || {
            if interrupt::check().is_err() || !self.is_running() {
                return Some(true);
            }
            // Right after a kill in the middle of work the socket was seen to take a connection and to refuse the next one,
            // though the new server ran on: the old one's was not gone yet, it seems, perhaps held by a child being forked.
            // So that somebody listens is not enough, and that nobody answers is no failure yet.
            let answers = UnixStream::connect(&socket).is_ok() && ctr(&self.layout, ["version"]).is_ok();
            answers.then_some(false)
        });
        interrupt::check()?;
        match ended {
            Some(false) => Ok(()),
            Some(true) => {
                Err(Failure::failed(format!("containerd ended at its start: {}", self.last_words())))
            }
            None => Err(Failure::failed(format!(
                "containerd has not answered in {START:?}: {}",
                self.last_words()
            ))),
        }
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.layout.log()).unwrap_or_default();
        log.lines().next_back().unwrap_or("it logged nothing").to_owned()
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.is_running() {
            let _ = kill(pid(&self.child()), Signal::SIGTERM);
            if poll(STOP, || (!self.is_running()).then_some(())).is_none() {
                let _ = self.child().kill();
            }
        }
        let _ = self.child().wait();
    }
}

/// Asks containerd's own client; gives what it prints.
pub(super) fn ctr<const N: usize>(layout: &Layout, arguments: [&str; N]) -> Result<String> {
    let socket = layout.socket();
    let address = ["--address", &socket.to_string_lossy()].map(str::to_owned);
    tool("ctr", address.into_iter().chain(arguments.map(str::to_owned)))
}

fn spawn(layout: &Layout) -> Result<Child> {
    let program = find("containerd").ok_or_else(|| Failure::failed("containerd is missing"))?;
    // Appended to, since it may be started more than once.
    let log = File::options().create(true).append(true).open(layout.log()).at("open", &layout.log())?;
    let errors = log.try_clone().at("open", &layout.log())?;
    let mut command = tied(&program);
    // A process group of its own: Ctrl-C on the terminal is for xtask, which still needs it for the cleanup.
    command.arg("--config").arg(layout.config()).process_group(0);
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    command.spawn().map_err(|error| Failure::failed(format!("cannot start containerd: {error}")))
}
