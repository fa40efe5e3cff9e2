//! `cargo xtask test`: every test that needs nothing but cargo and a C compiler.

use std::process::{self, Stdio};

use lexopt::Parser;

use super::{Command, no_arguments};
use crate::cargo::cargo;
use crate::conformance::Setup;
use crate::failure::{Failure, Result};
use crate::process::tied;
use crate::steps::Steps;

pub(super) const COMMAND: Command = Command {
    name: "test",
    arguments: "",
    summary: "Runs every test that needs nothing: the workspace's own, then conformance in process",
    details: "Uses cargo-nextest if it is installed. The last line is `N passed, N failed, N skipped` of all.",
    run,
};

fn run(parser: Parser) -> Result<()> {
    no_arguments(parser)?;
    let mut steps = Steps::default();
    steps.run_shown("workspace tests", workspace_tests()?)?;
    let setups = Setup::of_this_machine().filter(|setup| setup.needs_nothing());
    steps
        .run_shown("conformance", xtask("conformance", setups.flat_map(|setup| ["--setup", setup.name]))?)?;
    steps.finish()
}

/// All unit and integration tests.
pub(super) fn workspace_tests() -> Result<process::Command> {
    let mut command = cargo()?;
    if has_nextest()? {
        command.args(["nextest", "run", "--no-fail-fast"]);
    } else {
        command.args(["test", "--no-fail-fast", "--lib", "--bins", "--tests"]);
    }
    command.args(["--workspace", "--all-features"]);
    Ok(command)
}

/// A command of xtask itself, as a process that cleans up after itself.
pub(super) fn xtask<'a>(name: &str, arguments: impl Iterator<Item = &'a str>) -> Result<process::Command> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::failed(format!("cannot find xtask's own program: {error}")))?;
    let mut command = tied(&program);
    command.arg(name).args(arguments);
    Ok(command)
}

fn has_nextest() -> Result<bool> {
    let mut command = cargo()?;
    command.args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(crate::process::status(&mut command)?.success())
}
