//! The daemon's log, on standard error, in the form of the real one.

use std::io::{self, Write};

use jiff::Timestamp;

/// A line about what it does.
pub(super) fn info(message: &str) {
    line(&format!("[{}] INFO {message}", now()));
}

/// A line about what went wrong, in red whether or not a terminal is there.
pub(super) fn error(place: &str, message: &str) {
    let red = "\x1b[1;38;5;196m";
    line(&format!("[{red}{}\x1b[0m] {red}ERROR\x1b[0m [{place}] {red}{message}\x1b[0m", now()));
}

/// A line of text.
pub(super) fn line(text: &str) {
    // Whoever should read it may have gone; the daemon goes on then.
    _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// A step of the state machine.
pub(super) fn step(from: &str, to: &str, input: &str, output: &str) {
    let pid = std::process::id();
    info(&format!("State machine(pid={pid}): from {from} to {to}, input [{input}], output [{output}]"));
}

/// Many lines, and a very long one.
pub(super) fn flood() {
    for number in 0..20_000 {
        info(&format!("flood {number} {}", "x".repeat(150)));
    }
    info(&"y".repeat(1024 * 1024));
}

fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%d %H:%M:%S%.6f +00:00").to_string()
}
