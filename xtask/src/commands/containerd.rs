//! `cargo xtask containerd`: a private containerd to try things on by hand.

use std::io::{self, Read};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use lexopt::Parser;

use super::{Command, no_arguments};
use crate::cargo;
use crate::containerd::PrivateContainerd;
use crate::failure::{Failure, Result};
use crate::interrupt;
use crate::output::{note, say};
use crate::run_dir::RunDir;

pub(super) const COMMAND: Command = Command {
    name: "containerd",
    arguments: "",
    summary: "Starts a private containerd and prints its URL, until Ctrl-C or the end of stdin",
    details: "Everything that ran on it is removed at the end. Needs root, containerd, runc and the CNI plugins.",
    run,
};

/// How often a containerd that died by itself is looked for.
const LOOK: Duration = Duration::from_secs(1);

fn run(parser: Parser) -> Result<()> {
    no_arguments(parser)?;
    let programs = cargo::programs()?;
    let run = RunDir::create()?;
    let server = PrivateContainerd::start(&run, &programs.pause_archive(&run)?)?;
    say!("{}", server.url());
    note!("log: {}", server.log().display());
    note!("kill, start, holdings: {}", server.control().display());

    let (ended, end) = channel();
    interrupt::notify(ended.clone());
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink());
        let _ = ended.send(());
    });
    while end.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        if !server.is_running() {
            return Err(Failure::failed(format!(
                "containerd ended by itself; see {}",
                server.log().display()
            )));
        }
    }
    Ok(())
}
