//! Commands that write to standard output and standard error.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use crate::command::{Command, Failure, Outcome, exactly, parse};

pub(crate) const COMMANDS: &[Command] = &[
    Command { name: "echo", arguments: "WORD…", run: echo },
    Command { name: "err", arguments: "WORD…", run: err },
    Command { name: "partial", arguments: "TEXT", run: partial },
    Command { name: "lines", arguments: "COUNT [DELAY_MS]", run: lines },
    Command { name: "lines-both", arguments: "COUNT", run: lines_both },
    Command { name: "bytes", arguments: "COUNT [stdout|stderr]", run: bytes },
];

/// What `bytes` repeats. Its length is prime, so that a chunk lost anywhere shifts the pattern.
const PATTERN: &[u8; 61] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX\n";

fn echo(words: &[String]) -> Outcome {
    Ok(writeln!(io::stdout(), "{}", words.join(" "))?)
}

fn err(words: &[String]) -> Outcome {
    Ok(writeln!(io::stderr(), "{}", words.join(" "))?)
}

fn partial(words: &[String]) -> Outcome {
    let [text] = exactly(words)?;
    Ok(write!(io::stdout(), "{text}")?)
}

fn lines(words: &[String]) -> Outcome {
    let delay = match words {
        [_] => Duration::ZERO,
        [_, _] => Duration::from_millis(parse(words, 1)?),
        _ => return Err(Failure::Usage),
    };
    let mut out = io::stdout().lock();
    for number in 1..=parse::<u64>(words, 0)? {
        if number > 1 && !delay.is_zero() {
            thread::sleep(delay);
        }
        writeln!(out, "line {number}")?;
    }
    Ok(())
}

/// Odd lines go to standard output, even ones to standard error.
fn lines_both(words: &[String]) -> Outcome {
    let [_] = exactly(words)?;
    for number in 1..=parse::<u64>(words, 0)? {
        if number % 2 == 1 {
            writeln!(io::stdout(), "line {number}")?;
        } else {
            writeln!(io::stderr(), "line {number}")?;
        }
    }
    Ok(())
}

fn bytes(words: &[String]) -> Outcome {
    let count = parse(words, 0)?;
    match words.get(1).map(String::as_str) {
        None | Some("stdout") if words.len() <= 2 => repeat(&mut io::stdout().lock(), count),
        Some("stderr") if words.len() == 2 => repeat(&mut io::stderr().lock(), count),
        _ => Err(Failure::Usage),
    }
}

fn repeat(out: &mut impl Write, mut count: u64) -> Outcome {
    // Whole patterns a chunk, so that each chunk starts at the pattern's start.
    let chunk = PATTERN.repeat(1024);
    while count > 0 {
        let length = usize::try_from(count).unwrap_or(usize::MAX).min(chunk.len());
        out.write_all(&chunk[..length])?;
        count -= length as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_repeat_the_pattern_without_a_seam() {
        let mut out = Vec::new();
        repeat(&mut out, 61 * 1024 + 100).unwrap();
        assert_eq!(out.len(), 61 * 1024 + 100);
        assert!(out.iter().enumerate().all(|(index, byte)| *byte == PATTERN[index % 61]));
    }
}
