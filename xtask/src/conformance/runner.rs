//! The conformance runner: one call a setup.

use std::fs;
use std::path::{Path, PathBuf};

use super::report::{Case, Outcome, Record};
use super::setup::Setup;
use crate::failure::{AtPath, Failure, Result};
use crate::process;

/// Which cases to run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    /// Only these groups; all if empty.
    pub(crate) groups: Vec<&'static str>,
    /// Only cases whose name holds this.
    pub(crate) case: Option<String>,
    /// The seed of everything random.
    pub(crate) seed: Option<u64>,
}

/// A real system that a setup runs against.
#[derive(Debug, Clone)]
pub(crate) struct RealSystem {
    /// Where its API is.
    pub(crate) url: String,
    /// The socket on which it is killed and started.
    pub(crate) control: PathBuf,
}

/// The runner with what it needs.
#[derive(Debug)]
pub(crate) struct Runner {
    /// The program.
    pub(crate) program: PathBuf,
    /// The guest program that images are made of.
    pub(crate) guest: PathBuf,
    /// The toolbox for containers.
    pub(crate) toolbox: PathBuf,
}

impl Runner {
    /// Runs the selected cases in a setup; `state_dir` is the runner's own. What goes wrong is a failed record too.
    pub(crate) fn run(
        &self,
        setup: &Setup,
        server: Option<&RealSystem>,
        selection: &Selection,
        state_dir: &Path,
    ) -> Result<Vec<Record>> {
        let report = state_dir.with_extension("json");
        let mut command = process::tied(&self.program);
        command.args(["--setup", setup.name]);
        if let Some(server) = server {
            command.args(["--url", &server.url]).arg("--control").arg(&server.control);
        }
        command.args(selection.groups.iter().flat_map(|group| ["--group", group]));
        command.args(selection.case.iter().flat_map(|text| ["--case", text]));
        command.args(selection.seed.iter().flat_map(|seed| ["--seed".to_owned(), seed.to_string()]));
        command.arg("--report").arg(&report);
        command.env("WHARF_STATE_DIR", state_dir);
        command.env("WHARF_GUEST", &self.guest).env("WHARF_TOOLBOX", &self.toolbox);
        let status = process::status(&mut command)?;

        let mut records: Vec<_> = match read(&report) {
            Ok(cases) => {
                cases.into_iter().map(|case| Record { setup: setup.name.to_owned(), case }).collect()
            }
            Err(error) => {
                let reason = format!("the runner ended with {status} and no report: {error}");
                return Ok(vec![Record::broken_setup(setup.name, reason)]);
            }
        };
        if records.is_empty() {
            records.push(Record::broken_setup(setup.name, "no case was selected".to_owned()));
        } else if !status.success() && records.iter().all(|record| record.case.outcome != Outcome::Failed) {
            let reason = format!("no case failed, but the runner ended with {status}");
            records.push(Record::broken_setup(setup.name, reason));
        }
        Ok(records)
    }

    /// The capability table, as markdown.
    pub(crate) fn matrix(&self) -> Result<String> {
        let mut command = process::tied(&self.program);
        command.arg("--print-matrix").env("WHARF_GUEST", &self.guest).env("WHARF_TOOLBOX", &self.toolbox);
        let output = process::output(&mut command)?;
        if !output.status.success() {
            return Err(Failure::failed(format!("the runner could not print the matrix: {}", output.status)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn read(report: &Path) -> Result<Vec<Case>> {
    let text = fs::read_to_string(report).at("read", report)?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::failed(format!("{} is broken: {error}", report.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A runner that is this shell script; `$report` is the file it should write.
    fn run(script: &str, selection: &Selection) -> Vec<Record> {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("runner");
        fs::write(&program, format!("#!/bin/sh\nfor report; do :; done\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let state = dir.path().join("state");
        fs::create_dir(&state).unwrap();
        let runner = Runner { program, guest: PathBuf::from("/guest"), toolbox: PathBuf::from("/toolbox") };
        let server = RealSystem { url: "memory://".to_owned(), control: PathBuf::from("/c") };
        runner.run(Setup::named("memory").unwrap(), Some(&server), selection, &state).unwrap()
    }

    fn reason(records: &[Record]) -> &str {
        records.last().unwrap().case.reason.as_deref().unwrap()
    }

    const ONE: &str = r#"[{"group":"exec","case":"a","outcome":"passed","reason":null,"milliseconds":3}]"#;

    #[test]
    fn cases_are_read_from_the_report() {
        let records = run(&format!("echo '{ONE}' > $report"), &Selection::default());
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].setup, "memory");
        assert_eq!(records[0].case.milliseconds, 3);
    }

    #[test]
    fn the_selection_and_the_surroundings_are_passed_on() {
        let script = r#"printf '[{"group":"g","case":"%s|%s|%s","outcome":"skipped","milliseconds":0}]' \
            "${*%--report*}" "$WHARF_GUEST" "$WHARF_TOOLBOX" > $report; test -d "$WHARF_STATE_DIR""#;
        let selection =
            Selection { groups: vec!["exec", "logs"], case: Some("a b".to_owned()), seed: Some(7) };
        let records = run(script, &selection);
        assert_eq!(
            records[0].case.case,
            "--setup memory --url memory:// --control /c --group exec --group logs --case a b --seed 7 |/guest|/toolbox"
        );
        assert_eq!(records.len(), 1, "{records:?}");
    }

    #[test]
    fn a_runner_without_a_report_has_failed() {
        let records = run("exit 0", &Selection::default());
        assert_eq!(records[0].case.outcome, Outcome::Failed);
        assert!(reason(&records).contains("no report"), "{records:?}");
    }

    #[test]
    fn a_runner_that_fails_without_a_failed_case_has_failed() {
        let records = run(&format!("echo '{ONE}' > $report; exit 9"), &Selection::default());
        assert_eq!(reason(&records), "no case failed, but the runner ended with exit status: 9");
    }

    #[test]
    fn a_run_of_nothing_has_failed() {
        let records = run("echo '[]' > $report", &Selection::default());
        assert_eq!(reason(&records), "no case was selected");
    }

    #[test]
    fn a_cut_report_has_failed() {
        let records = run("echo '[{' > $report", &Selection::default());
        assert!(reason(&records).contains("is broken"), "{records:?}");
    }
}
