//! `cargo xtask containerd`: a private containerd to try things on by hand.

use lexopt::Parser;

use super::{Command, keep::keep, no_arguments};
use crate::cargo;
use crate::containerd::PrivateContainerd;
use crate::failure::{Failure, Result};
use crate::output::{note, say};
use crate::run_dir::RunDir;

pub(super) const COMMAND: Command = Command {
    name: "containerd",
    arguments: "",
    summary: "Starts a private containerd and prints its URL, until Ctrl-C or the end of stdin",
    details: "Everything that ran on it is removed at the end. Needs root, containerd, runc and the CNI plugins.",
    run,
};

fn run(parser: Parser) -> Result<()> {
    no_arguments(parser)?;
    let programs = cargo::programs()?;
    let run = RunDir::create()?;
    let server = PrivateContainerd::start(&run, &programs.pause_archive(&run)?)?;
    say!("{}", server.url());
    note!("log: {}", server.log().display());
    note!("kill, start, holdings: {}", server.control().display());
    keep(|| match server.is_running() {
        true => Ok(()),
        false => Err(Failure::failed(format!("containerd ended by itself; see {}", server.log().display()))),
    })
}
