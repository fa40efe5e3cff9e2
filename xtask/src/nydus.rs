//! What nydusd needs of the machine, and where it is.

use std::path::PathBuf;

use crate::process::find;

/// How nydusd and its tools are installed.
pub(crate) const INSTALL: &str =
    "cargo install nydus-rs --version 2.2.0 --locked --features virtiofs, with cmake";

/// What is missing here, one thing an entry; empty when the real daemon can run in both modes.
pub(crate) fn missing() -> Vec<String> {
    let mut missing = Vec::new();
    if !nix::unistd::geteuid().is_root() {
        missing.push("root".to_owned());
    }
    if !std::path::Path::new("/dev/fuse").exists() {
        missing.push("/dev/fuse (modprobe fuse)".to_owned());
    }
    for (name, found) in [("nydusd", daemon()), ("nydus-image", image_tool())] {
        if found.is_none() {
            missing.push(format!("{name} ({INSTALL})"));
        }
    }
    missing
}

/// The daemon: that of `WHARF_NYDUSD`, or the one in `PATH`.
pub(crate) fn daemon() -> Option<PathBuf> {
    named("WHARF_NYDUSD").or_else(|| find("nydusd"))
}

/// The maker of images: that of `WHARF_NYDUS_IMAGE`, the one beside the daemon, or the one in `PATH`.
pub(crate) fn image_tool() -> Option<PathBuf> {
    let beside = || daemon().map(|daemon| daemon.with_file_name("nydus-image")).filter(|tool| tool.is_file());
    named("WHARF_NYDUS_IMAGE").or_else(beside).or_else(|| find("nydus-image"))
}

fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
        .filter(|path| path.is_file())
}
