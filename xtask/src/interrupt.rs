//! SIGINT, SIGTERM and SIGHUP: end the children, then let the command clean up on its way out.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::{Failure, Result};
use crate::wait::poll;

/// How much later than a child this process may see a signal that the terminal sent to both.
const ON_ITS_WAY: Duration = Duration::from_millis(500);

/// Starts to listen; called once, before any child is started.
pub(crate) fn install() -> Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])
        .map_err(|error| Failure::failed(format!("cannot listen for signals: {error}")))?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            state().arrived();
        }
    });
    Ok(())
}

/// `Interrupted` if a signal has come.
pub(crate) fn check() -> Result<()> {
    if state().count > 0 { Err(Failure::Interrupted) } else { Ok(()) }
}

/// The same after a child has ended: if a signal ended it, the same one may be on its way here.
pub(crate) fn check_after(status: ExitStatus) -> Result<()> {
    if matches!(status.signal(), Some(SIGHUP | SIGINT | SIGTERM)) {
        poll(ON_ITS_WAY, || check().err().map(|_| ()));
    }
    check()
}

/// Sends one message when a signal comes, at once if it has already come.
pub(crate) fn notify(sender: Sender<()>) {
    let mut state = state();
    if state.count > 0 {
        let _ = sender.send(());
    }
    state.waiting.push(sender);
}

/// Passes signals on to a child for as long as this lives.
#[derive(Debug)]
pub(crate) struct Forward(Pid);

impl Forward {
    /// Signals from now on reach `pid`, one that has already come included.
    pub(crate) fn to(pid: Pid) -> Self {
        let mut state = state();
        state.children.push(pid);
        if state.count > 0 {
            let _ = kill(pid, Signal::SIGTERM);
        }
        Self(pid)
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        state().children.retain(|child| *child != self.0);
    }
}

struct State {
    count: usize,
    children: Vec<Pid>,
    waiting: Vec<Sender<()>>,
}

impl State {
    /// The first signal asks the children to end, a further one makes them.
    fn arrived(&mut self) {
        self.count += 1;
        let signal = if self.count == 1 { Signal::SIGTERM } else { Signal::SIGKILL };
        for child in &self.children {
            let _ = kill(*child, signal);
        }
        for sender in self.waiting.drain(..) {
            let _ = sender.send(());
        }
    }
}

static STATE: Mutex<State> = Mutex::new(State { count: 0, children: Vec::new(), waiting: Vec::new() });

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}
