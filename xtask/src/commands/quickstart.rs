//! `cargo xtask quickstart`: the quickstart example against a URL.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};

use lexopt::{Arg, Parser, ValueExt};

use super::Command;
use crate::cargo::{self, cargo};
use crate::failure::{Failure, Result};
use crate::process;

pub(super) const COMMAND: Command = Command {
    name: "quickstart",
    arguments: "[URL] [--image REF]",
    summary: "Runs the quickstart example, against memory:// or the runtime at URL",
    details:
        "  URL          memory:// (needs nothing, the default), cri:///path.sock or k8s://CONTEXT/NAMESPACE
  --image REF  the image to run; without it one from a registry that lives as long as the example",
    run,
};

/// URL schemes, and the features that they need.
const SCHEMES: [(&str, &str); 4] = [("memory", "memory"), ("cri", "cri"), ("nydus", "nydus"), ("k8s", "k8s")];

/// The image of `memory://` that is the machine's own file system.
const HOST_IMAGE: &str = "wharf.local/host:latest";

fn run(mut parser: Parser) -> Result<()> {
    let (mut url, mut image) = (None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Value(value) if url.is_none() => url = Some(value.string()?),
            Arg::Long("image") => image = Some(parser.value()?.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let url = url.unwrap_or_else(|| "memory://".to_owned());
    let feature = feature(&url)?;
    if feature == "nydus" {
        return Err(Failure::usage(
            "nydusd runs no containers; its example is `cargo run --features nydus --example lazy_rootfs`",
        ));
    }
    // Kept until the example has ended.
    let mut registry = None;
    let image = match image {
        Some(image) => image,
        None if feature == "memory" => HOST_IMAGE.to_owned(),
        None => registry.insert(Registry::start()?).image(),
    };
    example(feature, &[&url, &image])
}

/// Runs the example with the feature of a URL.
pub(super) fn example(feature: &str, arguments: &[&str]) -> Result<()> {
    let mut command = cargo()?;
    command.args([
        "run",
        "--quiet",
        "--package",
        "wharf",
        "--features",
        feature,
        "--example",
        "quickstart",
        "--",
    ]);
    process::run(command.args(arguments))
}

/// The feature that a URL needs.
pub(super) fn feature(url: &str) -> Result<&'static str> {
    let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
    let known = SCHEMES.iter().find(|(known, _)| *known == scheme);
    known.map(|(_, feature)| *feature).ok_or_else(|| {
        let known = SCHEMES.map(|(scheme, _)| format!("{scheme}://")).join(", ");
        Failure::usage(format!("no driver for `{url}`; known: {known}"))
    })
}

/// A registry with the guest image; it ends with this value.
struct Registry {
    server: Child,
    address: SocketAddr,
}

impl Registry {
    fn start() -> Result<Self> {
        let programs = cargo::programs()?;
        let mut command = process::tied(&programs.testkit);
        // It serves until its stdin ends, so even a killed xtask leaves none behind.
        command.arg("serve").env("WHARF_GUEST", &programs.guest).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = command
            .spawn()
            .map_err(|error| Failure::failed(format!("cannot start the registry: {error}")))?;
        let mut line = String::new();
        if let Some(stdout) = server.stdout.take() {
            // What can't be read is an empty line, and that is no address.
            let _ = BufReader::new(stdout).read_line(&mut line);
        }
        match address(&line) {
            Some(address) => Ok(Self { server, address }),
            None => {
                end(&mut server);
                Err(Failure::failed(format!("the registry did not say where it listens: `{}`", line.trim())))
            }
        }
    }

    fn image(&self) -> String {
        format!("{}/guest:1", self.address)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        end(&mut self.server);
    }
}

fn end(server: &mut Child) {
    let _ = server.kill();
    let _ = server.wait();
}

/// The address in the registry's first line.
fn address(line: &str) -> Option<SocketAddr> {
    line.split_whitespace()
        .find_map(|word| word.trim_start_matches("http://").trim_end_matches('/').parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_gives_the_feature() {
        assert_eq!(feature("memory://"), Ok("memory"));
        assert_eq!(feature("cri:///run/containerd/containerd.sock"), Ok("cri"));
    }

    #[test]
    fn an_unknown_scheme_lists_the_known_ones() {
        for url in ["docker:///x", "/run/x.sock", ""] {
            let error = feature(url).unwrap_err();
            assert!(error.to_string().ends_with("known: memory://, cri://, nydus://, k8s://"), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn the_address_is_found_in_the_line() {
        let expected = "127.0.0.1:4567".parse().ok();
        for line in ["127.0.0.1:4567\n", "listening on http://127.0.0.1:4567/\n"] {
            assert_eq!(address(line), expected, "{line}");
        }
        assert_eq!(address("error: 1\n"), None);
    }
}
