//! Steps of a long command: each a line with its time, output shown on failure, all failures once more at the end.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::conformance::Totals;
use crate::failure::{Failure, Result};
use crate::interrupt::{self, Forward};
use crate::output::say;
use crate::process;

/// The steps that were taken.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    totals: Totals,
    failed: Vec<String>,
}

impl Steps {
    /// Runs a command; its output is shown only if it fails.
    pub(crate) fn run(&mut self, name: &str, command: Command) -> Result<()> {
        let start = Instant::now();
        let (text, outcome) = run(command, |_| {})?;
        if outcome.is_err() {
            say!("{text}");
        }
        self.count(name, &text, start, outcome);
        Ok(())
    }

    /// Runs a command and shows its output while it comes.
    pub(crate) fn run_shown(&mut self, name: &str, command: Command) -> Result<()> {
        let start = Instant::now();
        let (text, outcome) = run(command, |line| say!("{line}"))?;
        self.count(name, &text, start, outcome);
        Ok(())
    }

    /// Takes a step that is no command.
    pub(crate) fn check(&mut self, name: &str, check: impl FnOnce() -> Result<()>) -> Result<()> {
        let start = Instant::now();
        match check() {
            Err(Failure::Interrupted) => return Err(Failure::Interrupted),
            Err(failure) => self.count(name, "", start, Err(failure.to_string())),
            Ok(()) => self.count(name, "", start, Ok(())),
        }
        Ok(())
    }

    /// Says why a step is left out.
    pub(crate) fn leave_out(&self, name: &str, reason: &str) {
        say!("left out  {name}: {reason}");
    }

    /// Names all steps that failed, then prints the totals of all tests.
    pub(crate) fn finish(self) -> Result<()> {
        for failed in &self.failed {
            say!("FAILED {failed}");
        }
        say!("{}", self.totals);
        match self.failed.len() {
            0 => Ok(()),
            1 => Err(Failure::failed("1 step failed")),
            failed => Err(Failure::failed(format!("{failed} steps failed"))),
        }
    }

    fn count(&mut self, name: &str, text: &str, start: Instant, outcome: Result<(), String>) {
        let mut totals = counted(text);
        if outcome.is_err() && totals.failed == 0 {
            // What does not even build has failed too.
            totals.failed = 1;
        }
        self.totals += totals;
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        say!("{word:<8}{:>7.1} s  {name}", start.elapsed().as_secs_f64());
        if let Err(why) = outcome {
            self.failed.push(format!("{name}: {why}"));
        }
    }
}

/// Runs it with stdout and stderr in one pipe, so that lines keep their order.
fn run(mut command: Command, mut line: impl FnMut(&str)) -> Result<(String, Result<(), String>)> {
    let shown = process::shown(&command);
    let broken = |error: std::io::Error| Failure::failed(format!("cannot run `{shown}`: {error}"));
    let (reader, writer) = std::io::pipe().map_err(broken)?;
    command.stdin(Stdio::null()).stdout(writer.try_clone().map_err(broken)?).stderr(writer);
    let mut child = command.spawn().map_err(broken)?;
    // The command holds the write ends; the pipe ends only when they are closed.
    drop(command);
    let _forward = Forward::to(process::pid(&child));
    let mut text = String::new();
    let mut lines = BufReader::new(reader);
    let mut bytes = Vec::new();
    while matches!(lines.read_until(b'\n', &mut bytes), Ok(1..)) {
        let read = String::from_utf8_lossy(&bytes);
        line(read.trim_end_matches('\n'));
        text.push_str(&read);
        bytes.clear();
    }
    let status = child.wait().map_err(broken)?;
    interrupt::check_after(status)?;
    let outcome = if status.success() { Ok(()) } else { Err(format!("`{shown}`: {status}")) };
    Ok((text, outcome))
}

/// The tests that an output tells of: of nextest, of `cargo test`, of conformance runs.
fn counted(text: &str) -> Totals {
    let mut totals = Totals::default();
    for line in text.lines() {
        if let Some((_, result)) = line.split_once("test result: ") {
            totals += sum(result.split(['.', ';']));
        } else if let Some((_, result)) =
            line.split_once(" run: ").filter(|_| line.trim_start().starts_with("Summary ["))
        {
            totals += sum(result.split(','));
        } else if let Some(run) = Totals::parse(line) {
            totals += run;
        }
    }
    totals
}

/// Adds up parts like `3 passed (1 slow)`.
fn sum<'a>(parts: impl Iterator<Item = &'a str>) -> Totals {
    let mut totals = Totals::default();
    for part in parts {
        let part = part.split_once('(').map_or(part, |(before, _)| before).trim();
        let Some((Ok(number), what)) =
            part.split_once(' ').map(|(number, what)| (number.parse::<usize>(), what))
        else {
            continue;
        };
        match what {
            "passed" => totals.passed += number,
            "failed" | "timed out" | "exec failed" => totals.failed += number,
            "skipped" | "ignored" => totals.skipped += number,
            _ => {}
        }
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(passed: usize, failed: usize, skipped: usize) -> Totals {
        Totals { passed, failed, skipped }
    }

    #[test]
    fn tests_are_counted_in_every_dialect() {
        let nextest =
            "     Summary [   0.012s] 6 tests run: 3 passed (1 slow), 1 failed, 2 timed out, 4 skipped";
        assert_eq!(counted(nextest), totals(3, 3, 4));
        let libtest = "test result: FAILED. 5 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(counted(libtest), totals(5, 1, 2));
        assert_eq!(
            counted("memory  1 passed, 0 failed, 0 skipped in 1.0 s\n7 passed, 0 failed, 1 skipped"),
            totals(7, 0, 1)
        );
        assert_eq!(counted(&format!("{nextest}\n{libtest}\n")), totals(8, 4, 6));
        assert_eq!(counted("nothing was run: 3 passed"), totals(0, 0, 0));
    }

    #[test]
    fn a_step_that_fails_without_a_test_counts_as_one() {
        let mut steps = Steps::default();
        let mut command = Command::new("sh");
        command.args(["-c", "exit 4"]);
        steps.run("broken", command).unwrap();
        steps.check("fine", || Ok(())).unwrap();
        assert_eq!(steps.totals, totals(0, 1, 0));
        assert_eq!(steps.failed, ["broken: `sh -c exit 4`: exit status: 4"]);
        assert_eq!(steps.finish().unwrap_err().exit_code(), 1);
    }

    #[test]
    fn both_outputs_are_kept_in_order() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo a; echo b >&2; echo c"]);
        let mut seen = Vec::new();
        let (text, outcome) = run(command, |line| seen.push(line.to_owned())).unwrap();
        assert_eq!((text.as_str(), outcome), ("a\nb\nc\n", Ok(())));
        assert_eq!(seen, ["a", "b", "c"]);
    }
}
