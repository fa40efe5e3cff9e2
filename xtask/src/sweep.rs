//! Cleaning up after runs: the own one at its end, dead ones (SIGKILL, power) before the next.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::containerd;
use crate::mounts;
use crate::procfs::Process;

/// How long a killed process may take to be gone.
const KILL: Duration = Duration::from_secs(10);

/// Ends every run below `base` whose owner is dead. Says what could not be cleaned; that stays for the next sweep.
///
/// The caller holds the lock of `base`: a directory without an owner then is a broken one, not one being made.
pub(crate) fn sweep(base: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(base) else { return Vec::new() };
    let records = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let dead = records.filter(|record| record.is_dir() && !owner_is_alive(record));
    dead.flat_map(|record| end(&record)).collect()
}

/// Ends what the run of `record` started, whoever its owner is, and removes its directories.
pub(crate) fn end(record: &Path) -> Vec<String> {
    let work = fs::read_link(record.join("work")).unwrap_or_else(|_| record.join("work"));
    let mut problems = containerd::clean(&work.join(containerd::DIRECTORY));
    for process in listed_processes(&work) {
        if !process.kill(KILL) {
            problems.push(format!("process {} does not end", process.pid));
        }
    }
    problems.extend(mounts::unmount_below(&work));
    if problems.is_empty() {
        // The record goes last: until then a later sweep can finish what this one could not.
        problems.extend([work.as_path(), record].into_iter().filter_map(remove));
    }
    problems
}

fn owner_is_alive(record: &Path) -> bool {
    let owner = fs::read_to_string(record.join("owner")).ok();
    owner.and_then(|line| Process::parse(&line)).is_some_and(Process::is_running)
}

/// What the in-process engines of this run have started: they write `PID START_TIME` lines to files called `processes`.
fn listed_processes(work: &Path) -> Vec<Process> {
    let mut found = Vec::new();
    let mut dirs = vec![PathBuf::from(work)];
    while let Some(dir) = dirs.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries.filter_map(Result::ok) {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && entry.file_name() != containerd::DIRECTORY {
                dirs.push(entry.path());
            } else if kind.is_file() && entry.file_name() == "processes" {
                let lines = fs::read_to_string(entry.path()).unwrap_or_default();
                found.extend(lines.lines().filter_map(Process::parse));
            }
        }
    }
    found
}

fn remove(dir: &Path) -> Option<String> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Some(format!("cannot remove {}: {error}", dir.display()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    fn record(base: &Path, name: &str, owner: Option<Process>) -> PathBuf {
        let record = base.join(name);
        fs::create_dir_all(record.join("work/memory/engine")).unwrap();
        if let Some(owner) = owner {
            fs::write(record.join("owner"), format!("{} {}\n", owner.pid, owner.start_time)).unwrap();
        }
        record
    }

    fn sleeper() -> (Child, Process) {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let process = Process::running(i32::try_from(child.id()).unwrap()).unwrap();
        (child, process)
    }

    fn reused(process: Process) -> Process {
        Process { start_time: process.start_time + 1, ..process }
    }

    #[test]
    fn only_the_directories_of_dead_owners_go() {
        let base = tempfile::tempdir().unwrap();
        let me = Process::current().unwrap();
        let (mut child, dead) = sleeper();
        child.kill().unwrap();
        child.wait().unwrap();
        let live = record(base.path(), "live", Some(me));
        let gone = [
            record(base.path(), "dead", Some(dead)),
            record(base.path(), "reused", Some(reused(me))),
            record(base.path(), "ownerless", None),
        ];
        fs::write(base.path().join("lock"), "").unwrap();

        assert_eq!(sweep(base.path()), Vec::<String>::new());
        assert!(live.is_dir());
        assert!(base.path().join("lock").is_file());
        for record in gone {
            assert!(!record.exists(), "{}", record.display());
        }
    }

    #[test]
    fn processes_of_a_dead_run_are_killed_but_not_who_has_their_pid_now() {
        let base = tempfile::tempdir().unwrap();
        let (mut left, left_process) = sleeper();
        let (mut other, other_process) = sleeper();
        let dead = record(base.path(), "dead", None);
        let lines = [left_process, reused(other_process)].map(|p| format!("{} {}\n", p.pid, p.start_time));
        fs::write(dead.join("work/memory/engine/processes"), lines.concat() + "garbage\n").unwrap();

        assert_eq!(sweep(base.path()), Vec::<String>::new());
        assert!(left.wait().is_err(), "it was killed and reaped");
        assert_eq!(other.try_wait().unwrap(), None, "the newcomer lives");
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn a_short_work_directory_is_found_through_its_link() {
        let base = tempfile::tempdir().unwrap();
        let short = tempfile::tempdir().unwrap().keep();
        fs::write(short.join("file"), "x").unwrap();
        let dead = base.path().join("dead");
        fs::create_dir(&dead).unwrap();
        std::os::unix::fs::symlink(&short, dead.join("work")).unwrap();

        assert_eq!(sweep(base.path()), Vec::<String>::new());
        assert!(!short.exists());
        assert!(!dead.exists());
    }

    #[test]
    fn a_missing_base_is_clean() {
        assert_eq!(sweep(Path::new("/no/such/base")), Vec::<String>::new());
    }
}
