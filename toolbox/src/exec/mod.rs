//! `exec`: a command with an environment, a working directory and a user of its own, which come over standard input ahead of
//! the command's own input. `runtime_core::emulation` documents the conversation.

mod apply;
mod failure;
mod header;
mod marker;
mod program;
mod user;

use std::{ffi::OsString, os::unix::process::CommandExt};

use crate::command::{self, Command};
use failure::Failure;
use header::Spec;
use marker::Marker;

pub(crate) const COMMAND: Command = Command { name: "exec", arguments: "NONCE", run };

/// Returns only if it could not: 125 before the command could be started, 126 and 127 as a shell has them.
fn run(words: &[OsString]) -> u8 {
    let [nonce] = words else { return command::usage() };
    let Some(marker) = nonce.to_str().and_then(Marker::new) else { return command::usage() };
    match start(&marker) {
        Ok(code) => code,
        Err(failure) => {
            // Nobody is left to be told if this fails too.
            drop(marker.say_failed(&failure));
            125
        }
    }
}

fn start(marker: &Marker<'_>) -> Result<u8, Failure> {
    let spec = Spec::read(|| marker.say_read())?;
    let mut command = apply::command(&spec)?;
    marker.say_ready().map_err(Failure::system("stream"))?;
    let error = command.exec();
    eprintln!("toolbox: {}: {error}", spec.arguments[0].display());
    Ok(if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 })
}
