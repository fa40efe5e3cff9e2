//! Commands that use up memory and processor time.

use std::hint::black_box;
use std::io::{self, Write};
use std::time::Instant;

use crate::command::{Command, Outcome, exactly, parse};
use crate::process::seconds;
use crate::signals::{self, Reaction};

pub(crate) const COMMANDS: &[Command] = &[
    Command { name: "alloc", arguments: "MIB", run: alloc },
    Command { name: "spin", arguments: "SECONDS", run: spin },
];

const MIB: usize = 1024 * 1024;

/// Takes memory a MiB at a time, so that a limit is met on the way up, and keeps it until SIGTERM.
fn alloc(words: &[String]) -> Outcome {
    let [_] = exactly(words)?;
    signals::set(Reaction::Succeed);
    // Not zero: zeroed pages would stay unbacked.
    let blocks: Vec<Vec<u8>> = (0..parse::<usize>(words, 0)?).map(|_| vec![1; MIB]).collect();
    black_box(&blocks);
    let mut out = io::stdout();
    writeln!(out, "allocated")?;
    out.flush()?;
    signals::wait()
}

fn spin(words: &[String]) -> Outcome {
    let (start, length) = (Instant::now(), seconds(words)?);
    while start.elapsed() < length {
        for number in 0..10_000 {
            black_box(number);
        }
    }
    Ok(())
}
