//! `cargo xtask cluster`: a fake Kubernetes cluster to try things on by hand.

use lexopt::Parser;

use super::{Command, keep::keep, no_arguments};
use crate::failure::{Failure, Result};
use crate::output::{note, say};
use crate::run_dir::RunDir;
use crate::served::Served;

pub(super) const COMMAND: Command = Command {
    name: "cluster",
    arguments: "",
    summary: "Starts a fake Kubernetes cluster and prints its KUBECONFIG, until Ctrl-C or the end of stdin",
    details: "Its pods are processes of this machine, which end with it. kubectl works on it for what wharf needs of a cluster:
pods, secrets, config maps, leases, nodes, exec, attach, port-forward, logs, cp. As root the processes are confined.",
    run,
};

fn run(parser: Parser) -> Result<()> {
    no_arguments(parser)?;
    let run = RunDir::create()?;
    let dir = run.subdirectory("cluster")?;
    let mut served = Served::cluster(&dir)?;
    say!("export KUBECONFIG={}", dir.join("kubeconfig").display());
    note!(
        "images: {}, and {} where busybox-static is installed",
        served.image("guest"),
        served.image("shell")
    );
    keep(|| match served.ended() {
        None => Ok(()),
        Some(status) => Err(Failure::failed(format!("the cluster ended by itself: {status}"))),
    })?;
    served.finish();
    Ok(())
}
