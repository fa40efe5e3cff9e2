//! `cargo xtask doctor`: what is here, what is missing, how to get it.

use std::fs;
use std::path::Path;

use lexopt::{Arg, Parser, ValueExt};

use super::Command;
use super::quickstart::{example, feature};
use crate::cargo::protoc;
use crate::containerd::cni_bin_dir;
use crate::failure::Result;
use crate::nydus::{self, INSTALL};
use crate::output::say;
use crate::process::{find, tool};

pub(super) const COMMAND: Command = Command {
    name: "doctor",
    arguments: "[URL]",
    summary: "Tells what is here, what is missing and how to get it",
    details: "With a URL it also connects to the runtime there.",
    run,
};

fn run(mut parser: Parser) -> Result<()> {
    let mut url = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Value(value) if url.is_none() => url = Some(value.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let feature = url.as_deref().map(feature).transpose()?;
    for finding in look() {
        say!("{finding}");
    }
    match (feature, url) {
        (Some(feature), Some(url)) => example(feature, &["--ping", &url]),
        _ => Ok(()),
    }
}

fn look() -> Vec<String> {
    let mut findings = vec![
        version("rust", "rustc", "https://rustup.rs"),
        version("C compiler", "cc", "package gcc"),
        line("protoc", carried_protoc(), "install protoc and set PROTOC"),
    ];
    findings.extend([
        version("containerd", "containerd", "package containerd, for the setup cri-containerd"),
        version("runc", "runc", "package runc, for the setup cri-containerd"),
        line(
            "CNI plugins",
            cni_bin_dir().map(shown),
            "package containernetworking-plugins, for pods' networks",
        ),
        line("ip", find("ip").map(shown), "package iproute2, for the setup cri-containerd"),
        line("iptables", find("iptables").map(shown), "package iptables, for port mappings"),
        line("busybox", find("busybox").map(shown), "package busybox-static, for cases with a shell"),
        line("root", nix::unistd::geteuid().is_root().then(|| "yes".to_owned()), "real runtimes need it"),
        line("cgroups", cgroups(), "no cgroup file system is mounted at /sys/fs/cgroup"),
        line("overlay", filesystem("overlay"), "modprobe overlay"),
        line("inotify", inotify(), "no inotify in this kernel: logs cannot be followed"),
        line("nydusd", nydusd(), INSTALL),
        line("nydus-image", nydus::image_tool().map(shown), INSTALL),
        line("/dev/fuse", exists("/dev/fuse"), "modprobe fuse, for nydusd in fuse mode"),
        line(
            "KUBECONFIG",
            std::env::var("KUBECONFIG").ok(),
            "set it to a cluster's file, for the driver k8s",
        ),
    ]);
    findings
}

fn line(what: &str, found: Option<String>, advice: &str) -> String {
    match found {
        Some(found) => format!("ok       {what:<13}{found}"),
        None => format!("missing  {what:<13}{advice}"),
    }
}

fn version(what: &str, program: &str, advice: &str) -> String {
    let told = find(program).map(|path| tool(&path.to_string_lossy(), ["--version"]).unwrap_or_default());
    line(what, told.map(|told| told.lines().next().unwrap_or("it tells no version").to_owned()), advice)
}

/// It tells its version as `nydusd Version: VERSION`, between tabs.
fn nydusd() -> Option<String> {
    let told = tool(&nydus::daemon()?.to_string_lossy(), ["--version"]).unwrap_or_default();
    let words: Vec<_> = told.lines().next().unwrap_or("it tells no version").split_whitespace().collect();
    Some(words.join(" "))
}

fn carried_protoc() -> Option<String> {
    match std::env::var("PROTOC") {
        Ok(given) => Path::new(&given).is_file().then(|| format!("{given}, from PROTOC")),
        Err(_) => protoc().ok().map(|_| "carried by the build".to_owned()),
    }
}

fn cgroups() -> Option<String> {
    let root = Path::new("/sys/fs/cgroup");
    let unified = root.join("cgroup.controllers").is_file();
    let legacy = root.join("memory").is_dir();
    unified.then(|| "version 2".to_owned()).or_else(|| legacy.then(|| "version 1".to_owned()))
}

fn filesystem(name: &str) -> Option<String> {
    let known = fs::read_to_string("/proc/filesystems").ok()?;
    known.lines().any(|line| line.split_whitespace().next_back() == Some(name)).then(|| "yes".to_owned())
}

fn inotify() -> Option<String> {
    let limit =
        |name: &str| Some(fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?.trim().to_owned());
    Some(format!("{} instances, {} watches a user", limit("max_user_instances")?, limit("max_user_watches")?))
}

fn exists(path: &str) -> Option<String> {
    Path::new(path).exists().then(|| "yes".to_owned())
}

fn shown(path: std::path::PathBuf) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_comes_with_advice() {
        assert_eq!(version("nydusd", "no-such-program", "install it"), "missing  nydusd       install it");
    }

    #[test]
    fn what_is_there_comes_with_its_version() {
        assert!(version("rust", "rustc", "").starts_with("ok       rust         rustc 1."));
    }

    #[test]
    fn every_line_is_one_or_the_other() {
        for finding in look() {
            assert!(finding.starts_with("ok  ") || finding.starts_with("missing  "), "{finding}");
            assert_eq!(finding.lines().count(), 1);
        }
    }
}
