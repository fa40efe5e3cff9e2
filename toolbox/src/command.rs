//! What a command is, and the table of them.

use std::ffi::OsString;

use crate::{archive, exec, install, kill, version};

/// The arguments don't fit the command, or there is no such command.
pub(crate) const USAGE: u8 = 64;

/// One command: its name, its arguments as the usage shows them, and what it does with them. It returns the exit code.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static str,
    pub(crate) run: fn(&[OsString]) -> u8,
}

const COMMANDS: &[Command] =
    &[exec::COMMAND, kill::COMMAND, archive::PACK, archive::UNPACK, install::COMMAND, version::COMMAND];

/// Runs one command line.
pub(crate) fn run(words: &[OsString]) -> u8 {
    let Some((name, arguments)) = words.split_first() else { return usage() };
    match COMMANDS.iter().find(|command| name == command.name) {
        Some(command) => (command.run)(arguments),
        None => usage(),
    }
}

/// Says what there is.
pub(crate) fn usage() -> u8 {
    for Command { name, arguments, .. } in COMMANDS {
        eprintln!("usage: toolbox {name} {arguments}");
    }
    USAGE
}
