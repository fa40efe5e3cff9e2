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
    arguments: "[--url URL] [--quick]",
    summary: "Measures what wharf adds to a call, as ratios in one run",
    details: "  --url URL  measure on this CRI runtime instead of on a private containerd
  --quick    few repetitions: shows that it works, the numbers mean little

Over memory://, over testkit's CRI server, and over a private containerd where one can run. Prints a Markdown table.",
    run,
};

fn run(parser: Parser) -> Result<()> {
    let options = Options::parse(parser)?;
    let mut bench = cargo()?;
    bench.args(["bench", "--package", "testkit", "--bench", "overhead", "--"]);
    if options.quick {
        bench.arg("--quick");
    }
    let run = RunDir::create()?;
    bench.env("WHARF_STATE_DIR", run.subdirectory("bench")?);
    if let Some(url) = &options.url {
        return process::run(bench.args(["--url", url]));
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
    quick: bool,
}

impl Options {
    fn parse(mut parser: Parser) -> Result<Self> {
        let mut options = Self::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("url") => options.url = Some(parser.value()?.string()?),
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
        let both = Options { url: Some("cri:///x.sock".to_owned()), quick: true };
        assert_eq!(parse("--quick --url cri:///x.sock").unwrap(), both);
        assert_eq!(parse("--fast").unwrap_err().exit_code(), 2);
    }
}
