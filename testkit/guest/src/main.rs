//! The one static program inside every image of the conformance suite: `guest COMMAND [ARGUMENT]…`.

mod cgroup;
mod command;
mod files;
mod identity;
mod load;
mod mounts;
mod net;
mod output;
mod process;
mod signals;
mod terminal;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    if let Err(error) = signals::watch() {
        eprintln!("guest: cannot watch for signals: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::from(command::run(&words))
}
