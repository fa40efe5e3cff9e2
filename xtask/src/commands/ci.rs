//! `cargo xtask ci`: everything that a change has to pass.

use std::collections::BTreeSet;
use std::process;

use lexopt::{Arg, Parser};

use super::Command;
use super::test::{workspace_tests, xtask};
use crate::cargo::cargo;
use crate::conformance::{SETUPS, Setup};
use crate::failure::{Failure, Result};
use crate::process::{find, output};
use crate::steps::Steps;

pub(super) const COMMAND: Command = Command {
    name: "ci",
    arguments: "[--after-test]",
    summary: "Runs format, lints, tests, docs, boundaries and conformance with --require-real",
    details: "  --after-test  leave out what `cargo xtask test` has just run

Goes on after a failure and names all at the end. The last line is `N passed, N failed, N skipped` of all tests.",
    run,
};

/// Crates that must not be among a package's own dependencies: (what is looked at, arguments of `cargo tree`, crates).
const BOUNDARIES: &[(&str, &[&str], &[&str])] = &[
    (
        "runtime-core",
        &["--package", "runtime-core", "--all-features"],
        &["h2", "http", "hyper", "kube", "kube-client", "reqwest", "tonic", "tower"],
    ),
    (
        "wharf with memory alone",
        &["--package", "wharf", "--no-default-features", "--features", "memory"],
        &["k8s-cri", "kube", "kube-client", "tonic"],
    ),
    (
        "wharf with nydus alone",
        &["--package", "wharf", "--no-default-features", "--features", "nydus"],
        &["k8s-cri", "kube", "kube-client", "tonic"],
    ),
    (
        "wharf with k8s alone",
        &["--package", "wharf", "--no-default-features", "--features", "k8s"],
        &["h2", "k8s-cri", "spdy", "testkit", "tonic"],
    ),
    (
        "wharf with vic alone",
        &["--package", "wharf", "--no-default-features", "--features", "vic"],
        &["h2", "k8s-cri", "kube", "spdy", "testkit", "tonic"],
    ),
    (
        "wharf without features",
        &["--package", "wharf", "--no-default-features"],
        &["hyper", "k8s-cri", "testkit", "tonic"],
    ),
];

fn run(mut parser: Parser) -> Result<()> {
    let mut after_test = false;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("after-test") => after_test = true,
            other => return Err(other.unexpected().into()),
        }
    }
    let mut steps = Steps::default();
    steps.run("format", with(&["fmt", "--all", "--check"])?)?;
    steps.run(
        "lints",
        with(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "--deny", "warnings"])?,
    )?;
    if !after_test {
        steps.run("workspace tests", workspace_tests()?)?;
    }
    steps.run("doc tests", with(&["test", "--doc", "--workspace", "--all-features"])?)?;
    let mut docs = with(&["doc", "--no-deps", "--workspace", "--all-features"])?;
    docs.env("RUSTDOCFLAGS", "--deny warnings");
    steps.run("docs", docs)?;
    for (name, arguments, forbidden) in BOUNDARIES {
        steps.check(&format!("boundaries of {name}"), || boundary(arguments, forbidden))?;
    }
    steps.run("no features", with(&["check", "--package", "wharf", "--no-default-features"])?)?;
    for feature in features()? {
        let alone = ["check", "--package", "wharf", "--no-default-features", "--features", &feature];
        steps.run(&format!("feature {feature} alone"), with(&alone)?)?;
    }
    if find("cargo-deny").is_some() {
        steps.run(
            "licenses, bans and sources",
            with(&["deny", "--offline", "check", "licenses", "bans", "sources"])?,
        )?;
    } else {
        steps.leave_out("licenses, bans and sources", "cargo-deny is not installed");
    }
    steps.run("matrix", xtask("matrix", ["--check"].into_iter())?)?;
    for setup in SETUPS {
        if let Some(why) = setup.why_only_named() {
            steps.leave_out(&format!("conformance of {}", setup.name), why);
        }
    }
    let setups = Setup::of_this_machine().filter(|setup| !(after_test && setup.needs_nothing()));
    let arguments = setups.flat_map(|setup| ["--setup", setup.name]).chain(["--require-real"]);
    steps.run("conformance", xtask("conformance", arguments)?)?;
    steps.finish()
}

fn with(arguments: &[&str]) -> Result<process::Command> {
    let mut command = cargo()?;
    command.args(arguments);
    Ok(command)
}

fn boundary(arguments: &[&str], forbidden: &[&str]) -> Result<()> {
    let tree =
        stdout(&[&["tree", "--edges", "normal", "--prefix", "none", "--format", "{p}"], arguments].concat())?;
    let crates = names(&tree);
    let found: Vec<_> = forbidden.iter().filter(|name| crates.contains(**name)).copied().collect();
    if found.is_empty() { Ok(()) } else { Err(Failure::failed(format!("depends on {}", found.join(", ")))) }
}

/// The facade's features, from its manifest.
fn features() -> Result<Vec<String>> {
    #[derive(serde::Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    #[derive(serde::Deserialize)]
    struct Package {
        name: String,
        features: std::collections::BTreeMap<String, Vec<String>>,
    }
    let text = stdout(&["metadata", "--no-deps", "--format-version", "1"])?;
    let metadata: Metadata = serde_json::from_str(&text)
        .map_err(|error| Failure::failed(format!("cannot read cargo's metadata: {error}")))?;
    let facade = metadata.packages.into_iter().find(|package| package.name == "wharf");
    let facade = facade.ok_or_else(|| Failure::failed("there is no package called wharf"))?;
    Ok(facade.features.into_keys().filter(|feature| feature != "default").collect())
}

fn stdout(arguments: &[&str]) -> Result<String> {
    let output = output(&mut with(arguments)?)?;
    if !output.status.success() {
        return Err(Failure::failed(format!("cargo {} failed: {}", arguments.join(" "), output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn names(tree: &str) -> BTreeSet<&str> {
    tree.lines().filter_map(|line| line.split_whitespace().next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_are_compared_by_their_whole_name() {
        let crates =
            names("wharf v0.1.0 (/w)\nhttp-body v1.0.1\ntower-service v0.3.3\n\nhttp-body v1.0.1 (*)\n");
        assert_eq!(crates, BTreeSet::from(["wharf", "http-body", "tower-service"]));
    }

    #[test]
    fn a_crate_that_is_there_breaks_the_boundary() {
        let error = boundary(&["--package", "xtask"], &["tonic", "lexopt", "serde"]).unwrap_err();
        assert_eq!(error.to_string(), "depends on lexopt, serde");
        assert_eq!(boundary(&["--package", "xtask"], &["tonic", "tokio"]), Ok(()));
    }

    #[test]
    fn the_features_come_from_the_manifest() {
        let features = features().unwrap();
        assert!(features.iter().any(|feature| feature == "memory"), "{features:?}");
        assert!(!features.iter().any(|feature| feature == "default"));
    }
}
