//! `cargo xtask bench`: the ratios of the overhead benchmark.

use lexopt::Parser;

use super::{Command, no_arguments};
use crate::cargo::{self, cargo};
use crate::containerd::{PrivateContainerd, missing};
use crate::failure::Result;
use crate::output::note;
use crate::process;
use crate::run_dir::RunDir;

pub(super) const COMMAND: Command = Command {
    name: "bench",
    arguments: "",
    summary: "Measures what wharf adds to a call, as ratios in one run",
    details: "Over memory://, and over a private containerd where one can run.",
    run,
};

fn run(parser: Parser) -> Result<()> {
    no_arguments(parser)?;
    let missing = missing();
    let mut bench = cargo()?;
    bench.args(["bench", "--package", "wharf", "--features", "memory,cri", "--bench", "overhead"]);
    if !missing.is_empty() {
        note!("without a real containerd: needs {}", missing.join(", "));
        return process::run(&mut bench);
    }
    let programs = cargo::programs()?;
    let run = RunDir::create()?;
    let server = PrivateContainerd::start(&run, &programs.pause_archive(&run)?)?;
    bench.env("WHARF_GUEST", &programs.guest).env("WHARF_STATE_DIR", run.subdirectory("bench")?);
    process::run(bench.args(["--", "--url", &server.url()]))
}
