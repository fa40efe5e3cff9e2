//! `cargo xtask faults`: the conformance cases in which something breaks.

use lexopt::Parser;

use super::{Command, conformance};
use crate::failure::Result;

/// The groups of cases that break something.
const GROUPS: [&str; 3] = ["faults", "recovery", "cancellation"];

pub(super) const COMMAND: Command = Command {
    name: "faults",
    arguments: "[--setup NAME]… [--case TEXT] [--seed N] [--require-real] [--report DIR]",
    summary: "Runs the conformance cases in which connections, runtimes and callers go away",
    details: "The groups faults, recovery and cancellation; the options are those of `conformance`.",
    run,
};

fn run(mut parser: Parser) -> Result<()> {
    let groups = GROUPS.into_iter().flat_map(|group| ["--group".into(), group.into()]);
    let rest: Vec<_> = parser.raw_args()?.collect();
    conformance::run(Parser::from_args(groups.chain(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_are_known_and_the_options_are_those_of_conformance() {
        for group in GROUPS {
            assert_eq!(crate::conformance::group_named(group), Ok(group));
        }
        let error = run(Parser::from_args(["--setup", "docker"])).unwrap_err();
        assert!(error.to_string().contains("unknown setup `docker`"), "{error}");
    }
}
