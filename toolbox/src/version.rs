//! `version`: which toolbox this is. Whoever looks for one runs it.

use std::ffi::OsString;

use crate::command::Command;

pub(crate) const COMMAND: Command = Command { name: "version", arguments: "", run };

fn run(_: &[OsString]) -> u8 {
    println!("{}", env!("CARGO_PKG_VERSION"));
    0
}
