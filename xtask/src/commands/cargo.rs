//! `cargo xtask cargo`: any cargo call, with `PROTOC` set.

use lexopt::Parser;

use super::Command;
use crate::cargo::cargo;
use crate::failure::{Failure, Result};
use crate::process;

pub(super) const COMMAND: Command = Command {
    name: "cargo",
    arguments: "-- ARGUMENT…",
    summary: "Runs cargo with PROTOC set to the protoc that the build carries",
    details: "For example `cargo xtask cargo -- build --features cri` on a machine without protoc.",
    run,
};

fn run(mut parser: Parser) -> Result<()> {
    let arguments: Vec<_> = parser.raw_args()?.collect();
    match arguments.split_first() {
        Some((first, rest)) if first == "--" && !rest.is_empty() => process::run(cargo()?.args(rest)),
        _ => Err(Failure::usage("give cargo's arguments after `--`")),
    }
}
