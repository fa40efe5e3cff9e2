//! What a run says: a line a setup, the totals, and `report.json` with `report.html`.

use std::fmt;
use std::fs;
use std::ops::AddAssign;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::html;
use crate::failure::{AtPath, Failure, Result};

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// It did what it should.
    Passed,
    /// It didn't.
    Failed,
    /// It did not run; the reason says why.
    Skipped,
}

/// One case of one setup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Record {
    /// The setup it ran in.
    pub(crate) setup: String,
    /// The case as the runner reported it.
    #[serde(flatten)]
    pub(crate) case: Case,
}

/// One case, as the runner reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Case {
    /// Its group; `setup` for what is wrong with the setup itself.
    pub(crate) group: String,
    /// Its name.
    pub(crate) case: String,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// Why it failed or was skipped.
    #[serde(default)]
    pub(crate) reason: Option<String>,
    /// How long it took.
    pub(crate) milliseconds: u64,
}

impl Record {
    /// A setup that could not do its work: counted as one failed case, so that it cannot go unseen.
    pub(crate) fn broken_setup(setup: &str, reason: String) -> Self {
        let case = Case {
            group: "setup".to_owned(),
            case: "start".to_owned(),
            outcome: Outcome::Failed,
            reason: Some(reason),
            milliseconds: 0,
        };
        Self { setup: setup.to_owned(), case }
    }
}

/// How many cases ended in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Cases that passed.
    pub(crate) passed: usize,
    /// Cases that failed.
    pub(crate) failed: usize,
    /// Cases that did not run.
    pub(crate) skipped: usize,
}

impl Totals {
    /// The totals of these outcomes.
    pub(crate) fn of(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        let mut totals = Self::default();
        for outcome in outcomes {
            match outcome {
                Outcome::Passed => totals.passed += 1,
                Outcome::Failed => totals.failed += 1,
                Outcome::Skipped => totals.skipped += 1,
            }
        }
        totals
    }

    /// Reads a line that `Display` wrote.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut parts = line.trim().split(", ");
        let mut count = |what: &str| parts.next()?.strip_suffix(what)?.parse().ok();
        let totals =
            Self { passed: count(" passed")?, failed: count(" failed")?, skipped: count(" skipped")? };
        parts.next().is_none().then_some(totals)
    }

    /// The number of all cases.
    pub(crate) fn all(self) -> usize {
        self.passed + self.failed + self.skipped
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// All records of a run.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Record>);

impl Report {
    /// Adds a setup's records.
    pub(crate) fn extend(&mut self, records: Vec<Record>) {
        self.0.extend(records);
    }

    /// The totals of the run.
    pub(crate) fn totals(&self) -> Totals {
        Totals::of(self.0.iter().map(|record| record.case.outcome))
    }

    /// Writes `report.json` and `report.html` to `dir`, which is made if it isn't there.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir).at("create", dir)?;
        let json = serde_json::to_string_pretty(&self.0)
            .map_err(|error| Failure::failed(format!("cannot write the report: {error}")))?;
        for (name, text) in [("report.json", json), ("report.html", html::page(&self.0))] {
            let file = dir.join(name);
            fs::write(&file, text).at("write", &file)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_totals_line_is_what_scripts_read() {
        let totals = Totals::of([Outcome::Passed, Outcome::Passed, Outcome::Skipped]);
        assert_eq!(totals.to_string(), "2 passed, 0 failed, 1 skipped");
        assert_eq!(Totals::parse("2 passed, 0 failed, 1 skipped\n"), Some(totals));
        for line in
            ["", "2 passed", "memory 2 passed, 0 failed, 1 skipped", "2 passed, 0 failed, 1 skipped, 3 odd"]
        {
            assert_eq!(Totals::parse(line), None, "{line}");
        }
    }

    #[test]
    fn the_report_is_a_flat_array() {
        let dir = tempfile::tempdir().unwrap();
        let mut report = Report::default();
        report.extend(vec![Record::broken_setup("memory", "no <end>".to_owned())]);
        let reports = dir.path().join("a/b");
        report.write(&reports).unwrap();
        let json: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(reports.join("report.json")).unwrap()).unwrap();
        assert_eq!(
            json,
            serde_json::json!([{
                "setup": "memory", "group": "setup", "case": "start",
                "outcome": "failed", "reason": "no <end>", "milliseconds": 0
            }])
        );
        assert!(fs::read_to_string(reports.join("report.html")).unwrap().contains("no &lt;end&gt;"));
    }
}
