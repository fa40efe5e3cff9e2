//! The conformance suite against each setup; `cargo xtask conformance` prepares what they need and runs this.

mod cri;
mod eventually;
mod holdings;
mod k8s;
mod manifest;
mod memory;
mod nydus;
mod vic;

use std::process::ExitCode;

use testkit::conformance::{Case, Setup};
use wharf::{Error, ErrorKind};

const SETUPS: &[Setup] = &[
    Setup { name: "memory", connect: |_| Box::pin(memory::connect()), cases: ANY },
    Setup { name: "cri-fake", connect: |_| Box::pin(cri::fake()), cases: ANY },
    Setup { name: "cri-containerd", connect: |system| Box::pin(cri::containerd(system)), cases: ANY },
    Setup { name: "nydus-fake", connect: |_| Box::pin(nydus::fake()), cases: nydus::ON_THE_FAKE },
    Setup {
        name: "nydus-virtiofs",
        connect: |system| Box::pin(nydus::virtiofs(system)),
        cases: nydus::ON_A_REAL_DAEMON,
    },
    Setup { name: "nydus-fuse", connect: |system| Box::pin(nydus::fuse(system)), cases: nydus::IN_FUSE_MODE },
    Setup { name: "k8s-fake", connect: |_| Box::pin(k8s::fake()), cases: k8s::ON_THE_FAKE },
    Setup { name: "k8s", connect: |system| Box::pin(k8s::cluster(system)), cases: k8s::ON_A_CLUSTER },
    Setup { name: "vic-fake", connect: |_| Box::pin(vic::fake()), cases: ANY },
    Setup { name: "vic-fake-oci", connect: |_| Box::pin(vic::fake_with_oci_guest()), cases: ANY },
];

/// Cases for every driver that runs containers, of more than the suite itself knows.
const ANY: &[&[Case]] = &[manifest::CASES];

fn main() -> ExitCode {
    testkit::conformance::main(SETUPS)
}

/// Where pods are run, in systems that need nothing for a namespace to be there.
const NAMESPACE: &str = "conformance";

/// Why a setup can't run cases that need images to be mounted without being pulled.
const PULLS: &str = "the runtime pulls its images";

fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Unavailable, "the setup can't be prepared").with_source(error)
}
