//! Signals, taken by one thread. The first process of a container has no default actions, so each signal
//! needs one here: ending with 128 plus its number, as a shell reports it, unless a command asks for another.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

/// What the next signal does.
#[derive(Clone, Debug)]
pub(crate) enum Reaction {
    /// Ends the process with 128 plus the signal's number.
    Default,
    /// SIGTERM and SIGINT end the process with 0.
    Succeed,
    /// SIGTERM does nothing.
    IgnoreTerm,
    /// SIGTERM ends the process with a code after a while.
    Linger { time: Duration, code: u8 },
    /// SIGTERM writes a line and ends the process with a code.
    Farewell { text: String, code: u8 },
}

const WATCHED: [Signal; 6] =
    [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGUSR2];

static REACTION: Mutex<Reaction> = Mutex::new(Reaction::Default);

/// Starts the thread that takes the signals. Call it before any other thread: they inherit the blocked signals.
pub(crate) fn watch() -> io::Result<()> {
    let signals: SigSet = WATCHED.into_iter().collect();
    signals.thread_block()?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        while let Ok(signal) = signals.wait() {
            react(signal);
        }
    })?;
    Ok(())
}

/// Changes what the next signal does.
pub(crate) fn set(reaction: Reaction) {
    *REACTION.lock().unwrap_or_else(PoisonError::into_inner) = reaction;
}

/// Waits for a signal to end the process.
pub(crate) fn wait() -> ! {
    loop {
        thread::park();
    }
}

fn react(signal: Signal) {
    let reaction = REACTION.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match (reaction, signal) {
        (Reaction::Succeed, Signal::SIGTERM | Signal::SIGINT) => std::process::exit(0),
        (Reaction::IgnoreTerm, Signal::SIGTERM) => {}
        (Reaction::Linger { time, code }, Signal::SIGTERM) => {
            thread::sleep(time);
            std::process::exit(code.into())
        }
        (Reaction::Farewell { text, code }, Signal::SIGTERM) => {
            let mut out = io::stdout();
            // Nobody may be listening any more; the exit code still tells.
            let _ = writeln!(out, "{text}").and_then(|()| out.flush());
            std::process::exit(code.into())
        }
        (_, signal) => std::process::exit(128 + signal as i32),
    }
}
