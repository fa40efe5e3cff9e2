//! `cargo xtask bench`: the ratios of the overhead benchmark.

use lexopt::{Arg, Parser, ValueExt};

use super::Command;
use crate::cargo::{self, cargo};
use crate::containerd::{PrivateContainerd, missing};
use crate::failure::Result;
use crate::output::note;
use crate::process;
use crate::run_dir::RunDir;

pub(super) const COMMAND: Command = Command {
    name: "bench",
    arguments: "[--url URL] [--only PART] [--quick]",
    summary: "Measures what wharf adds to a call, as ratios in one run",
    details: "  --url URL    measure on this CRI runtime instead of on a private containerd
  --only PART  measure nothing but memory, lists, fake, containerd, nydus or k8s
  --quick      few repetitions: shows that it works, the numbers mean little

Over memory://, over testkit's CRI server and its cluster, and over a private containerd and nydusd where they can run. Prints a Markdown table.",
    run,
};

fn run(parser: Parser) -> Result<()> {
    let options = Options::parse(parser)?;
    let mut bench = cargo()?;
    bench.args(["bench", "--package", "testkit", "--bench", "overhead", "--"]);
    if options.quick {
        bench.arg("--quick");
    }
    if let Some(part) = &options.only {
        bench.args(["--only", part]);
    }
    let run = RunDir::create()?;
    bench.env("WHARF_STATE_DIR", run.subdirectory("bench")?);
    if let Some(url) = &options.url {
        return process::run(bench.args(["--url", url]));
    }
    if options.only.as_deref().is_some_and(|part| part != "containerd") {
        return process::run(&mut bench);
    }
    let missing = missing();
    if !missing.is_empty() {
        note!("without a real containerd: needs {}", missing.join(", "));
        return process::run(&mut bench);
    }
    let programs = cargo::programs()?;
    let server = PrivateContainerd::start(&run, &programs.pause_archive(&run)?)?;
    process::run(bench.env("WHARF_GUEST", &programs.guest).args(["--url", &server.url()]))
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    url: Option<String>,
    only: Option<String>,
    quick: bool,
}

impl Options {
    fn parse(mut parser: Parser) -> Result<Self> {
        let mut options = Self::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("url") => options.url = Some(parser.value()?.string()?),
                Arg::Long("only") => options.only = Some(parser.value()?.string()?),
                Arg::Long("quick") => options.quick = true,
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_others_refused() {
        let parse = |line: &str| Options::parse(Parser::from_args(line.split_whitespace()));
        assert_eq!(parse("").unwrap(), Options::default());
        let all =
            Options { url: Some("cri:///x.sock".to_owned()), only: Some("k8s".to_owned()), quick: true };
        assert_eq!(parse("--quick --only k8s --url cri:///x.sock").unwrap(), all);
        assert_eq!(parse("--fast").unwrap_err().exit_code(), 2);
    }
}
