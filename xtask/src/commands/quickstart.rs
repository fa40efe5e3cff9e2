//! `cargo xtask quickstart`: the quickstart example against a URL.

use lexopt::{Arg, Parser, ValueExt};

use super::Command;
use crate::cargo::cargo;
use crate::failure::{Failure, Result};
use crate::process;
use crate::served::Served;

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
const SCHEMES: [(&str, &str); 5] =
    [("memory", "memory"), ("cri", "cri"), ("nydus", "nydus"), ("k8s", "k8s"), ("vic", "vic")];

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
        None => registry.insert(Served::registry()?).image("guest"),
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
            assert!(
                error.to_string().ends_with("known: memory://, cri://, nydus://, k8s://, vic://"),
                "{error}"
            );
            assert_eq!(error.exit_code(), 2);
        }
    }
}
