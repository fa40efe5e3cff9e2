//! Starting other programs: as part of the command (signals reach them) or as tools of the cleanup (signals don't).

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use nix::unistd::Pid;

use crate::failure::{Failure, Result};
use crate::interrupt::{self, Forward};

/// What `setpriv` is told before the program.
const TIE: [&str; 3] = ["--pdeathsig", "TERM", "--"];

/// Runs it with this process's stdio; its failure is ours.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if status.success() { Ok(()) } else { Err(failed(command, status)) }
}

/// Runs it with this process's stdio, whatever its end.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    let mut child = command.spawn().map_err(|error| cannot_start(command, &error))?;
    let _forward = Forward::to(pid(&child));
    let status = child.wait().map_err(|error| cannot_wait(command, &error))?;
    interrupt::check_after(status)?;
    Ok(status)
}

/// Runs it and keeps what it writes. Stderr stays where the caller put it, else it is kept too.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let child = child.map_err(|error| cannot_start(command, &error))?;
    let _forward = Forward::to(pid(&child));
    let output = child.wait_with_output().map_err(|error| cannot_wait(command, &error))?;
    interrupt::check_after(output.status)?;
    Ok(output)
}

/// Runs a tool out of reach of Ctrl-C and gives its stdout; the error carries the last line of its stderr.
pub(crate) fn tool<A: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = A>) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments).process_group(0).stdin(Stdio::null());
    let output = command.output().map_err(|error| cannot_start(&command, &error))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let last = stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        return Err(Failure::failed(format!("{program} failed ({}): {last}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A command that gets SIGTERM when this process dies of whatever, as far as `setpriv` is there to ask for it.
///
/// What it starts itself is not reached: the next run sweeps that.
pub(crate) fn tied(program: &Path) -> Command {
    let Some(setpriv) = find("setpriv") else { return Command::new(program) };
    let mut command = Command::new(setpriv);
    command.args(TIE).arg(program);
    command
}

/// Where a program is in `PATH`, or in the system directories that a user's `PATH` often lacks.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// The pid of a child in the type that signals are sent to.
pub(crate) fn pid(child: &Child) -> Pid {
    // Pids of Linux end at 2^22, so the cast keeps them.
    Pid::from_raw(child.id().cast_signed())
}

fn cannot_start(command: &Command, error: &std::io::Error) -> Failure {
    Failure::failed(format!("cannot start {}: {error}", command.get_program().display()))
}

fn cannot_wait(command: &Command, error: &std::io::Error) -> Failure {
    Failure::failed(format!("cannot wait for {}: {error}", shown(command)))
}

fn failed(command: &Command, status: ExitStatus) -> Failure {
    Failure::failed(format!("`{}` failed: {status}", shown(command)))
}

/// The command line as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
    let own = if Path::new(words[0]).ends_with("setpriv") { TIE.len() + 1 } else { 0 };
    let words = words.iter().skip(own).enumerate().map(|(at, word)| match Path::new(word).file_name() {
        Some(name) if at == 0 => name.to_string_lossy(),
        _ => word.to_string_lossy(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_its_status() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "`sh -c exit 3` failed: exit status: 3");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("no-such-program")).unwrap_err();
        assert!(error.to_string().starts_with("cannot start no-such-program: "), "{error}");
    }

    #[test]
    fn a_tool_gives_its_stdout_or_its_last_words() {
        assert_eq!(tool("sh", ["-c", "echo out; echo err >&2"]), Ok("out\n".to_owned()));
        let error = tool("sh", ["-c", "echo first >&2; echo last >&2; exit 1"]).unwrap_err();
        assert_eq!(error.to_string(), "sh failed (exit status: 1): last");
    }

    #[test]
    fn a_tied_command_still_is_the_program() {
        let output = output(tied(Path::new("/bin/sh")).args(["-c", "echo $0"])).unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "/bin/sh\n");
        assert_eq!(shown(tied(Path::new("/bin/sh")).arg("x")), "sh x");
    }
}
