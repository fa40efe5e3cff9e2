//! The project's own commands: `cargo xtask COMMAND`.

mod cargo;
mod cluster;
mod commands;
mod conformance;
mod containerd;
mod failure;
mod interrupt;
mod mounts;
mod nydus;
mod output;
mod process;
mod procfs;
mod project;
mod run_dir;
mod served;
mod steps;
mod sweep;
mod wait;

use std::process::ExitCode;

use crate::failure::Result;
use crate::output::note;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            note!("xtask: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run() -> Result<()> {
    interrupt::install()?;
    commands::dispatch(std::env::args_os().skip(1).collect())
}
