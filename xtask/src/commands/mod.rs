//! The table of commands: the help text is made from it.

mod bench;
mod cargo;
mod ci;
mod cluster;
mod conformance;
mod containerd;
mod doctor;
mod faults;
mod keep;
mod matrix;
mod quickstart;
mod test;

use std::ffi::OsString;

use lexopt::Parser;

use crate::failure::{Failure, Result};
use crate::output::say;

/// One command.
struct Command {
    name: &'static str,
    arguments: &'static str,
    summary: &'static str,
    details: &'static str,
    run: fn(Parser) -> Result<()>,
}

const COMMANDS: &[Command] = &[
    conformance::COMMAND,
    faults::COMMAND,
    quickstart::COMMAND,
    test::COMMAND,
    ci::COMMAND,
    matrix::COMMAND,
    doctor::COMMAND,
    bench::COMMAND,
    containerd::COMMAND,
    cluster::COMMAND,
    cargo::COMMAND,
];

/// Runs the command that the arguments name.
pub(crate) fn dispatch(arguments: Vec<OsString>) -> Result<()> {
    let mut arguments = arguments.into_iter();
    let Some(name) = arguments.next() else {
        return Err(Failure::usage(format!("no command given; known: {}", names())));
    };
    let rest: Vec<_> = arguments.collect();
    if is_help(&name) || name == "help" {
        say!("{}", rest.first().map_or_else(|| Ok(overview()), |name| find(name).map(help))?);
        return Ok(());
    }
    let command = find(&name)?;
    // What follows `--` is for another program, its --help included.
    if rest.iter().take_while(|argument| *argument != "--").any(is_help) {
        say!("{}", help(command));
        return Ok(());
    }
    (command.run)(Parser::from_args(rest))
}

/// A command that takes no arguments refuses them.
fn no_arguments(mut parser: Parser) -> Result<()> {
    match parser.next()? {
        Some(argument) => Err(argument.unexpected().into()),
        None => Ok(()),
    }
}

fn is_help(argument: &OsString) -> bool {
    argument == "--help" || argument == "-h"
}

fn find(name: &OsString) -> Result<&'static Command> {
    let found = COMMANDS.iter().find(|command| name == command.name);
    found.ok_or_else(|| {
        Failure::usage(format!("unknown command `{}`; known: {}", name.to_string_lossy(), names()))
    })
}

fn names() -> String {
    COMMANDS.iter().map(|command| command.name).collect::<Vec<_>>().join(", ")
}

fn overview() -> String {
    let width = COMMANDS.iter().map(|command| command.name.len()).max().unwrap_or_default();
    let lines = COMMANDS.iter().map(|command| format!("  {:width$}  {}", command.name, command.summary));
    let lines = lines.collect::<Vec<_>>().join("\n");
    format!("usage: cargo xtask COMMAND [ARGUMENT]…\n\n{lines}\n\n`cargo xtask COMMAND --help` tells more.")
}

fn help(command: &Command) -> String {
    let usage = format!("usage: cargo xtask {} {}", command.name, command.arguments);
    format!("{}\n\n{}.\n\n{}", usage.trim_end(), command.summary, command.details).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_the_overview_and_has_help() {
        for command in COMMANDS {
            assert!(overview().contains(&format!("  {} ", command.name)), "{}", command.name);
            assert!(help(command).starts_with(&format!("usage: cargo xtask {}", command.name)));
        }
    }

    #[test]
    fn options_are_indented_alike() {
        for line in COMMANDS.iter().flat_map(|command| command.details.lines()) {
            assert_eq!(line.trim_start().starts_with("--"), line.starts_with("  --"), "{line}");
        }
    }

    #[test]
    fn an_unknown_command_lists_the_known_ones() {
        let error = dispatch(vec!["confromance".into()]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("known: conformance, faults"), "{error}");
    }

    #[test]
    fn a_wrong_option_is_a_usage_error() {
        for line in [["conformance", "--setups"], ["matrix", "--chekc"], ["ci", "extra"], ["doctor", "--url"]]
        {
            let error = dispatch(line.map(OsString::from).to_vec()).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line:?}: {error}");
        }
    }
}
