//! What a command is, the table of them, and how one ends.

use std::io::{self, Write};

use crate::{cgroup, files, identity, load, mounts, net, output, process, terminal};

/// One command: its name, its arguments as `help` shows them, and what it does with them.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static str,
    pub(crate) run: fn(&[String]) -> Outcome,
}

/// What a command came to.
pub(crate) type Outcome = Result<(), Failure>;

/// Why a command ended without success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments don't fit the command.
    Usage,
    /// The system refused something.
    Refused(String),
    /// Another command ended with this code, and has said why.
    Code(u8),
}

const OWN: &[Command] = &[
    Command { name: "help", arguments: "", run: help },
    Command { name: "do", arguments: "COMMAND… [\";;\" COMMAND…]…", run: sequence },
];

const FAMILIES: &[&[Command]] = &[
    OWN,
    process::COMMANDS,
    output::COMMANDS,
    identity::COMMANDS,
    files::COMMANDS,
    load::COMMANDS,
    cgroup::COMMANDS,
    mounts::COMMANDS,
    net::COMMANDS,
    terminal::COMMANDS,
];

/// Runs one command line and returns its exit code: 127 for an unknown command, 64 for arguments that don't fit.
pub(crate) fn run(words: &[String]) -> u8 {
    let Some((name, arguments)) = words.split_first() else {
        eprintln!("guest: no command; `guest help` lists them");
        return 64;
    };
    let Some(command) = FAMILIES.iter().copied().flatten().find(|command| command.name == name) else {
        eprintln!("guest: {name}: command not found");
        return 127;
    };
    match (command.run)(arguments).and_then(|()| Ok(io::stdout().flush()?)) {
        Ok(()) => 0,
        Err(Failure::Usage) => {
            eprintln!("usage: guest {name} {}", command.arguments);
            64
        }
        Err(Failure::Refused(reason)) => {
            eprintln!("guest: {name}: {reason}");
            1
        }
        Err(Failure::Code(code)) => code,
    }
}

/// Reads the argument at `index`, which must be there and have the type asked for.
pub(crate) fn parse<T: std::str::FromStr>(words: &[String], index: usize) -> Result<T, Failure> {
    words.get(index).and_then(|word| word.parse().ok()).ok_or(Failure::Usage)
}

/// Takes exactly `N` arguments.
pub(crate) fn exactly<const N: usize>(words: &[String]) -> Result<&[String; N], Failure> {
    words.try_into().map_err(|_| Failure::Usage)
}

/// Names the object of a failed system call in its message.
pub(crate) fn about<E: std::fmt::Display>(object: &str) -> impl FnOnce(E) -> Failure {
    move |error| Failure::Refused(format!("{object}: {error}"))
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<nix::Error> for Failure {
    fn from(error: nix::Error) -> Self {
        io::Error::from(error).into()
    }
}

fn help(_: &[String]) -> Outcome {
    let mut out = io::stdout().lock();
    for command in FAMILIES.iter().copied().flatten() {
        writeln!(out, "{} {}", command.name, command.arguments)?;
    }
    Ok(())
}

/// Runs several commands in this one process, up to the first that ends non-zero.
fn sequence(words: &[String]) -> Outcome {
    for words in words.split(|word| word == ";;") {
        match run(words) {
            0 => {}
            code => return Err(Failure::Code(code)),
        }
    }
    Ok(())
}
