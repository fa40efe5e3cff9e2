//! Commands about terminals.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use crate::command::{Command, Outcome, exactly, parse};

pub(crate) const COMMANDS: &[Command] =
    &[Command { name: "wait-size", arguments: "COLUMNS ROWS", run: wait_size }];

/// Waits until the terminal has this size, and says so.
fn wait_size(words: &[String]) -> Outcome {
    let [_, _] = exactly(words)?;
    let wanted = (parse::<u16>(words, 0)?, parse::<u16>(words, 1)?);
    let mut pause = Duration::from_millis(1);
    loop {
        let size = rustix::termios::tcgetwinsize(io::stdin()).map_err(io::Error::from)?;
        if (size.ws_col, size.ws_row) == wanted {
            return Ok(writeln!(io::stdout(), "{} columns, {} rows", wanted.0, wanted.1)?);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
