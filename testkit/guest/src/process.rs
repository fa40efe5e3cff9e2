//! Commands about how long a process lives and how it ends.

use std::io::{self, Write};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, raise};

use crate::command::{Command, Failure, Outcome, exactly, parse};
use crate::signals::{self, Reaction};

pub(crate) const COMMANDS: &[Command] = &[
    Command { name: "pause", arguments: "", run: pause },
    Command { name: "sleep", arguments: "SECONDS", run: sleep },
    Command { name: "exit", arguments: "CODE", run: exit },
    Command { name: "ignore-term", arguments: "", run: ignore_term },
    Command { name: "on-term", arguments: "TEXT CODE", run: on_term },
    Command { name: "linger", arguments: "SECONDS CODE", run: linger },
    Command { name: "hold", arguments: "SECONDS", run: hold },
    Command { name: "die", arguments: "SIGNAL", run: die },
];

/// Reads a number of seconds, which may have a fraction.
pub(crate) fn seconds(words: &[String]) -> Result<Duration, Failure> {
    let [_] = exactly(words)?;
    Duration::try_from_secs_f64(parse(words, 0)?).map_err(|_| Failure::Usage)
}

fn pause(words: &[String]) -> Outcome {
    let [] = exactly(words)?;
    signals::set(Reaction::Succeed);
    signals::wait()
}

fn sleep(words: &[String]) -> Outcome {
    thread::sleep(seconds(words)?);
    Ok(())
}

/// Ends the process, and with it a `do` around it.
fn exit(words: &[String]) -> Outcome {
    let [_] = exactly(words)?;
    let code: u8 = parse(words, 0)?;
    io::stdout().flush()?;
    std::process::exit(code.into())
}

fn ignore_term(words: &[String]) -> Outcome {
    let [] = exactly(words)?;
    signals::set(Reaction::IgnoreTerm);
    ready()?;
    signals::wait()
}

fn on_term(words: &[String]) -> Outcome {
    let [text, _] = exactly(words)?;
    signals::set(Reaction::Farewell { text: text.clone(), code: parse(words, 1)? });
    ready()?;
    signals::wait()
}

/// Takes its time after SIGTERM.
fn linger(words: &[String]) -> Outcome {
    let [time, _] = exactly(words)?;
    let time = seconds(std::slice::from_ref(time))?;
    signals::set(Reaction::Linger { time, code: parse(words, 1)? });
    ready()?;
    signals::wait()
}

/// Leaves a child behind that keeps standard output open. In a container that only shows in an exec:
/// the end of a container's first process takes its children along.
fn hold(words: &[String]) -> Outcome {
    seconds(words)?;
    std::process::Command::new(std::env::current_exe()?)
        .arg("sleep")
        .args(words)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(())
}

/// Sends itself a signal, by number.
fn die(words: &[String]) -> Outcome {
    let [_] = exactly(words)?;
    let signal = Signal::try_from(parse::<i32>(words, 0)?).map_err(|_| Failure::Usage)?;
    Ok(raise(signal).map_err(io::Error::from)?)
}

/// Says that the signal reaction is in place, so that a test knows when to send the signal.
fn ready() -> Outcome {
    let mut out = io::stdout();
    writeln!(out, "ready")?;
    Ok(out.flush()?)
}
