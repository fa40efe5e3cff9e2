//! `cargo xtask conformance`: the same cases against every setup.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use lexopt::{Arg, Parser, ValueExt};

use super::Command;
use crate::cargo::{self, Programs};
use crate::conformance::{
    Environment, Outcome, RealSystem, Record, Report, Runner, Selection, Setup, Totals, group_named,
};
use crate::containerd::PrivateContainerd;
use crate::failure::{AtPath, Failure, Result};
use crate::output::{note, say};
use crate::run_dir::RunDir;

pub(super) const COMMAND: Command = Command {
    name: "conformance",
    arguments: "[--setup NAME]… [--group NAME]… [--case TEXT] [--seed N] [--require-real] [--report DIR]",
    summary: "Runs the conformance cases against each setup that can run here",
    details:
        "  --setup NAME    only this setup, which then has to run: memory, cri-fake, cri-containerd,
                  nydus-fake, nydus-virtiofs, nydus-fuse, k8s-fake, k8s (the cluster of KUBECONFIG),
                  vic-fake, vic-fake-oci (not whole yet)
  --group NAME    only cases of this group
  --case TEXT     only cases whose name holds TEXT
  --seed N        seed of everything random
  --require-real  a setup that cannot run here is a failure
  --report DIR    write report.json, report.html and containerd's log there

Prints one line a setup, then `N passed, N failed, N skipped`; the exit status is 0 only when nothing failed.",
    run,
};

pub(super) fn run(parser: Parser) -> Result<()> {
    let options = Options::parse(parser)?;
    let mut report = Report::default();
    let mut lines = Vec::new();
    let mut able = Vec::new();
    for setup in &options.setups {
        match setup.obstacle() {
            None => able.push(*setup),
            Some(obstacle) => {
                lines.push(format!("{:<16}cannot run here: {obstacle}", setup.name));
                if options.must_run {
                    report.extend(vec![Record::broken_setup(setup.name, obstacle)]);
                }
            }
        }
    }
    if !able.is_empty() {
        let programs = cargo::programs()?;
        let run = RunDir::create()?;
        for setup in able {
            let start = Instant::now();
            let records = run_setup(setup, &programs, &run, &options)?;
            lines.push(line(setup, &records, start.elapsed().as_secs_f64()));
            report.extend(records);
        }
    }
    if let Some(dir) = &options.report {
        report.write(dir)?;
    }
    finish(&lines, report.totals())
}

struct Options {
    setups: Vec<&'static Setup>,
    selection: Selection,
    /// Whether a setup that cannot run is a failure.
    must_run: bool,
    report: Option<PathBuf>,
}

impl Options {
    fn parse(mut parser: Parser) -> Result<Self> {
        let mut options =
            Self { setups: Vec::new(), selection: Selection::default(), must_run: false, report: None };
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("setup") => {
                    let setup = Setup::named(&parser.value()?.string()?)?;
                    if !options.setups.contains(&setup) {
                        options.setups.push(setup);
                    }
                }
                Arg::Long("group") => options.selection.groups.push(group_named(&parser.value()?.string()?)?),
                Arg::Long("case") => options.selection.case = Some(parser.value()?.string()?),
                Arg::Long("seed") => options.selection.seed = Some(parser.value()?.parse()?),
                Arg::Long("require-real") => options.must_run = true,
                Arg::Long("report") => options.report = Some(parser.value()?.into()),
                other => return Err(other.unexpected().into()),
            }
        }
        if options.setups.is_empty() {
            options.setups = Setup::of_this_machine().collect();
        } else {
            // Who names a setup wants it run.
            options.must_run = true;
        }
        Ok(options)
    }
}

fn run_setup(setup: &Setup, programs: &Programs, run: &RunDir, options: &Options) -> Result<Vec<Record>> {
    let selection = &options.selection;
    let runner = Runner {
        program: programs.runner.clone(),
        guest: programs.guest.clone(),
        toolbox: programs.toolbox.clone(),
    };
    let state_dir = run.subdirectory(setup.name)?;
    match setup.environment {
        Environment::InProcess | Environment::Unfinished | Environment::Nydusd | Environment::Cluster => {
            runner.run(setup, None, selection, &state_dir)
        }
        Environment::Containerd => {
            let pause = programs.pause_archive(run)?;
            let server = match PrivateContainerd::start(run, &pause) {
                Ok(server) => server,
                Err(Failure::Failed(reason)) => return Ok(vec![Record::broken_setup(setup.name, reason)]),
                Err(other) => return Err(other),
            };
            let system = RealSystem { url: server.url(), control: server.control() };
            let records = runner.run(setup, Some(&system), selection, &state_dir)?;
            if let Some(dir) = &options.report {
                fs::create_dir_all(dir).at("create", dir)?;
                let log = dir.join("containerd.log");
                fs::copy(server.log(), &log).at("write", &log)?;
            }
            Ok(records)
        }
    }
}

fn line(setup: &Setup, records: &[Record], seconds: f64) -> String {
    for record in records.iter().filter(|record| record.case.outcome == Outcome::Failed) {
        let reason = record.case.reason.as_deref().unwrap_or("no reason given");
        note!("FAILED {} {}/{}: {reason}", setup.name, record.case.group, record.case.case);
    }
    let totals = Totals::of(records.iter().map(|record| record.case.outcome));
    format!("{:<16}{totals} in {seconds:.1} s", setup.name)
}

fn finish(lines: &[String], totals: Totals) -> Result<()> {
    for line in lines {
        say!("{line}");
    }
    say!("{totals}");
    match totals {
        Totals { failed: 0, .. } if totals.all() == 0 => Err(Failure::failed("no case has run")),
        Totals { failed: 0, .. } => Ok(()),
        Totals { failed: 1, .. } => Err(Failure::failed("1 case failed")),
        Totals { failed, .. } => Err(Failure::failed(format!("{failed} cases failed"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(Parser::from_args(line.split_whitespace()))
    }

    #[test]
    fn without_setup_all_are_tried_and_none_has_to_run() {
        let options = parse("").unwrap();
        assert_eq!(options.setups.len(), Setup::of_this_machine().count());
        assert!(!options.must_run);
        assert!(parse("--require-real").unwrap().must_run);
    }

    #[test]
    fn a_setup_that_is_named_has_to_run() {
        let options = parse("--setup cri-fake --setup memory --setup memory").unwrap();
        assert_eq!(options.setups.iter().map(|setup| setup.name).collect::<Vec<_>>(), ["cri-fake", "memory"]);
        assert!(options.must_run);
    }

    #[test]
    fn the_selection_is_kept() {
        let options = parse("--group exec --case no_such --seed 18446744073709551615 --report out").unwrap();
        assert_eq!(options.selection.groups, ["exec"]);
        assert_eq!(options.selection.case.as_deref(), Some("no_such"));
        assert_eq!(options.selection.seed, Some(u64::MAX));
        assert_eq!(options.report, Some(PathBuf::from("out")));
    }

    #[test]
    fn wrong_values_are_usage_errors() {
        for line in ["--setup docker", "--group all", "--seed -1", "--seed x", "--setup", "case"] {
            assert_eq!(parse(line).err().unwrap().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn a_run_of_nothing_and_a_failed_case_are_failures() {
        assert!(finish(&[], Totals::default()).is_err());
        assert!(finish(&[], Totals { passed: 5, failed: 1, skipped: 0 }).is_err());
        assert!(finish(&[], Totals { passed: 5, failed: 0, skipped: 1 }).is_ok());
    }
}
