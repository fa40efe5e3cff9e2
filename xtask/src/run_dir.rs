//! The directory of one run: everything that the run makes is in it, and tells later runs whom it belongs to.

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use crate::failure::{AtPath, Failure, Result};
use crate::output::note;
use crate::procfs::{self, Process};
use crate::{project, sweep};

/// Paths of unix sockets end at 107 bytes; what a run puts below its directory needs the rest.
const LONGEST: usize = 56;

/// A run's directory; dropping it ends the run and removes it.
///
/// Below the base lies the *record* (named by the pid of the owner, with the file `owner`). The work directory is
/// `work` in it, or a short one under the system's temporary directory that `work` then links to.
#[derive(Debug)]
pub(crate) struct RunDir {
    record: PathBuf,
    work: PathBuf,
}

impl RunDir {
    /// Sweeps what dead runs left, then makes a directory for this process.
    pub(crate) fn create() -> Result<Self> {
        Self::create_in(&project::target().join("wharf-run"))
    }

    fn create_in(base: &Path) -> Result<Self> {
        procfs::adopt_orphans();
        fs::create_dir_all(base).at("create", base)?;
        // Held while directories have no owner yet and while they are swept, so that neither meets the other.
        let lock = base.join("lock");
        let lock = File::create(&lock).and_then(|file| file.lock().map(|()| file)).at("lock", &lock)?;
        for problem in sweep::sweep(base) {
            note!("left by an earlier run: {problem}");
        }
        let owner =
            Process::current().ok_or_else(|| Failure::failed("cannot read this process's start time"))?;
        let record = base.join(owner.pid.to_string());
        create_private(&record)?;
        let run = Self { work: work_dir(&record)?, record };
        let file = run.record.join("owner");
        fs::write(&file, format!("{} {}\n", owner.pid, owner.start_time)).at("write", &file)?;
        drop(lock);
        Ok(run)
    }

    /// Where the run keeps its files: short enough for sockets two levels below.
    pub(crate) fn work(&self) -> &Path {
        &self.work
    }

    /// A new directory in it.
    pub(crate) fn subdirectory(&self, name: &str) -> Result<PathBuf> {
        let dir = self.work.join(name);
        create_private(&dir)?;
        Ok(dir)
    }

    /// The work directories of the other runs of this checkout.
    pub(crate) fn others(&self) -> Vec<PathBuf> {
        let entries = self.record.parent().and_then(|base| fs::read_dir(base).ok()).into_iter().flatten();
        let records = entries.filter_map(|entry| Some(entry.ok()?.path()));
        records
            .filter(|record| record.is_dir() && *record != self.record)
            .map(|record| record.join("work"))
            .collect()
    }

    /// A number that no other run of this machine has at the same time: this process's id.
    pub(crate) fn number() -> u32 {
        std::process::id()
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        for problem in sweep::end(&self.record) {
            note!("not cleaned up: {problem}");
        }
    }
}

fn work_dir(record: &Path) -> Result<PathBuf> {
    let work = record.join("work");
    if work.as_os_str().len() <= LONGEST {
        create_private(&work)?;
        return Ok(work);
    }
    let short = std::env::temp_dir().join(format!("wharf-run-{}", RunDir::number()));
    // The link first: if this process dies in between, the sweep finds a link to nothing and not a lost directory.
    symlink(&short, &work).at("create", &work)?;
    create_private(&short)?;
    Ok(short)
}

fn create_private(dir: &Path) -> Result<()> {
    fs::DirBuilder::new().mode(0o711).create(dir).at("create", dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_removes_its_directory_at_its_end() {
        let base = tempfile::tempdir().unwrap();
        let run = RunDir::create_in(base.path()).unwrap();
        let record = run.record.clone();
        let owner = fs::read_to_string(record.join("owner")).unwrap();
        assert_eq!(Process::parse(&owner), Process::current());
        fs::write(run.subdirectory("memory").unwrap().join("file"), "x").unwrap();
        drop(run);
        assert!(!record.exists());
    }

    #[test]
    fn other_runs_are_known() {
        let base = tempfile::tempdir().unwrap();
        let run = RunDir::create_in(base.path()).unwrap();
        assert_eq!(run.others(), Vec::<PathBuf>::new());
        fs::create_dir(base.path().join("7")).unwrap();
        assert_eq!(run.others(), [base.path().join("7/work")]);
    }

    #[test]
    fn a_deep_base_gets_a_short_directory_and_leaves_none() {
        let base = tempfile::tempdir().unwrap();
        let deep = base.path().join("d".repeat(100));
        let run = RunDir::create_in(&deep).unwrap();
        let work = run.work().to_path_buf();
        assert!(work.as_os_str().len() <= LONGEST, "{}", work.display());
        assert!(work.is_dir());
        drop(run);
        assert!(!work.exists());
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 1, "only the lock stays");
    }
}
