//! What a run found, for scripts.

use std::{path::Path, time::Duration};

use serde::Serialize;

use super::{Failure, Verdict};

/// How one case ended.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Entry {
    pub(super) group: &'static str,
    pub(super) case: String,
    pub(super) outcome: &'static str,
    pub(super) reason: String,
    pub(super) milliseconds: u64,
}

impl Entry {
    pub(super) fn new(group: &'static str, case: &str, verdict: &Verdict, took: Duration) -> Self {
        let (outcome, reason) = match verdict {
            Ok(()) => ("passed", String::new()),
            Err(Failure::Failed(reason)) => ("failed", reason.clone()),
            Err(Failure::Skipped(reason)) => ("skipped", reason.clone()),
        };
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Self { group, case: case.to_owned(), outcome, reason, milliseconds }
    }
}

/// Writes the entries as JSON.
pub(super) fn write(path: &Path, entries: &[Entry]) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    serde_json::to_writer_pretty(&mut file, entries)?;
    std::io::Write::flush(&mut file)
}
