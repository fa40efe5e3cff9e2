//! The small static helper that runs inside containers: `toolbox COMMAND [ARGUMENT]…`.
//!
//! It needs nothing of the image that it runs in. What its commands are told that may be secret comes over standard input,
//! never as an argument.

mod archive;
mod command;
mod exec;
mod install;
mod kill;
mod procfs;
mod version;

use std::{env, process::ExitCode};

fn main() -> ExitCode {
    let words: Vec<_> = env::args_os().skip(1).collect();
    ExitCode::from(command::run(&words))
}
